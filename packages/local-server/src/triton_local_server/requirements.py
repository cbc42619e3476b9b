"""What the server's private environment is made of, and the name that identifies it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SUPPORTED_PYTHONS = ("3.12", "3.11", "3.10")
"""Versions that the environment can be built on, best first (numpy 1 has no wheel for 3.13)."""

# Installed without dependencies: the server needs none of nvidia-pytriton's Python code. Under
# numpy 2 the server's stub returns tensors of zero bytes.
NUMPY = "numpy==1.26.4"
"""The numpy of every environment, whatever models ask for."""

PINS = ("nvidia-pytriton==0.7.0", NUMPY)
"""The exact requirements of every environment. Those of backends are in their own directories."""

_LAYOUT = "1"  # raised when the same packages are to be laid out differently


def environment_name(python_version: str, requirements: Sequence[str] = ()) -> str:
    """Returns the directory name of the environment for `python_version` (such as ``"3.11"``).

    It changes with every pin, so that new pins make a new environment; so do the requirements of
    models, in whatever order they are named.
    """
    content = "\n".join([_LAYOUT, python_version, *PINS, *sorted(set(requirements))])
    return f"python{python_version}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
