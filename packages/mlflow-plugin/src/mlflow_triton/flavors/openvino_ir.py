"""What a model in OpenVINO's IR takes and gives, read from its ``.xml`` in pieces.

Source of the format: ``src/core/src/pass/serialize.cpp`` and
``src/frontends/ir/src/ir_deserializer.cpp`` of openvinotoolkit/openvino. A tensor may have several
names, of which the runtime's ``get_any_name``, which Triton's backend asks for, is the first in
alphabetical order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

from mlflow_triton.flavors.packaging import UnsuitableModelError
from mlflow_triton.flavors.served_tensors import ModelTensor

if TYPE_CHECKING:
    from triton_deploy_core.ports.source import ModelFiles

_PIECE_BYTES = 1 << 20
_OLDEST = 11
_LAYER = ["net", "layers", "layer"]
_EDGE = ["net", "edges", "edge"]
_COMMA = re.compile(r"(?<!\\),")

_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "BOOL": "TYPE_BOOL",
        "BOOLEAN": "TYPE_BOOL",
        **{f"U{bits}": f"TYPE_UINT{bits}" for bits in (8, 16, 32, 64)},
        **{f"I{bits}": f"TYPE_INT{bits}" for bits in (8, 16, 32, 64)},
        "FP16": "TYPE_FP16",
        "FP32": "TYPE_FP32",
        # The backend takes no others, and converts to what the configuration says.
        "FP64": "TYPE_FP32",
        "BF16": "TYPE_FP32",
    }
)
"""``precision`` of a port → what the backend's ``src/openvino_utils.cc`` takes."""


@dataclass(frozen=True, slots=True)
class OpenvinoModel:
    """Inputs and outputs, in the order of the file."""

    inputs: tuple[ModelTensor, ...]
    outputs: tuple[ModelTensor, ...]


@dataclass(slots=True)
class _Found:
    """What the file holds of inputs and outputs."""

    parameters: list[Element] = field(default_factory=list)
    results: list[Element] = field(default_factory=list)
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    """Layer and port → the port's names."""
    sources: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Layer → layer and port of its last input. A result has but one."""


def read_ir(files: ModelFiles, path: str) -> OpenvinoModel:
    """Return what a model takes and gives.

    Raises:
        UnsuitableModelError: it is no IR, or one that Triton's backend can't serve.
        ModelSourceError: it can't be read.
    """
    found = _Found()
    try:
        for place, element in _events(files, path):
            _note(found, place, element)
    except ParseError as error:
        raise unsuitable(f"{path} is no XML ({error})") from error
    if not found.results:
        raise unsuitable(f"{path} has no layer of type Result")
    return OpenvinoModel(
        tuple(_tensor(layer, _names_of(layer), "input") for layer in found.parameters),
        tuple(_tensor(layer, _result_names(layer, found), "output") for layer in found.results),
    )


def unsuitable(reason: str) -> UnsuitableModelError:
    """Return the error for a model that the backend can't serve as it is."""
    return UnsuitableModelError(
        f"Triton's OpenVINO backend can't serve this model: {reason}.",
        "Convert it again with openvino.convert_model, and log what openvino.save_model saves.",
    )


def _events(files: ModelFiles, path: str) -> Iterator[tuple[list[str], Element]]:
    """Yield each element when it ends, with the names of those that it is in, and its own.

    Expat, from 2.4.1 on, limits itself what entities may grow to.
    """
    parser: XMLPullParser[Any] = XMLPullParser(events=("start", "end"))
    place: list[str] = []
    offset = 0
    while piece := files.read(path, offset, _PIECE_BYTES):
        offset += len(piece)
        parser.feed(piece)
        for event, element in cast("Iterator[tuple[str, Element]]", parser.read_events()):
            if event == "start":
                place.append(str(element.tag))
                if place == ["net"]:
                    _require_version(path, element)
                continue
            yield place, element
            place.pop()
    parser.close()


def _require_version(path: str, net: Element) -> None:
    version = net.get("version", "")
    if not version.isdecimal() or int(version) < _OLDEST:
        raise unsuitable(f"{path} is IR of version {version or 'unknown'}, and names no tensors")


def _note(found: _Found, place: list[str], element: Element) -> None:
    if place == _LAYER:
        identifier = element.get("id", "")
        for port in element.iterfind("output/port"):
            if port.get("names"):
                found.names[identifier, port.get("id", "")] = port.get("names", "")
        if element.get("type") == "Parameter":
            found.parameters.append(element)
        elif element.get("type") == "Result":
            found.results.append(element)
        else:
            element.clear()
    elif place == _EDGE:
        source = element.get("from-layer", ""), element.get("from-port", "")
        found.sources[element.get("to-layer", "")] = source
        element.clear()


def _names_of(layer: Element) -> str:
    port = layer.find("output/port")
    return "" if port is None else port.get("names", "")


def _result_names(layer: Element, found: _Found) -> str:
    own = layer.get("output_names")
    return own or found.names.get(found.sources.get(layer.get("id", ""), ("", "")), "")


def _tensor(layer: Element, names: str, side: str) -> ModelTensor:
    if not names:
        raise unsuitable(f"{side} {layer.get('name')!r} has no tensor name")
    name = min(part.replace("\\,", ",") for part in _COMMA.split(names))
    port = layer.find("output/port" if side == "input" else "input/port")
    precision = "" if port is None else port.get("precision", "")
    if port is None or precision not in _TYPES:
        raise unsuitable(f"{side} {name!r} is of type {precision or 'unknown'}")
    shape = _shape(layer, port)
    if shape is None:
        raise unsuitable(
            f"{side} {name!r} has a shape of unknown rank, or with a size between two limits"
        )
    if not shape:
        raise unsuitable(f"{side} {name!r} is a scalar, which no configuration can say")
    return ModelTensor(name, _TYPES[precision], shape)


def _shape(layer: Element, port: Element) -> tuple[int, ...] | None:
    """Return a shape; None where a configuration can't say it.

    A size between limits is refused by the backend, whichever it is told: ``doesMatch`` of
    ``src/openvino_utils.cc`` wants one number between them.
    """
    data = layer.find("data")
    written = data.get("shape") if data is not None else None
    if written is None:
        return tuple(int(dim.text or 0) for dim in port.iterfind("dim"))
    sizes = [size.strip() for size in written.split(",") if size.strip()]
    if any(".." in size for size in sizes):
        return None
    return tuple(-1 if size == "?" else int(size) for size in sizes)
