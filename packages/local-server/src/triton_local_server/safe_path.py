"""Paths that Triton's python backend can live with.

It starts its stub through a shell and quotes nothing: a repository or an environment whose path has
a space in it makes the stub crash and the load hang (seen on Triton 2.51). Such a path is reached
through a symbolic link.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from triton_local_server.errors import InvalidOptionError

_SAFE = re.compile(r"[A-Za-z0-9._+/@%=:,-]+")


def scratch_directory() -> Path:
    """Makes a fresh private directory whose own path is safe.

    Raises:
        InvalidOptionError: The directory for temporary files has a name that Triton cannot take.
    """
    parent = tempfile.gettempdir()
    if not _SAFE.fullmatch(parent):
        parent = "/tmp"  # noqa: S108 - mkdtemp makes a private directory in it
    if not os.access(parent, os.W_OK):
        raise InvalidOptionError(
            f"The local Triton server cannot work in {tempfile.gettempdir()!r}: set TMPDIR to a "
            "writable directory without spaces in its path."
        )
    return Path(tempfile.mkdtemp(prefix="triton-local-server-", dir=parent))


def safe_path(path: Path, scratch: Path, name: str) -> Path:
    """Returns `path`, or a link to it in `scratch` called `name` where `path` is not safe."""
    if _SAFE.fullmatch(str(path)):
        return path
    link = scratch / name
    if not link.is_symlink():
        link.symlink_to(path, target_is_directory=True)
    return link
