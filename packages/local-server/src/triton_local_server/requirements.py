"""What the server's private environment is made of, and the name that identifies it."""

from __future__ import annotations

import hashlib
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SUPPORTED_PYTHONS = ("3.12", "3.11", "3.10")
"""Versions that the environment can be built on, best first (numpy 1 has no wheel for 3.13)."""

# Installed without dependencies: the server needs none of nvidia-pytriton's Python code, and
# onnxruntime imports nothing but numpy at run time. Under numpy 2 the server's stub returns tensors
# of zero bytes.
NUMPY = "numpy==1.26.4"
"""The numpy of every environment, whatever models ask for."""

_SERVER = ("nvidia-pytriton==0.7.0", NUMPY)

PINS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "3.10": (*_SERVER, "onnxruntime==1.23.2"),  # the last one with wheels for Python 3.10
        "3.11": (*_SERVER, "onnxruntime==1.32.0"),
        "3.12": (*_SERVER, "onnxruntime==1.32.0"),
    }
)
"""Python version → the exact requirements installed for it."""

_LAYOUT = "1"  # raised when the same packages are to be laid out differently


def environment_name(python_version: str, requirements: Sequence[str] = ()) -> str:
    """Returns the directory name of the environment for `python_version` (such as ``"3.11"``).

    It changes with every pin, so that new pins make a new environment; so do the requirements of
    models, in whatever order they are named.
    """
    content = "\n".join(
        [_LAYOUT, python_version, *PINS[python_version], *sorted(set(requirements))]
    )
    return f"python{python_version}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
