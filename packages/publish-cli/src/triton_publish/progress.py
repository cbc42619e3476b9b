"""A progress bar on a terminal, nothing anywhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from mlflow_triton.terminal_progress import drawn_on
from triton_deploy_core.ports.progress import NoProgress, Progress

_MLFLOW_BAR = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"


@contextmanager
def bar(stream: TextIO) -> Iterator[Progress]:
    """Show progress on a stream as long as the context lasts, if it is a terminal.

    MLflow has a bar of its own for uploads. It stays where ours would be, and is turned off where
    nobody watches.
    """
    if stream.isatty():
        with drawn_on(stream) as progress:
            yield progress
        return
    os.environ.setdefault(_MLFLOW_BAR, "false")
    yield NoProgress()
