# ruff: noqa: INP001 - a folder as Triton wants it, not a package
"""Which argument of ``forward`` an input of the configuration is, and which result an output.

The rules are those of ``ModelInstanceState::GetNamingConvention`` in ``src/libtorch.cc`` of
``triton-inference-server/pytorch_backend``: names of arguments, if all are; else
``<name>__<index>``, if all are; else the order in the configuration.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

_NUMBERED = re.compile(r".*?__(\d*)")


def index_of(name: str) -> int | None:
    """Returns the number in a name such as ``INPUT__0``; None where it has none."""
    found = _NUMBERED.fullmatch(name)
    return int(found[1] or 0) if found else None


def input_places(names: Sequence[str], arguments: Sequence[str]) -> dict[str, int]:
    """Returns the place of each input among the arguments of ``forward``."""
    if set(names) <= set(arguments):
        return {name: arguments.index(name) for name in names}
    return output_places(names)


def output_places(names: Sequence[str]) -> dict[str, int]:
    """Returns the place of each output among the results of ``forward``."""
    numbers = {name: index_of(name) for name in names}
    found = {name: number for name, number in numbers.items() if number is not None}
    return found if len(found) == len(names) else {name: at for at, name in enumerate(names)}


def is_permutation(places: Collection[int]) -> bool:
    """Tells whether every place up to the last is there, once."""
    return sorted(places) == list(range(len(places)))
