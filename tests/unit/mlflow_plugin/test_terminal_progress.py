"""What a person sees at a terminal while files are uploaded, and what nobody has to see."""

from __future__ import annotations

import os
import pty
import sys
from contextlib import suppress

import pytest

from mlflow_triton import bootstrap
from mlflow_triton.log_progress import LogProgress
from mlflow_triton.terminal_progress import TerminalProgress


@pytest.fixture
def terminal():
    controller, end = pty.openpty()
    with os.fdopen(end, "w") as stream:

        def shown():
            stream.close()
            pieces = []
            with suppress(OSError):  # Linux's way to say that there is no more
                while piece := os.read(controller, 1 << 16):
                    pieces.append(piece)
            return b"".join(pieces).decode()

        yield stream, shown
    os.close(controller)


def test_a_line_fills_with_bytes_and_their_rate(terminal):
    stream, shown = terminal
    times = iter([0.0, 0.05, 2.0, 4.0, 5.0, 6.0, 7.0])
    progress = TerminalProgress(stream, lambda: next(times))
    progress.step("uploading 2 files")
    progress.total(200_000_000)
    progress.advance(1)  # too early to draw again
    progress.advance(99_999_999)
    progress.advance(100_000_000)
    progress.step("loading 'iris'")
    progress.total(0)
    progress.advance(0)
    progress.close()
    text = shown()
    assert text.startswith("uploading 2 files\r\n")
    assert "50%  100.0/200.0 MB  50.0 MB/s" in text
    assert "100%  200.0/200.0 MB  50.0 MB/s" in text
    # One line, drawn over and over, then the next step.
    assert text.count("\n") == 3
    assert text.endswith("loading 'iris'\r\n")


@pytest.mark.parametrize(("wanted", "kind"), [("true", TerminalProgress), ("false", LogProgress)])
def test_there_is_a_bar_where_mlflow_would_have_one(terminal, monkeypatch, wanted, kind):
    monkeypatch.setattr(sys, "stderr", terminal[0])
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", wanted)
    with bootstrap._progress() as progress:
        assert isinstance(progress, kind)


def test_a_pipe_gets_quiet_lines(monkeypatch, tmp_path):
    with (tmp_path / "log").open("w") as pipe:
        monkeypatch.setattr(sys, "stderr", pipe)
        with bootstrap._progress() as progress:
            assert isinstance(progress, LogProgress)
