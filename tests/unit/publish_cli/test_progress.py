"""Publishing shows what every command shows, and keeps MLflow's own bar out of pipes."""

from __future__ import annotations

import io
import os
import sys

import pytest

from mlflow_triton.terminal_progress import TerminalProgress
from triton_publish.progress import shown

BAR = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_drawn_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BAR, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", _Terminal())
    with shown() as progress:
        assert isinstance(progress, TerminalProgress)
    assert BAR not in os.environ


def test_a_pipe_gets_no_bar_of_mlflows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BAR, "")  # so that it is put back
    monkeypatch.delenv(BAR)
    monkeypatch.setattr(sys, "stderr", pipe := io.StringIO())
    with shown() as progress:
        progress.step("copying")
        progress.total(10)
        progress.advance(10)
    assert pipe.getvalue() == ""
    assert os.environ[BAR] == "false"
