"""The progress of publishing, and MLflow's own bar."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow_triton.showing_progress import MLFLOW_BAR, shown_progress
from triton_deploy_core.ports.progress import Progress


@contextmanager
def shown() -> Iterator[Progress]:
    """Show progress as long as the context lasts, as all commands do.

    MLflow has a bar of its own for uploads. It stays where ours is drawn, and is turned off where
    nobody watches.
    """
    chosen = shown_progress()
    if not sys.stderr.isatty():
        os.environ.setdefault(MLFLOW_BAR, "false")
    with chosen as progress:
        yield progress
