"""A configuration against the ONNX graph that it describes, as the onnxruntime backend compares.

The rules are those of ``ValidateInputs``, ``ValidateOutputs`` and ``CompareDimsSupported``
(``src/onnxruntime.cc`` and ``src/onnxruntime_utils.cc`` of
triton-inference-server/onnxruntime_backend). A size that the graph fixes has to be the
configuration's, -1 included; one that it leaves free is anything for an input. What onnxruntime
may know better than the file is taken to be right: shapes that the file leaves out, sizes of
outputs that it leaves free, and sizes of outputs that its own nodes contradict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from mlflow_triton.flavors.onnx_graph import (
    OnnxGraph,
    OnnxTensor,
    contradicted_outputs,
    parse_onnx,
    read_graph,
)
from mlflow_triton.flavors.onnx_types import DATA_TYPES, onnx_name
from mlflow_triton.source_reading import fetch_of
from triton_deploy_core.errors import InvalidPackageError
from triton_deploy_core.package import CONFIG_FILE
from triton_deploy_core.problems import Problem
from triton_deploy_transport.pbtxt import data_type_name

if TYPE_CHECKING:
    import onnx

    from triton_deploy_core.model_tree import ModelTree
    from triton_deploy_core.ports.source import ModelFiles
    from triton_deploy_core.ports.store import Source
    from triton_deploy_transport.pbtxt import ModelConfig

    _Entry: TypeAlias = ModelConfig.ModelInput | ModelConfig.ModelOutput

_NO_TYPE = "TYPE_INVALID"
_SURELY_TYPED = frozenset(DATA_TYPES.values())


def onnx_problems(
    tree: ModelTree[Source], config: ModelConfig, path: str, files: ModelFiles | None
) -> list[Problem]:
    """Return what the backend would refuse of a configuration with one version's model.

    Args:
        tree: the model's directory.
        config: its configuration.
        path: the model file's there.
        files: the MLflow model's, to read objects in a store; None where there are none.

    Returns:
        The problems; none where the file can't be read here as ONNX.

    Raises:
        ModelSourceError: the file can't be had from its store.
    """
    source = tree.files[path]
    fetch = fetch_of(source, files)
    if fetch is None:
        return []
    try:
        model = parse_onnx(fetch, path, source.size)
    except InvalidPackageError:
        return []  # another format of onnxruntime's, maybe
    try:
        graph = read_graph(model)
    except InvalidPackageError as error:
        message, _, remedy = str(error).rstrip(".").partition(". ")
        return [Problem(path, message, remedy[:1].lower() + remedy[1:])]
    comparison = _Comparison(config, model, graph, path)
    return [Problem(CONFIG_FILE, *found) for found in comparison.problems()]


class _Comparison:
    """Of a configuration with a graph; each problem is a message and a remedy."""

    def __init__(
        self, config: ModelConfig, model: onnx.ModelProto, graph: OnnxGraph, path: str
    ) -> None:
        self._config = config
        self._model = model
        self._graph = graph
        self._path = path
        self._is_batched = config.max_batch_size > 0
        # Else the server may yet set max_batch_size, while it completes what is left out.
        is_complete = bool(config.input and config.output)
        self._is_batching_known = self._is_batched or is_complete

    def problems(self) -> Iterator[tuple[str, str]]:
        if self._config.input:
            yield from self._inputs()
        yield from self._tensors("output", self._config.output, _named(self._graph.outputs))

    def _inputs(self) -> Iterator[tuple[str, str]]:
        required = _named(self._graph.inputs)
        known = required | _named(self._graph.overridable)
        unknown = [entry for entry in self._config.input if entry.name not in known]
        if not unknown and self._number_of_inputs() != len(required):
            asked = f"it asks for {_counted(self._number_of_inputs())}"
            message = f"{asked}, and {self._path} takes {len(required)} ({_listed(required)})"
            yield message, "name each of the model's inputs once"
        for entry in self._config.input:
            if entry.optional and self._is_batched:
                message = f"input {entry.name!r} is optional, and max_batch_size is not 0"
                yield message, "take optional out, or set max_batch_size: 0"
        yield from self._tensors("input", self._config.input, known)

    def _number_of_inputs(self) -> int:
        """Return how many inputs without a default the backend takes the model to have."""
        batching = self._config.sequence_batching
        controls = {control.kind for one in batching.control_input for control in one.control}
        given = [entry for entry in self._config.input if not entry.optional]
        return len(given) + len(self._config.batch_input) + len(controls) + len(batching.state)

    def _tensors(
        self, role: str, entries: Sequence[_Entry], known: Mapping[str, OnnxTensor]
    ) -> Iterator[tuple[str, str]]:
        for entry in entries:
            what = f"{role} {entry.name!r}"
            if entry.name not in known:
                yield (
                    f"{what} is none of those of {self._path} ({_listed(known)})",
                    "name it as the model does",
                )
                continue
            tensor = known[entry.name]
            yield from self._data_type(what, entry, tensor)
            if self._is_compared(role, entry, tensor):
                yield from self._dims(what, role, entry, tensor)

    def _data_type(self, what: str, entry: _Entry, tensor: OnnxTensor) -> Iterator[tuple[str, str]]:
        written, own = data_type_name(entry.data_type), DATA_TYPES.get(tensor.element_type)
        if own is None and written not in {_NO_TYPE, *_SURELY_TYPED}:
            return  # a type of a later release on both sides
        if written != own:
            has = "has no data_type" if written == _NO_TYPE else f"is {written}"
            yield (
                f"{what} {has}, and in {self._path} it is {own or onnx_name(tensor.element_type)}",
                f"write data_type: {own}" if own else "cast it in the graph to another type",
            )

    def _is_compared(self, role: str, entry: _Entry, tensor: OnnxTensor) -> bool:
        if tensor.shape is None or not self._is_batching_known:
            return False
        if role == "input":
            return not getattr(entry, "allow_ragged_batch", False)
        shaped = {name for one in self._config.batch_output for name in one.target_name}
        return entry.name not in shaped

    def _dims(
        self, what: str, role: str, entry: _Entry, tensor: OnnxTensor
    ) -> Iterator[tuple[str, str]]:
        is_reshaped = entry.HasField("reshape")
        dims = list(entry.reshape.shape if is_reshaped else entry.dims)
        shape = [size if isinstance(size, int) else -1 for size in tensor.shape or ()]
        if _agree(shape, dims, is_batched=self._is_batched):
            return
        if role == "output" and entry.name in contradicted_outputs(self._model):
            return
        limit = self._config.max_batch_size
        written = f"{what} {'is reshaped to' if is_reshaped else 'has dims'} {dims}"
        if self._is_batched:
            written += f" after the batch dimension (max_batch_size is {limit})"
        message = f"{written}, and in {self._path} it has the shape {shape}"
        yield message, _dims_remedy(shape, is_batched=self._is_batched, is_reshaped=is_reshaped)


def _agree(shape: Sequence[int], dims: Sequence[int], *, is_batched: bool) -> bool:
    if not shape:
        return all(size == 1 for size in dims)
    full = [-1, *dims] if is_batched else dims
    if len(full) != len(shape) or (is_batched and shape[0] != -1):
        return False
    return all(size in (-1, asked) for size, asked in zip(shape, full, strict=True))


def _dims_remedy(shape: Sequence[int], *, is_batched: bool, is_reshaped: bool) -> str:
    if is_batched and shape and shape[0] != -1:
        return (
            "set max_batch_size: 0 and write all dims, or export the model with a free first "
            "dimension"
        )
    own = list(shape[1:] if is_batched else shape) or [1]
    return f"write {'reshape { shape: ' if is_reshaped else 'dims: '}{own}{' }' * is_reshaped}"


def _named(tensors: Sequence[OnnxTensor]) -> dict[str, OnnxTensor]:
    return {tensor.name: tensor for tensor in tensors}


def _counted(inputs: int) -> str:
    return "1 input" if inputs == 1 else f"{inputs} inputs"


def _listed(names: Mapping[str, OnnxTensor]) -> str:
    return ", ".join(sorted(names)) or "it has none"
