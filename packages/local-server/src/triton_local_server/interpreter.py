"""Choosing the Python interpreter that the server's environment is built on.

The server's stub is a program that embeds Python: it needs CPython 3.10 to 3.12 *with its shared
library*. The interpreter that runs this package is taken where it fits, else another one is looked
for on ``PATH``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from triton_local_server.errors import UnsupportedPythonError
from triton_local_server.requirements import SUPPORTED_PYTHONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PYTHON_VARIABLE = "TRITON_LOCAL_SERVER_PYTHON"
_PROBE_TIMEOUT_SECONDS = 20

_PROBE = """
import ctypes, json, os, sys, sysconfig
version = "%d.%d" % sys.version_info[:2]
library = "libpython%s.so.1.0" % version
places = [sysconfig.get_config_var("LIBDIR") or "", os.path.join(sys.base_prefix, "lib")]
directory = next((p for p in places if p and os.path.exists(os.path.join(p, library))), None)
if directory is None:
    try:
        ctypes.CDLL(library)
        directory = ""
    except OSError:
        pass
print(json.dumps({
    "executable": getattr(sys, "_base_executable", None) or sys.executable,
    "version": version,
    "implementation": sys.implementation.name,
    "library_directory": directory,
}))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python interpreter that the environment can be built on.

    Attributes:
        executable: The interpreter itself, not a virtual environment's link to it.
        version: Such as ``"3.11"``.
        library_directory: Where ``libpython3.X.so.1.0`` is; empty when the loader finds it.
    """

    executable: str
    version: str
    library_directory: str


def choose_interpreter(python: str | None = None) -> Interpreter:
    """Returns the first usable interpreter.

    Args:
        python: Path or command of the only interpreter to consider. Where left out, the variable
            ``TRITON_LOCAL_SERVER_PYTHON`` names it, else this process's own comes first,
            then ``python3.12``, ``python3.11`` and ``python3.10`` on ``PATH``, then what uv knows.

    Raises:
        UnsupportedPythonError: None is usable; the message names each with the reason.
    """
    chosen = python or os.environ.get(PYTHON_VARIABLE)
    refusals: list[str] = []
    for candidate in [chosen] if chosen else _candidates():
        found = probe(candidate)
        if isinstance(found, Interpreter):
            return found
        refusals.append(found)
    raise UnsupportedPythonError(
        "The local Triton server needs CPython 3.10, 3.11 or 3.12 with its shared library (it may "
        f"be another one than yours): install one, or name it in {PYTHON_VARIABLE}. "
        f"Looked at: {'; '.join(refusals)}."
    )


def probe(candidate: str) -> Interpreter | str:
    """Runs `candidate` and returns it as an `Interpreter`, or the reason why it does not fit."""
    try:
        answer = subprocess.run(
            [candidate, "-I", "-S", "-c", _PROBE],
            check=True,
            capture_output=True,
            text=True,
            timeout=_PROBE_TIMEOUT_SECONDS,
        ).stdout
        facts = json.loads(answer)
    except (OSError, subprocess.SubprocessError, ValueError):
        return f"{candidate} (does not run)"
    if facts["implementation"] != "cpython" or facts["version"] not in SUPPORTED_PYTHONS:
        return f"{candidate} (is {facts['implementation']} {facts['version']})"
    if facts["library_directory"] is None:
        return f"{candidate} (has no libpython{facts['version']}.so.1.0)"
    return Interpreter(facts["executable"], facts["version"], facts["library_directory"])


def preferred_versions() -> Sequence[str]:
    """Supported versions in the order of preference: this process's own version first."""
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return sorted(SUPPORTED_PYTHONS, key=lambda version: version != own)


def _candidates() -> Iterator[str]:
    if sys.executable:
        yield sys.executable
    for version in preferred_versions():
        for folder in (os.environ.get("PATH", ""), "/usr/bin:/usr/local/bin"):
            if found := shutil.which(f"python{version}", path=folder):
                yield found
    if uv := find_uv():
        for version in preferred_versions():
            yield from _uv_find(uv, version)


def find_uv() -> str | None:
    """Returns uv's path: from ``UV`` (``uv run`` sets it), ``PATH``, or beside this Python."""
    beside = Path(sys.executable or "/").parent
    return os.environ.get("UV") or shutil.which("uv") or shutil.which("uv", path=str(beside))


def _uv_find(uv: str, version: str) -> Iterator[str]:
    command = [uv, "python", "find", "--no-python-downloads", "--no-project", version]
    try:
        found = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=_PROBE_TIMEOUT_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return
    yield found.stdout.strip()
