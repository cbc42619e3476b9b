# ruff: noqa: INP001 - a folder as Triton wants it, not a package
"""Triton's backend ``onnxruntime`` in Python: serves ONNX models as the C++ one of that name does.

The rules and messages of auto-complete and of the check at load are those of
``triton-inference-server/onnxruntime_backend`` (``src/onnxruntime.cc``, ``onnxruntime_utils.cc``),
so that a configuration which works here works there, and one that fails there fails here. Not
supported, and refused at load: ragged batches, ``batch_input``, ``batch_output``, implicit state.
Triton runs this file in its stub process, once to complete the configuration and once an instance.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]

BACKEND = Path(__file__).resolve().parent
sys.path.insert(0, str(BACKEND.parent))

from local_server_config import (  # type: ignore[import-not-found]  # noqa: E402
    entry_shape,
    model_file,
    refuse_unsupported,
    shape_text,
)
from local_server_packages import require_packages  # type: ignore[import-not-found]  # noqa: E402

DATA_TYPES = {
    "tensor(bool)": "TYPE_BOOL",
    "tensor(uint8)": "TYPE_UINT8",
    "tensor(uint16)": "TYPE_UINT16",
    "tensor(uint32)": "TYPE_UINT32",
    "tensor(uint64)": "TYPE_UINT64",
    "tensor(int8)": "TYPE_INT8",
    "tensor(int16)": "TYPE_INT16",
    "tensor(int32)": "TYPE_INT32",
    "tensor(int64)": "TYPE_INT64",
    "tensor(float16)": "TYPE_FP16",
    "tensor(float)": "TYPE_FP32",
    "tensor(double)": "TYPE_FP64",
    "tensor(string)": "TYPE_STRING",
}
DEFAULT_MAX_BATCH_SIZE = 4  # Triton's own, unless --backend-config=default-max-batch-size says else
GRAPH_LEVELS = {-1: "ORT_ENABLE_BASIC", 1: "ORT_ENABLE_EXTENDED", 2: "ORT_DISABLE_ALL"}


class OnnxTensor(NamedTuple):
    """One input or output of the graph; a dimension of -1 is free."""

    name: str
    data_type: str
    shape: list[int]


def tensors(nodes: list[Any]) -> dict[str, OnnxTensor]:
    """Describes onnxruntime's `nodes`, by name, in the model's order."""
    found = {}
    for node in nodes:
        if not node.type.startswith("tensor("):
            kind = f"ONNX_TYPE_{node.type.partition('(')[0].replace('seq', 'sequence').upper()}"
            raise pb_utils.TritonModelException(
                f"Unsupported ONNX Type '{kind}' for I/O '{node.name}', "
                "expected 'ONNX_TYPE_TENSOR'."
            )
        shape = [size if isinstance(size, int) else -1 for size in node.shape]
        found[node.name] = OnnxTensor(node.name, DATA_TYPES.get(node.type, "TYPE_INVALID"), shape)
    return found


def open_session(path: Path, config: dict[str, Any], *, optimize: bool) -> Any:
    """Opens the model file, or ``model.onnx`` in the directory of that name, as `config` asks."""
    import onnxruntime as ort  # noqa: PLC0415 - costs time, and a complete configuration needs none

    options = ort.SessionOptions()
    level = config.get("optimization", {}).get("graph", {}).get("level", 0)
    name = GRAPH_LEVELS.get(level, "ORT_ENABLE_ALL") if optimize else "ORT_DISABLE_ALL"
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, name)
    parameters = {key: value["string_value"] for key, value in config["parameters"].items()}
    options.intra_op_num_threads = int(parameters.get("intra_op_thread_count", 0))
    options.inter_op_num_threads = int(parameters.get("inter_op_thread_count", 0))
    if int(parameters.get("execution_mode", 0)) == 1:
        options.execution_mode = ort.ExecutionMode.ORT_PARALLEL
    for library in config.get("model_operations", {}).get("op_library_filename", []):
        options.register_custom_ops_library(library)
    file = path / "model.onnx" if path.is_dir() else path
    if not file.is_file():
        raise pb_utils.TritonModelException(
            f"unable to find '{file}' for model instance '{config['name']}'"
        )
    try:
        return ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except onnx_errors() as error:
        raise pb_utils.TritonModelException(f"onnx runtime error: {error}") from error


def onnx_errors() -> tuple[type[Exception], ...]:
    """Returns onnxruntime's errors, which share no base class of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state  # noqa: PLC0415

    own = [kind for kind in vars(state).values() if isinstance(kind, type)]
    return (*(kind for kind in own if issubclass(kind, Exception)), RuntimeError, ValueError)


