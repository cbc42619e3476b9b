"""Laying out the directory that Triton's ``--backend-directory`` names.

It holds ``python`` (from the wheel, with the stub of the right Python version beside the library)
and this package's own backends, written in Python. Each of these is a directory with a
``model.py`` and the ``requirements.txt`` that `backend_packages` installs. Files are copied: Triton
refuses a backend whose library, links resolved, lies outside its directory.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

_OWN_BACKENDS = Path(__file__).parent / "backends"
_STUB = "triton_python_backend_stub"
REQUIREMENTS = "requirements.txt"


def own_backends() -> tuple[str, ...]:
    """Returns the names of this package's own backends."""
    return tuple(sorted(file.parent.name for file in _OWN_BACKENDS.glob(f"*/{REQUIREMENTS}")))


def backend_directory(root: Path, triton: Path, python_version: str) -> Path:
    """Returns a complete backend directory in `root`, made on the first call.

    Its name follows the content of this package's own backends, so that an upgrade of the package
    makes a new one in the same environment.

    Args:
        root: The server's environment.
        triton: ``pytriton/tritonserver`` of the installed wheel.
        python_version: Such as ``"3.11"``: which stub to take.
    """
    target = root / f"backends-{_own_digest()}"
    if target.is_dir():
        return target
    # Built aside and renamed, so that nobody sees half a directory.
    building = Path(tempfile.mkdtemp(prefix=".backends-", dir=root))
    try:
        _fill(building, triton, python_version)
        building.chmod(0o755)
        building.rename(target)
    except OSError:
        if not target.is_dir():  # else another process was faster
            raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target


def _fill(directory: Path, triton: Path, python_version: str) -> None:
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(_OWN_BACKENDS, directory, dirs_exist_ok=True, ignore=ignore)
    shutil.copytree(triton / "backends/python", directory / "python", ignore=ignore)
    stub = directory / "python" / _STUB
    shutil.copy(triton / "python_backend_stubs" / python_version / _STUB, stub)
    stub.chmod(0o755)


def _own_digest() -> str:
    digest = hashlib.sha256()
    for file in sorted(_OWN_BACKENDS.rglob("*")):
        if file.suffix not in {".py", ".txt"}:
            continue
        digest.update(file.relative_to(_OWN_BACKENDS).as_posix().encode() + b"\0")
        digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
