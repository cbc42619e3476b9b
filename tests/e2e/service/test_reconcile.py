"""Rounds of a reconciler on a real Triton: what is loaded, what is not loaded again, readiness."""

from __future__ import annotations

import shutil
from contextlib import closing

import pytest

from triton_deploy_core.errors import LoadFailedError
from triton_deploy_core.repairing import Outcome
from triton_deploy_transport import connect

ALL = b"version_policy { all { } }\n"


def _outcomes(reconciler) -> dict[str, str]:
    return {report.name: report.outcome.value for report in reconciler.round().reports}


def test_a_server_that_comes_up_empty_and_one_that_was_updated(site):
    service = site.service()
    service.create("a", site.answering(1, 1))
    service.create("b", site.answering(2, 1))
    site.triton.restart()
    reconciler = service.reconciler()
    assert _outcomes(reconciler) == {"a": "repaired", "b": "repaired"}
    service.update("a", site.answering(3, 2))
    assert (site.answer("a"), site.answer("b")) == (3, 2)
    for _ in range(2):
        assert _outcomes(reconciler) == {"a": "fine", "b": "fine"}
    # A version that is brought up anew counts from zero.
    assert [service.get(name).versions for name in "ab"] == [(2,), (1,)]
    with closing(connect(site.triton.http_url)) as server:
        assert [row.success_count for name in "ab" for row in server.statistics(name)] == [1, 1]


def test_a_failure_that_nobody_took_back_does_not_keep_the_server_unready(site):
    """A version that failed here while its update was undone elsewhere; the old one serves on."""
    service = site.service()
    service.create("a", site.answering(1, 1))
    reconciler = service.reconciler()
    reconciler.round()
    directory = site.repository / "a"
    config = (directory / "config.pbtxt").read_bytes()
    (directory / "2").mkdir()
    (directory / "2" / "model.py").write_text("import nothing_of_that_name\n")
    policy = config.partition(b"version_policy")[0] + ALL
    (directory / "config.pbtxt").write_bytes(policy)
    with closing(connect(site.triton.http_url)) as server, pytest.raises(LoadFailedError):
        server.load("a", timeout=60)
    shutil.rmtree(directory / "2")
    (directory / "config.pbtxt").write_bytes(config)
    assert not site.is_ready()
    found = reconciler.round()
    assert found.is_ready
    assert found.healed == ("a",)
    assert site.is_ready()
    assert site.answer("a") == 1
    assert (directory / "config.pbtxt").read_bytes() == config
    assert reconciler.round().count(Outcome.FINE) == 1