class Completion:
    """Fills in what a configuration leaves out (``ModelState::AutoCompleteConfig``)."""

    def __init__(self, config: dict[str, Any], session: Any) -> None:
        self._config = config
        self._inputs = tensors(session.get_inputs())
        self._outputs = tensors(session.get_outputs())

    def apply(self) -> None:
        """Completes batching first: it decides which dimensions the inputs and outputs show."""
        self._complete_batching()
        for key, found in (("input", self._inputs), ("output", self._outputs)):
            if not self._config[key]:
                self._config[key] = [self._entry(tensor) for tensor in found.values()]

    def _complete_batching(self) -> None:
        config = self._config
        every = [*self._inputs.values(), *self._outputs.values()]
        if not all(tensor.shape[:1] == [-1] for tensor in every):
            if config["max_batch_size"] > 0:
                raise pb_utils.TritonModelException(
                    f"autofill failed for model '{config['name']}': model does not support "
                    "batching while non-zero max_batch_size is specified"
                )
            return
        config["max_batch_size"] = config["max_batch_size"] or DEFAULT_MAX_BATCH_SIZE
        if config["max_batch_size"] > 1 and "sequence_batching" not in config:
            config.setdefault("dynamic_batching", {})

    def _entry(self, tensor: OnnxTensor) -> dict[str, Any]:
        batched = self._config["max_batch_size"] > 0
        entry: dict[str, Any] = {"name": tensor.name, "data_type": tensor.data_type}
        entry["dims"] = tensor.shape[1 if batched else 0 :]
        if not entry["dims"]:  # Triton knows no empty dims
            entry["dims"] = [1]
            if batched:
                entry["reshape"] = {"shape": []}
        return entry


class Check:
    """Compares a configuration with the model (``ValidateInputs``, ``ValidateOutputs``)."""

    def __init__(self, config: dict[str, Any], session: Any) -> None:
        self._config = config
        self._name = config["name"]
        self._batched = config["max_batch_size"] > 0
        self._session = session

    def run(self) -> None:
        """Raises a ``TritonModelException`` at the first disagreement."""
        self._refuse_unsupported()
        self._check_inputs()
        known = tensors(self._session.get_outputs())
        for entry in self._config["output"]:
            self._check_entry("output", entry, known, exact=True)

    def _refuse_unsupported(self) -> None:
        refuse_unsupported(self._config, BACKEND.name)
        accelerators = self._config["optimization"].get("execution_accelerators", {})
        for accelerator in accelerators.get("cpu_execution_accelerator", []):
            raise pb_utils.TritonModelException(
                f"unknown Execution Accelerator '{accelerator['name']}' is requested"
            )

    def _check_inputs(self) -> None:
        required = tensors(self._session.get_inputs())
        entries = self._config["input"]
        controls = self._config.get("sequence_batching", {}).get("control_input", [])
        expected = sum(not entry.get("optional") for entry in entries) + len(controls)
        if expected != len(required):
            self._fail(f"configuration expects {expected} inputs, model provides {len(required)}")
        known = {**required, **tensors(self._session.get_overridable_initializers())}
        for control in controls:
            if control["name"] not in known:
                raise pb_utils.TritonModelException(
                    f"configuration specified sequence control '{control['name']}', but model does "
                    "not provide that input"
                )
        for entry in entries:
            if entry.get("optional") and self._batched:
                self._fail(
                    f"optional input '{entry['name']}' is not supported for models that support "
                    "batching"
                )
            self._check_entry("input", entry, known, exact=False)

    def _check_entry(
        self, key: str, entry: dict[str, Any], known: dict[str, OnnxTensor], *, exact: bool
    ) -> None:
        name, data_type = entry["name"], entry["data_type"]
        if name not in known:
            raise pb_utils.TritonModelException(
                f"unexpected inference {key} '{name}', allowed {key}s are: "
                f"{', '.join(sorted(known))}"
            )
        if data_type not in DATA_TYPES.values():
            raise pb_utils.TritonModelException(
                f"unsupported datatype {data_type} for {key} '{name}' for model '{self._name}'"
            )
        tensor = known[name]
        if data_type != tensor.data_type:
            self._fail(
                f"configuration expects datatype {data_type} for {key} '{name}', model provides "
                f"{tensor.data_type.replace('TYPE_STRING', 'TYPE_BYTES')}"
            )
        self._check_dims(tensor, entry_shape(entry), exact=exact)

    def _check_dims(self, tensor: OnnxTensor, dims: list[int], *, exact: bool) -> None:
        shape = tensor.shape
        where = f"model '{self._name}', tensor '{tensor.name}': "
        if not shape:
            if any(size != 1 for size in dims):
                self._fail(
                    f"scalar tensor '{tensor.name}', should only provide 1 in the model "
                    "configuration when the model doesn't support batching. Model configuration "
                    f"provided: {shape_text(dims)}."
                )
            return
        if self._batched and shape[0] != -1:
            raise pb_utils.TritonModelException(
                f"{where}for the model to support batching the shape should have at least 1 "
                "dimension and the first dimension must be -1; but shape expected by the model is "
                f"{shape_text(shape)}"
            )
        full = [-1, *dims] if self._batched else dims
        agree = len(shape) == len(full) and all(
            size == asked or (size == -1 and not exact)
            for size, asked in zip(shape, full, strict=True)
        )
        if not agree:
            detail = f"shape {shape_text(full)}"
            if self._batched:
                detail = (
                    "an initial batch dimension because max_batch_size > 0 followed by the "
                    f"explicit tensor shape, making complete {detail}"
                )
            raise pb_utils.TritonModelException(
                f"{where}the model expects {len(shape)} dimensions (shape {shape_text(shape)}) but "
                f"the model configuration specifies {len(full)} dimensions ({detail})"
            )

    def _fail(self, reason: str) -> None:
        raise pb_utils.TritonModelException(f"unable to load model '{self._name}', {reason}")


