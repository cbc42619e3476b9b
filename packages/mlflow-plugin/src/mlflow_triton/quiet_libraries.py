"""Commands of this project tell of their own work, not of what libraries do for them.

For processes that are ours alone: programs that embed the plugin keep their own logging.
"""

from __future__ import annotations

import logging


def be_quiet() -> None:
    """Keep MLflow and its database migrations from telling of anything but errors."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
