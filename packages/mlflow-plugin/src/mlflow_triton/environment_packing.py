"""Python packages as an archive that Triton's python backend unpacks and activates.

It holds no interpreter: the model runs in a process of its own under the server's ``python3.X``,
so that neither the stub's version of numpy nor its version of Python matters. It is a directory of
packages and a ``bin/activate`` that says where they are; nothing in it depends on the place where
it was made or where it is unpacked. (The stub itself can't be told by ``PYTHONPATH``: seen in
Triton 2.51, it starts Python with ``ignore_environment``.)

What is asked for is resolved each time, and what comes of that is packed once and kept in the
user's cache. The same packages make the same bytes, so that an update transfers them once.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import logging
import os
import platform
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mlflow_triton.environment_uv import environments_cache, run_uv

_LAYOUT = "1"  # raised when the same packages are to be laid out differently
_PACKAGES = "site-packages"
_ACTIVATE = f"""\
# Sourced by Triton's python backend, in bash, before it starts its stub. model.py reads it.
_root="$(cd "$(dirname "${{BASH_SOURCE[0]}}")/.." && pwd)"
export MLFLOW_TRITON_PACKAGES="$_root/{_PACKAGES}"
"""
_LEVEL = 4

_logger = logging.getLogger(__name__)


def pack_environment(requirements: str, python_version: str) -> Path:
    """Return an archive with all that is required, packing it where there is none yet.

    uv's own settings hold, its variables too.

    Args:
        requirements: the text of a ``requirements.txt``.
        python_version: such as ``3.11``; the server has to have that.

    Raises:
        InvalidSettingError: there is no uv.
        InvalidPackageError: the requirements can't be met; with uv's own reason.
    """
    target = ("--python-version", python_version, "--python-platform", _platform())
    with tempfile.TemporaryDirectory(prefix="mlflow-triton-") as scratch:
        wanted, pinned = Path(scratch, "requirements.txt"), Path(scratch, "pinned.txt")
        wanted.write_text(requirements, encoding="utf-8")
        run_uv(
            *("pip", "compile", "--no-header", "--no-annotate", "--output-file", str(pinned)),
            *(*target, str(wanted)),
        )
        key = "\n".join([_LAYOUT, *target, pinned.read_text(encoding="utf-8")])
        archive = environments_cache() / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.tar.gz"
        if archive.is_file():
            return archive
        _logger.info("packing the model's environment for Python %s", python_version)
        packages = Path(scratch, _PACKAGES)
        run_uv(
            *("pip", "install", "--no-deps", "--only-binary", ":all:", "--target", str(packages)),
            *(*target, "--requirement", str(pinned)),
        )
        _write(archive, packages)
    return archive


def _platform() -> str:
    """Return the server's platform: Linux on this machine's kind of processor."""
    machine = "aarch64" if platform.machine().lower() in {"aarch64", "arm64"} else "x86_64"
    # On a Mac it says nothing about the server, and most of those are x86-64.
    return f"{machine if sys.platform == 'linux' else 'x86_64'}-manylinux_2_28"


def _write(archive: Path, packages: Path) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".packing-", dir=archive.parent)
    try:
        with (
            os.fdopen(handle, "wb") as raw,
            gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as zipped,
            tarfile.open(fileobj=zipped, mode="w", format=tarfile.GNU_FORMAT) as tar,
        ):
            _add(tar, "bin/activate", _ACTIVATE.encode(), 0o755)
            for path in _files(packages):
                name_in_it = f"{_PACKAGES}/{path.relative_to(packages).as_posix()}"
                _add(tar, name_in_it, path.read_bytes(), path.stat().st_mode & 0o111 | 0o644)
        Path(name).replace(archive)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _files(packages: Path) -> Sequence[Path]:
    """Return what to pack, always in the same order: no bytecode, which has times in it."""
    return sorted(
        path
        for path in packages.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and path.name != ".lock"
    )


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))
