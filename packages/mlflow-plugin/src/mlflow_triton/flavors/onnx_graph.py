"""What an ONNX model takes and gives, read from its graph without loading its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import onnx
from google.protobuf.message import DecodeError

from mlflow_triton.flavors.onnx_skeleton import skeleton
from mlflow_triton.ranged_reading import RangedReader
from triton_deploy_core.errors import InvalidPackageError

if TYPE_CHECKING:
    from triton_deploy_core.ports.source import ModelFiles

_READ_WHOLE = 128 << 10
_DEFAULTS_SINCE = 4
"""The version of ONNX's IR in which an input's initializer became its default."""

Dimension: TypeAlias = int | str | None
"""A fixed size, the name of a free one, or None for a free one without a name."""


@dataclass(frozen=True, slots=True)
class OnnxTensor:
    """An input or output of the graph.

    Attributes:
        name: its name.
        element_type: one of `onnx.TensorProto.DataType`.
        shape: the dimensions, the batch dimension included; None where even their number is open.
    """

    name: str
    element_type: int
    shape: tuple[Dimension, ...] | None


@dataclass(frozen=True, slots=True)
class OnnxGraph:
    """An ONNX model as far as a deployment has to know it.

    Attributes:
        inputs: what has to be given: without inputs that have an initializer.
        outputs: what the model gives.
        overridable: what may be given, since an initializer is its default.
    """

    inputs: tuple[OnnxTensor, ...]
    outputs: tuple[OnnxTensor, ...]
    overridable: tuple[OnnxTensor, ...] = ()


def load_onnx(files: ModelFiles, path: str, size: int) -> onnx.ModelProto:
    """Read a model file, leaving external data where it is, and long weights in it as well.

    Args:
        files: the model's files.
        path: the model file's among them.
        size: its size in bytes.

    Raises:
        InvalidPackageError: it is not an ONNX model.
        ModelSourceError: it can't be read.
    """
    return parse_onnx(partial(files.read, path), path, size)


def parse_onnx(fetch: Callable[[int, int], bytes], path: str, size: int) -> onnx.ModelProto:
    """Read a model, wherever its bytes are: see `load_onnx`.

    Args:
        fetch: takes an offset and a length, and returns so many bytes of the file.
        path: what the file is called in messages.
        size: its size in bytes.

    Raises:
        InvalidPackageError: it is not an ONNX model.
    """
    try:
        if size <= _READ_WHOLE:
            model = onnx.ModelProto.FromString(fetch(0, size))
        else:
            model = skeleton(RangedReader(fetch, size))
    except DecodeError as error:
        raise InvalidPackageError(_not_onnx(path)) from error
    if not model.ir_version or not model.graph.output:
        raise InvalidPackageError(_not_onnx(path))
    return model


def _not_onnx(path: str) -> str:
    name = path.rpartition("/")[2]
    return f"{name} is not an ONNX model, or it is damaged. Export and log the model again."


def read_graph(model: onnx.ModelProto) -> OnnxGraph:
    """Return what the model takes and gives.

    Raises:
        InvalidPackageError: an input or output is not a tensor.
    """
    initialized = {tensor.name for tensor in model.graph.initializer}
    initialized.update(sparse.values.name for sparse in model.graph.sparse_initializer)
    inputs = [value for value in model.graph.input if value.name not in initialized]
    defaults = [value for value in model.graph.input if value.name in initialized]
    has_defaults = model.ir_version >= _DEFAULTS_SINCE
    outputs = list(model.graph.output)
    if any(_tensor(value, "output").shape is None for value in outputs):
        outputs = _with_inferred_shapes(model, outputs)
    return OnnxGraph(
        tuple(_tensor(value, "input") for value in inputs),
        tuple(_tensor(value, "output") for value in outputs),
        tuple(_tensor(value, "input") for value in defaults) if has_defaults else (),
    )


def contradicted_outputs(model: onnx.ModelProto) -> frozenset[str]:
    """Return the outputs whose declared shape is not what comes of the graph's own nodes.

    Exporters write such shapes, and onnxruntime then forgets what it can't reconcile.
    """
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    for value in bare.graph.output:
        value.type.tensor_type.ClearField("shape")
    inferred = _with_inferred_shapes(bare, bare.graph.output)
    return frozenset(
        declared.name
        for declared, found in zip(model.graph.output, inferred, strict=True)
        if _contradict(_tensor(declared, "output").shape, _tensor(found, "output").shape)
    )


def _contradict(one: tuple[Dimension, ...] | None, other: tuple[Dimension, ...] | None) -> bool:
    if one is None or other is None:
        return False
    return len(one) != len(other) or any(
        isinstance(a, int) and isinstance(b, int) and a != b
        for a, b in zip(one, other, strict=True)
    )


def _with_inferred_shapes(
    model: onnx.ModelProto, outputs: Iterable[onnx.ValueInfoProto]
) -> list[onnx.ValueInfoProto]:
    try:
        inferred = onnx.shape_inference.infer_shapes(model)
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError):
        return list(outputs)  # what can't be inferred stays open
    return list(inferred.graph.output)


_OTHER_TYPES = {
    "sequence_type": "a sequence",
    "map_type": "a map",
    "sparse_tensor_type": "a sparse tensor",
    "optional_type": "an optional value",
}


def _tensor(value: onnx.ValueInfoProto, role: str) -> OnnxTensor:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        what = _OTHER_TYPES.get(kind or "", "of no known type")
        message = (
            f"The ONNX model's {role} {value.name!r} is {what}, and Triton serves tensors only. "
            "Export the model without it (scikit-learn classifiers: "
            "skl2onnx.to_onnx(…, options={'zipmap': False})) and log it again."
        )
        raise InvalidPackageError(message)
    tensor = value.type.tensor_type
    shape = tuple(map(_dimension, tensor.shape.dim)) if tensor.HasField("shape") else None
    return OnnxTensor(value.name, tensor.elem_type, shape)


def _dimension(dimension: onnx.TensorShapeProto.Dimension) -> Dimension:
    # Old exporters write 0 for "any".
    if dimension.WhichOneof("value") == "dim_value" and dimension.dim_value > 0:
        return int(dimension.dim_value)
    return str(dimension.dim_param) or None
