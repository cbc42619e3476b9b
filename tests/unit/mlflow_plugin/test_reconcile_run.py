"""The exit statuses of a run, and what it says when it can't even begin."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from mlflow_triton import reconcile

NOBODY = "127.0.0.1:1"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in ("TRITON_URL", "TRITON_MODEL_REPO", "TRITON_STATUS_FILE", "TRITON_SERVER_NAME"):
        monkeypatch.delenv(name, raising=False)


def _run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(reconcile.main, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--url", NOBODY], "The model repository is unknown"),
        (["--url", NOBODY, "--repo", "{tmp}", "--timeout", "soon"], "a number of seconds"),
        (["--repo", "{tmp}", "--status-file", "{tmp}/none/status"], "can't be written"),
        (["--repo", "ftp://models"], "ftp"),
    ],
)
def test_a_wrong_setting(tmp_path, arguments, said):
    given = [word.format(tmp=tmp_path) for word in arguments]
    status, told = _run(*given)
    assert status == 2, told
    assert said in told
    assert len(told.splitlines()) == 1


def test_a_server_that_does_not_come_up(tmp_path):
    status, told = _run("--url", NOBODY, "--repo", str(tmp_path), "--wait", "0")
    assert status == 1
    assert "connection refused" in told
