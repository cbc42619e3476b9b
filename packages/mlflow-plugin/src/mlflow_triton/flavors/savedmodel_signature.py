"""What a SavedModel takes and gives, read from its ``saved_model.pb`` past the graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from mlflow_triton.flavors.packaging import unsuitable as unsuitable_for
from mlflow_triton.flavors.protobuf_skeleton import read_skeleton
from mlflow_triton.flavors.savedmodel_messages import TYPES, SavedModel
from mlflow_triton.flavors.served_tensors import ModelTensor
from mlflow_triton.ranged_reading import RangedReader

if TYPE_CHECKING:
    from triton_deploy_core.ports.source import ModelFiles
    from triton_deploy_core.ports.store import Source

TAG, SIGNATURE = "serve", "serving_default"
"""What Triton's backend takes unless its parameters say another."""

unsuitable = partial(unsuitable_for, "TensorFlow")
"""Makes the error for a model that the backend can't serve: of a reason and a remedy."""

_OF_SAVING = frozenset({"__saved_model_init_op", "__saved_model_train_op"})


@dataclass(frozen=True, slots=True)
class SavedSignature:
    """A signature of a SavedModel.

    Attributes:
        name: the signature's.
        inputs: sorted by name.
        outputs: those that a configuration can say, sorted by name.
        left_out: the names of the other outputs: scalars, and what has no shape.
    """

    name: str
    inputs: tuple[ModelTensor, ...]
    outputs: tuple[ModelTensor, ...]
    left_out: tuple[str, ...] = ()


def read_signature(
    files: ModelFiles, path: str, source: Source, tag: str = TAG, wanted: str = SIGNATURE
) -> SavedSignature:
    """Return the signature that Triton's backend would serve.

    Args:
        files: the model's.
        path: of the ``saved_model.pb`` among them.
        source: of that file.
        tag: of the graph in it.
        wanted: the signature's name. Where it is not there but one other is, that is the one, as
            the backend has it.

    Raises:
        UnsuitableModelError: there is none, or one that the backend can't serve.
        ModelSourceError: the file can't be read.
    """
    reader = RangedReader(partial(files.read, path), source.size)
    try:
        model = read_skeleton(reader, SavedModel)
    except DecodeError as error:
        raise unsuitable(f"{path} is damaged, or no SavedModel", "Log it again") from error
    graphs = [graph for graph in model.meta_graphs if tag in graph.meta_info_def.tags]
    if not graphs:
        raise unsuitable(f"no graph in {path} has the tag {tag!r}", "Save it again with that tag")
    name, signature = _choose(
        {e.key: e.value for e in graphs[0].signature_def if e.key not in _OF_SAVING}, wanted
    )
    inputs = tuple(_tensors(signature.inputs, "input"))
    for tensor in inputs:
        if not tensor.shape:
            raise unsuitable(f"input {tensor.name!r} has no shape, or is a scalar", _SAVE)
    outputs = tuple(_tensors(signature.outputs, "output"))
    if not inputs or not any(tensor.shape for tensor in outputs):
        raise unsuitable(f"its signature {name!r} has no inputs or no outputs with a shape", _SAVE)
    return SavedSignature(
        name,
        inputs,
        tuple(tensor for tensor in outputs if tensor.shape),
        tuple(tensor.name for tensor in outputs if not tensor.shape),
    )


_SAVE = "Save it again with an input_signature that has shapes"


def _choose(signatures: Mapping[str, Any], wanted: str) -> tuple[str, Any]:
    if wanted in signatures:
        return wanted, signatures[wanted]
    if len(signatures) == 1:
        return next(iter(signatures.items()))
    found = ", ".join(map(repr, sorted(signatures))) or "none"
    raise unsuitable(
        f"it has no signature {wanted!r} ({found})",
        f"Save it again with signatures={{{wanted!r}: …}}",
    )


def _tensors(entries: Iterable[Any], side: str) -> Iterable[ModelTensor]:
    for entry in sorted(entries, key=lambda entry: str(entry.key)):
        info = entry.value
        if info.dtype not in TYPES:
            raise unsuitable(
                f"{side} {entry.key!r} has TensorFlow's type number {info.dtype}, which it does "
                "not take",
                "Cast it in the model",
            )
        sizes = tuple(int(dim.size) for dim in info.tensor_shape.dim)
        shape = () if info.tensor_shape.unknown_rank else sizes
        yield ModelTensor(str(entry.key), TYPES[info.dtype], shape)