class TritonPythonModel:
    """What Triton's stub calls."""

    @staticmethod
    def auto_complete_config(auto_complete_model_config: Any) -> Any:
        """Completes the configuration, unless it names inputs and outputs."""
        config = auto_complete_model_config.as_dict()
        if not (config["input"] and config["output"]):
            require_packages(BACKEND)
            Completion(config, open_session(model_file(), config, optimize=False)).apply()
        return auto_complete_model_config

    def initialize(self, args: dict[str, str]) -> None:
        """Opens the model and checks the configuration against it."""
        require_packages(BACKEND)
        config = json.loads(args["model_config"])
        filename = config["default_model_filename"] or "model.onnx"
        path = Path(args["model_repository"], args["model_version"], filename)
        self._session = open_session(path, config, optimize=True)
        Check(config, self._session).run()
        self._errors = onnx_errors()
        self._scalar_inputs = {node.name for node in self._session.get_inputs() if not node.shape}
        self._ranks = {entry["name"]: len(entry["dims"]) for entry in config["output"]}

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers each request by itself, so that one that fails spoils no other."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        names = list(request.requested_output_names())  # onnxruntime takes lists only
        try:
            feeds = {tensor.name(): self._to_onnx(tensor) for tensor in request.inputs()}
            arrays = self._session.run(names, feeds)
        except self._errors as error:
            failure = pb_utils.TritonError(f"onnx runtime error: {error}")
            return pb_utils.InferenceResponse(output_tensors=[], error=failure)
        outputs = [
            pb_utils.Tensor(name, self._from_onnx(name, array))
            for name, array in zip(names, arrays, strict=True)
        ]
        return pb_utils.InferenceResponse(output_tensors=outputs)

    def _to_onnx(self, tensor: Any) -> Any:
        array = tensor.as_numpy()
        if array.dtype == np.object_:  # onnxruntime takes str, Triton gives bytes
            texts = [item.decode() for item in array.ravel()]
            array = np.array(texts, dtype=np.object_).reshape(array.shape)
        if tensor.name() in self._scalar_inputs and array.size == 1:
            array = array.reshape(())
        return array

    def _from_onnx(self, name: str, array: Any) -> Any:
        array = np.asarray(array)
        return array if array.ndim else array.reshape((1,) * self._ranks[name])
