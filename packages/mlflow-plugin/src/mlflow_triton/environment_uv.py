"""uv, which installs what models need, and where it is kept."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from triton_deploy_core.errors import InvalidPackageError, InvalidSettingError

_TIMEOUT_SECONDS = 1800.0
_DRAWN = re.compile(r"[^\x20-\x7e]+")


def environments_cache() -> Path:
    """Return the directory that keeps environments for the next time. It may be deleted."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "mlflow-triton" / "environments"


def run_uv(*arguments: str) -> None:
    """Run uv, with its own settings and variables.

    Raises:
        InvalidSettingError: there is no uv.
        InvalidPackageError: it failed; with its own reason.
    """
    program = os.environ.get("UV") or shutil.which("uv")
    program = program or shutil.which("uv", path=str(Path(sys.executable).parent))
    if program is None:
        raise InvalidSettingError(
            "The model's environment is made by uv, which is not here. Install it (pip install "
            "uv), or say where the model's packages are (-C env=)."
        )
    try:
        done = subprocess.run(
            [program, "--quiet", *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InvalidPackageError(
            f"The model's environment can't be made: {error}. Try again, or say where the model's "
            "packages are (-C env=)."
        ) from error
    if done.returncode != 0:
        raise InvalidPackageError(
            f"The model's environment can't be made. uv says: {_reason(done.stderr)}. Correct the "
            "model's requirements (pip_requirements= where it is logged), or say where its "
            "packages are (-C env=)."
        )


def _reason(output: str) -> str:
    """Return uv's words on one line, without what it draws around them."""
    words = (_DRAWN.sub(" ", line).strip() for line in output.splitlines())
    return " ".join(filter(None, words)).rstrip(".") or "nothing"
