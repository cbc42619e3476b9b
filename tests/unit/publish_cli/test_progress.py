from __future__ import annotations

import io

import pytest

from triton_deploy_core.ports.progress import NoProgress
from triton_publish.progress import bar


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


def test_a_terminal_shows_a_bar() -> None:
    stream = _Terminal()
    with bar(stream) as progress:
        progress.advance(1)  # before anything is known of the size
        progress.step("copying 2 files")
        progress.total(10)
        progress.advance(4)
        progress.advance(6)
        progress.step("registering iris")

    shown = stream.getvalue()
    assert "copying 2 files" in shown
    assert "100%" in shown
    assert shown.rstrip().endswith("registering iris")


def test_nothing_to_copy_is_no_error() -> None:
    stream = _Terminal()
    with bar(stream) as progress:
        progress.total(0)
        progress.advance(0)


def test_a_pipe_shows_nothing() -> None:
    stream = io.StringIO()
    with bar(stream) as progress:
        assert isinstance(progress, NoProgress)
        progress.step("copying")
        progress.total(10)
        progress.advance(10)
    assert stream.getvalue() == ""
