"""What a file that PyTorch wrote says of its model, read without PyTorch and without its weights.

All of them are zip archives but the oldest pickles. Sources, all of pytorch/pytorch:
``torch/csrc/jit/serialization/export_module.cpp`` and ``python_print.cpp`` (TorchScript: its code
is in ``code/``, the root's class the first that ``data.pkl`` names), ``torch/serialization.py``
(pickles) and ``torch/export/pt2_archive/constants.py`` (exported programs).
"""

from __future__ import annotations

import pickletools
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from mlflow_triton.ranged_file import RangedFile

if TYPE_CHECKING:
    from mlflow_triton.ranged_reading import RangedReader

_LONGEST = 16 << 20
_ROOT_CLASS = re.compile(rb"\x80\x02c([\w.]+)\n(\w+)\n")
_FORWARD = re.compile(r"^  def forward\((.*?)\) -> (.*?):$", re.MULTILINE | re.DOTALL)
_TUPLE = re.compile(r"Tuple\[(.*)\]", re.DOTALL)


class Kind(Enum):
    """How a model was saved."""

    TORCHSCRIPT = "TorchScript"
    EXPORTED = "an exported program"
    PICKLED = "a pickled module"


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of ``forward``, with its type as TorchScript writes it: ``Tensor``."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Forward:
    """What a TorchScript module's ``forward`` takes and returns.

    Attributes:
        arguments: without ``self``.
        returns: the types of what it returns, those of its elements where that is a tuple; None
            where they are not written there (named tuples).
    """

    arguments: tuple[Argument, ...]
    returns: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class TorchFile:
    """A model's file.

    Attributes:
        kind: how it was saved.
        forward: of TorchScript, where it can be read.
        training: whether it was left in training mode, and acts otherwise for that.
    """

    kind: Kind
    forward: Forward | None = None
    training: bool = False


def read_torch_file(reader: RangedReader) -> TorchFile:
    """Return what a file says; what is none of PyTorch's archives is taken for a pickle."""
    try:
        with zipfile.ZipFile(RangedFile(reader)) as archive:
            names = {name.partition("/")[2]: name for name in archive.namelist()}
            if "constants.pkl" in names and any(name.startswith("code/") for name in names):
                forward, training = _forward(archive, names), _is_in_training(archive, names)
                return TorchFile(Kind.TORCHSCRIPT, forward, training)
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, zlib.error, NotImplementedError):
        return TorchFile(Kind.PICKLED)
    exported = any(name.startswith("models/") or name == "archive_format" for name in names)
    # Before PyTorch 2.8 an exported program was laid out in another way.
    exported = exported or "serialized_exported_program.json" in archive.namelist()
    return TorchFile(Kind.EXPORTED if exported else Kind.PICKLED)


def _forward(archive: zipfile.ZipFile, names: dict[str, str]) -> Forward | None:
    found = _ROOT_CLASS.match(_start(archive, names.get("data.pkl", "")))
    if found is None:
        return None
    module, name = (part.decode() for part in found.groups())
    code = _start(archive, names.get(f"code/{module.replace('.', '/')}.py", "")).decode(
        "utf-8", "replace"
    )
    _, _, body = code.partition(f"class {name}(Module):\n")
    written = _FORWARD.search(re.split(r"^class ", body, maxsplit=1, flags=re.MULTILINE)[0])
    if written is None:
        return None
    _, *arguments = _split(written[1])
    return Forward(tuple(map(_argument, arguments)), _returned(written[2]))


def _is_in_training(archive: zipfile.ZipFile, names: dict[str, str]) -> bool:
    """Tell whether a module's flag is set, and whether any module looks at its flag."""
    code = (path for name, path in names.items() if re.fullmatch(r"code/.*\.py", name))
    asks = any(b"self.training" in _start(archive, path) for path in code)
    try:
        return asks and _is_set("training", _start(archive, names.get("data.pkl", "")))
    except ValueError:  # what is no pickle says nothing
        return False


def _is_set(attribute: str, data: bytes) -> bool:
    """Tell whether a pickle has an attribute of that name that is true. Nothing is unpickled."""
    memo: set[object] = set()
    named = False
    for operation, argument, _ in pickletools.genops(data):
        match operation.name:
            case "BINUNICODE":
                named = argument == attribute
            case "BINPUT" | "LONG_BINPUT":
                memo |= {argument} if named else set()
            case "BINGET" | "LONG_BINGET":
                named = argument in memo
            case "NEWTRUE" if named:
                return True
            case _:
                named = False
    return False


def _start(archive: zipfile.ZipFile, name: str) -> bytes:
    if not name:
        return b""
    with archive.open(name) as file:
        return file.read(_LONGEST)


def _argument(text: str) -> Argument:
    name, _, kind = text.partition(":")
    return Argument(name.strip(), kind.partition("=")[0].strip())


def _returned(text: str) -> tuple[str, ...] | None:
    if text.startswith("__torch__"):
        return None
    elements = _TUPLE.fullmatch(text)
    return tuple(_split(elements[1])) if elements else (text,)


def _split(text: str) -> Iterator[str]:
    """Yield what is between the commas that are in no brackets."""
    depth, start = 0, 0
    for place, character in enumerate(text):
        depth += (character in "[(") - (character in "])")
        if character == "," and not depth:
            yield text[start:place].strip()
            start = place + 1
    if rest := text[start:].strip():
        yield rest
