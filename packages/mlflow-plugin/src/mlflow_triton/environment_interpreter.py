"""A Python interpreter on this machine that has what a model needs: for `run-local`."""

from __future__ import annotations

import hashlib
import logging
import shutil
import sys
import tempfile
from pathlib import Path

from mlflow_triton.environment_uv import environments_cache, run_uv
from mlflow_triton.served.pyfunc_serving import unmet_requirements

_logger = logging.getLogger(__name__)


def interpreter_with(requirements: str, python_version: str) -> Path:
    """Return an interpreter that has what is required.

    It is the one that runs this, where that has all of it in the versions that are asked for, else
    one of an environment that uv makes, and that is kept for the next time.

    Args:
        requirements: the text of a ``requirements.txt``.
        python_version: such as ``3.11``.

    Raises:
        InvalidSettingError: there is no uv.
        InvalidPackageError: the requirements can't be met; with uv's own reason.
    """
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if own == python_version and sys.executable and not unmet_requirements(requirements):
        return Path(sys.executable)
    digest = hashlib.sha256(f"{python_version}\n{requirements}".encode()).hexdigest()[:24]
    root = environments_cache() / digest
    if not (root / "bin/python").exists():
        _logger.info("installing what the model needs into %s", root)
        _build(root, requirements, python_version)
    return root / "bin/python"


def _build(root: Path, requirements: str, python_version: str) -> None:
    """Make an environment aside and put it in its place when it is complete."""
    root.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".building-", dir=root.parent))
    try:
        wanted = aside / "requirements.txt"
        wanted.write_text(requirements, encoding="utf-8")
        made = aside / "environment"
        run_uv("venv", "--no-project", "--relocatable", "--python", python_version, str(made))
        python = str(made / "bin/python")
        run_uv("pip", "install", "--python", python, "--requirement", str(wanted))
        if not root.exists():  # else another process was faster
            made.rename(root)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
