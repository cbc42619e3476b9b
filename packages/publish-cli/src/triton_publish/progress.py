"""A progress bar on a terminal, nothing anywhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TextIO

import click

from triton_deploy_core.ports.progress import NoProgress, Progress

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

_MLFLOW_BAR = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"


@contextmanager
def bar(stream: TextIO) -> Iterator[Progress]:
    """Show progress on a stream as long as the context lasts, if it is a terminal.

    MLflow has a bar of its own for uploads. It stays where ours would be, and is turned off where
    nobody watches.
    """
    if not stream.isatty():
        os.environ.setdefault(_MLFLOW_BAR, "false")
        yield NoProgress()
        return
    with ExitStack() as stack:
        yield _Bar(stream, stack)


class _Bar:
    def __init__(self, stream: TextIO, stack: ExitStack) -> None:
        self._stream = stream
        self._stack = stack
        self._label = ""
        self._bar: ProgressBar[int] | None = None

    def step(self, text: str) -> None:
        self._finish()
        self._label = text
        click.echo(text, file=self._stream)

    def total(self, size: int) -> None:
        self._finish()
        shown: ProgressBar[int] = click.progressbar(
            length=max(size, 1), label="  ", file=self._stream
        )
        self._bar = self._stack.enter_context(shown)

    def advance(self, size: int) -> None:
        if self._bar is not None:
            self._bar.update(size)

    def _finish(self) -> None:
        self._stack.close()
        self._bar = None
