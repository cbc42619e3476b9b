"""Where an ONNX model keeps the tensors that are not in the model file itself.

Source: ``docs/ExternalData.md`` and ``onnx/onnx.proto`` of onnx/onnx: any `TensorProto` may be
external, and tensors occur in initializers, in attributes, in subgraphs and in functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

import onnx

from triton_deploy_core.errors import InvalidPackageError


def external_files(model: onnx.ModelProto) -> frozenset[str]:
    """Return the files with external data, as POSIX paths relative to the model file's directory.

    Raises:
        InvalidPackageError: a location is absolute or leaves the directory.
    """
    locations = {_location(tensor) for tensor in _tensors(model) if _is_external(tensor)}
    return frozenset(_inside(location) for location in locations)


def _is_external(tensor: onnx.TensorProto) -> bool:
    return bool(tensor.data_location == onnx.TensorProto.EXTERNAL)


def _location(tensor: onnx.TensorProto) -> str:
    for entry in tensor.external_data:
        if entry.key == "location":
            return str(entry.value)
    message = (
        f"The ONNX model says that tensor {tensor.name!r} is kept outside of it, but not in which "
        "file. Export the model again."
    )
    raise InvalidPackageError(message)


def _inside(location: str) -> str:
    path = PurePosixPath(location)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\\" in location:
        message = (
            f"The ONNX model keeps weights in {location!r}, outside of its own directory. "
            "Save it with its data files beside it."
        )
        raise InvalidPackageError(message)
    return str(path)


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    yield from _graph_tensors(model.graph)
    for function in model.functions:
        yield from _node_tensors(function.node)
        yield from _attribute_tensors(function.attribute_proto)
    for training in model.training_info:
        yield from _graph_tensors(training.initialization)
        yield from _graph_tensors(training.algorithm)


def _graph_tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _node_tensors(graph.node)


def _node_tensors(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for node in nodes:
        yield from _attribute_tensors(node.attribute)


def _attribute_tensors(attributes: Iterable[onnx.AttributeProto]) -> Iterator[onnx.TensorProto]:
    for attribute in attributes:
        yield attribute.t
        yield from attribute.tensors
        for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
            yield from (sparse.values, sparse.indices)
        if attribute.HasField("g"):
            yield from _graph_tensors(attribute.g)
        for graph in attribute.graphs:
            yield from _graph_tensors(graph)
