"""What a person sees at a terminal, what goes to a pipe, and what nobody has to see."""

from __future__ import annotations

import io
import logging
import os
import pty
import re
import sys
import threading
from contextlib import nullcontext, suppress

import click
import pytest

from mlflow_triton.log_progress import LogProgress
from mlflow_triton.logs import logged_as_wanted, logged_to_stderr
from mlflow_triton.pipe_progress import PipeProgress
from mlflow_triton.showing_progress import shown_progress
from mlflow_triton.terminal_progress import TerminalProgress
from triton_deploy_core.errors import InvalidSettingError

BAR = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    controller, end = pty.openpty()
    with os.fdopen(end, "w", encoding="utf-8") as stream:

        def shown():
            stream.close()
            pieces = []
            with suppress(OSError):  # Linux's way to say that there is no more
                while piece := os.read(controller, 1 << 16):
                    pieces.append(piece)
            return b"".join(pieces).decode()

        yield stream, shown
    os.close(controller)


def _lines(text: str) -> list[str]:
    """What is left on the screen: each line as it was drawn last, without colours."""
    screen = []
    for line in text.replace("\r\n", "\n").split("\n")[:-1]:
        last = line.rpartition("\x1b[2K")[2]
        screen.append(re.sub(r"\x1b\[\d*m|\r", "", last))
    return screen


def _uploading(stream) -> None:
    times = iter([0.0, 1.0, 1.05, 3.0, 5.0, 5.0, 6.0, 6.0])
    with TerminalProgress(stream, lambda: next(times), tick=0) as progress:
        progress.step("uploading 2 files")  # drawn at 0
        progress.total(200_000_000)  # at 1
        progress.advance(1)  # too early to draw again
        progress.advance(99_999_999)  # at 3
        progress.advance(100_000_000)  # at 5
        progress.step("loading 'iris' …")  # ended at 5, begun at 6
        # ended at 6


def test_a_line_fills_with_bytes_and_ends_with_its_time(terminal):
    stream, shown = terminal
    _uploading(stream)
    text = shown()
    assert "50%  100.0/200.0 MB  50.0 MB/s" in text
    assert "[##########----------]" in text
    assert "100%  200.0/200.0 MB  50.0 MB/s" in text
    assert _lines(text) == ["✓ uploading 2 files  5.0 s", "✓ loading 'iris'"]
    assert "\x1b[32m✓\x1b[0m" in text


def test_no_color_leaves_colours_out(terminal, monkeypatch):
    stream, shown = terminal
    monkeypatch.setenv("NO_COLOR", "1")
    _uploading(stream)
    text = shown()
    assert not re.search(r"\x1b\[\d*m", text)
    assert "✓ uploading 2 files" in text


def test_what_failed_is_marked_and_too_long_a_line_is_cut(terminal, monkeypatch):
    stream, shown = terminal
    monkeypatch.setenv("COLUMNS", "30")
    with suppress(LookupError), TerminalProgress(stream, lambda: 0.0, tick=0) as progress:
        progress.step("loading a model of a rather long name")
        raise LookupError
    (line,) = _lines(shown())
    assert line == "✗ loading a model of a rather"


def test_a_terminal_that_is_not_utf_8_gets_ascii(terminal):
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="ascii", write_through=True)
    with TerminalProgress(stream, lambda: 0.0, tick=0) as progress:
        progress.step("loading")
    assert _lines(written.getvalue().decode()) == ["* loading"]


def test_a_step_of_which_nothing_is_heard_is_drawn_again():
    drawn = threading.Event()

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            if "2.0 s" in text:
                drawn.set()
            return super().write(text)

    seconds = [0.0]
    with TerminalProgress(Stream(), lambda: seconds[0], tick=0.001) as progress:
        progress.step("loading")
        seconds[0] = 2.0
        assert drawn.wait(30)


def test_a_pipe_gets_a_line_for_what_lasts_and_none_for_what_does_not():
    told = threading.Event()

    class Stream(io.StringIO):
        def flush(self) -> None:
            told.set()

    stream = Stream()
    with PipeProgress(stream, after=3600) as progress:
        progress.step("checking")
        progress.total(1)
        progress.advance(1)
    assert stream.getvalue() == ""
    with PipeProgress(stream, after=0) as progress:
        progress.step("loading 'iris' …")
        assert told.wait(30)
    first, second = stream.getvalue().splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ loading 'iris' …", first)
    assert re.fullmatch(r"\S+Z loading 'iris': done in \d+\.\d s", second)


@pytest.mark.parametrize(
    ("is_terminal", "in_command", "bars", "kind"),
    [
        (True, True, "true", TerminalProgress),
        (True, False, "true", TerminalProgress),
        (True, True, "false", LogProgress),
        (False, True, "true", PipeProgress),
        (False, True, "0", LogProgress),
        (False, False, "true", LogProgress),
    ],
)
def test_each_gets_what_suits_it(monkeypatch, is_terminal, in_command, bars, kind):
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: is_terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv(BAR, bars)
    monkeypatch.setenv("TERM", "xterm")
    command = click.Context(click.Command("x")) if in_command else nullcontext()
    with command, shown_progress() as progress:
        assert isinstance(progress, kind)


def test_a_command_logs_as_the_variable_says(monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    logger = logging.getLogger("triton_deploy_core.test")
    for level, expected in (("info", 2), ("error", 0), ("off", 0), ("warning", 1)):
        monkeypatch.setenv("TRITON_LOG_LEVEL", level)
        stream.seek(0)
        stream.truncate()
        with click.Context(click.Command("x")), logged_as_wanted(), logged_to_stderr():
            logger.info("a")
            logger.warning("b")
        assert stream.getvalue().count("\n") == expected, level
    monkeypatch.setenv("TRITON_LOG_LEVEL", "loud")
    with (
        click.Context(click.Command("x")),
        pytest.raises(InvalidSettingError, match="one of debug, info"),
        logged_as_wanted(),
    ):
        pass
    with logged_as_wanted():  # a program of its own, which sets up its own
        assert not logging.getLogger("mlflow_triton").handlers
