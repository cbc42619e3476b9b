"""A Triton that comes back empty, and what `get` and `repair` say and do about it."""

from __future__ import annotations

import pytest

from triton_deploy_core.errors import DeployError
from triton_deploy_core.repairing import Outcome


def _differences(service, name: str) -> str:
    return "; ".join(difference.text for difference in service.get(name).differences)


def test_a_server_that_came_back_empty_serves_everything_after_a_repair(site):
    service = site.service()
    service.create("a", site.answering(1, 1))
    service.create("b", site.answering(2, 1))
    service.update("b", site.answering(3, 2))
    service.create("broken", site.answering(4, 1))
    broken = site.repository / "broken" / "1" / "model.py"
    broken.write_bytes(b"import nothing_of_that_name\n")
    site.triton.restart()
    assert _differences(service, "b") == "config.pbtxt picks version 2, the server serves none"
    a, b, third = service.repair()
    assert (a.done, b.done) == (("loaded version 1",), ("loaded version 2",))
    assert third.outcome is Outcome.FAILED
    assert "nothing_of_that_name" in str(third.error)
    assert (site.answer("a"), site.answer("b")) == (1, 3)
    # The one that failed would keep the whole server unready.
    assert site.is_ready()
    assert _differences(service, "a") == _differences(service, "b") == ""
    # It is read from the repository again, not from what healed the server.
    broken.write_bytes(site.answering(4, 1).files["model.py"].data)
    assert service.repair("broken")[0].done == ("loaded version 1",)
    assert site.answer("broken") == 4
    assert {report.outcome for report in service.repair()} == {Outcome.FINE}


def test_a_server_that_serves_another_version_than_its_configuration_picks(site):
    service = site.service()
    service.create("x", site.answering(1, 1))
    service.update("x", site.answering(2, 2))
    config = site.repository / "x" / "config.pbtxt"
    config.write_bytes(config.read_bytes().replace(b"versions: 2", b"versions: 1"))
    assert _differences(service, "x") == "config.pbtxt picks version 1, the server serves 2"
    assert service.repair("x")[0].done == ("loaded version 1",)
    assert site.answer("x") == 1


def test_a_version_that_would_abort_the_server_is_never_loaded(site):
    """Triton 2.51 ends with SIGABRT at a load of such a directory."""
    service = site.service()
    service.create("a", site.answering(1, 1))
    service.create("b", site.answering(2, 1))
    absurd = site.repository / "a" / str(2**63)
    absurd.mkdir()
    (absurd / "model.py").write_bytes((site.repository / "a" / "1" / "model.py").read_bytes())
    assert str(2**63) in service.get("a").differences[0].text
    for act in (
        lambda: service.update("a", site.answering(3, 2)),
        lambda: service.update("a", site.answering(1, 1), force=True),
        lambda: service.rollback("a"),
    ):
        with pytest.raises(DeployError, match="aborts the whole server"):
            act()
    outcomes = {report.name: report.outcome.value for report in service.repair()}
    assert outcomes == {"a": "failed", "b": "fine"}
    service.reconciler().round()
    assert (site.answer("a"), site.answer("b")) == (1, 2)
    service.delete("a")
    assert site.answer("b") == 2
