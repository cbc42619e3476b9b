"""Which progress whoever called is shown: on a terminal, in a pipe, or in a program's log."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import AbstractContextManager, nullcontext

import click

from mlflow_triton.log_progress import LogProgress
from mlflow_triton.pipe_progress import PipeProgress
from mlflow_triton.terminal_progress import TerminalProgress
from triton_deploy_core.ports.progress import Progress

MLFLOW_BAR = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"


def shown_progress() -> AbstractContextManager[Progress]:
    """Return what suits stderr.

    Lines that are drawn over on a terminal; lines for what lasts where a command writes to a pipe.
    In a program that is no command, or where MLflow's own bars are turned off, the log alone: at
    level INFO.
    """
    if _wants_bars():
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            return TerminalProgress(sys.stderr)
        if click.get_current_context(silent=True) is not None:
            return PipeProgress(sys.stderr)
    return nullcontext(LogProgress(logging.getLogger(__package__)))


def _wants_bars() -> bool:
    """Tell what MLflow's variable says, without MLflow, whose import takes seconds."""
    return os.environ.get(MLFLOW_BAR, "true").strip().lower() not in {"false", "0"}
