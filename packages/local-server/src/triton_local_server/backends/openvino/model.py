# ruff: noqa: INP001 - a folder as Triton wants it, not a package
"""Triton's backend ``openvino`` in Python: serves IR as the C++ one of that name does.

Checks, messages, completion, parameters and the handling of batches are those of
``triton-inference-server/openvino_backend`` (``src/openvino.cc``, ``openvino_utils.cc``), on the
same runtime. Under a ``max_batch_size`` the model is compiled for exactly so many rows, as there.
Not supported, and refused at load: ragged batches, ``batch_input``, ``batch_output``, state.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]

BACKEND = Path(__file__).resolve().parent
sys.path[:0] = [str(BACKEND), str(BACKEND.parent)]

from local_server_config import (  # type: ignore[import-not-found]  # noqa: E402
    entry_shape,
    model_file,
    refuse_unsupported,
    shape_text,
)
from local_server_packages import require_packages  # type: ignore[import-not-found]  # noqa: E402
from openvino_parameters import Parameters  # type: ignore[import-not-found]  # noqa: E402

ELEMENT_TYPES = {
    "TYPE_BOOL": "boolean",
    **{f"TYPE_UINT{bits}": f"u{bits}" for bits in (8, 16, 32, 64)},
    **{f"TYPE_INT{bits}": f"i{bits}" for bits in (8, 16, 32, 64)},
    "TYPE_FP16": "f16",
    "TYPE_FP32": "f32",
}


def read_model(path: Path, name: str, extension: str = "") -> tuple[Any, Any]:
    """Returns OpenVINO's core, with an extension of the user's, and the model in a file."""
    import openvino  # noqa: PLC0415 - installed when it is needed

    core = openvino.Core()
    try:
        if extension:
            core.add_extension(extension)
    except RuntimeError as error:
        raise failure(" loading custom CPU extensions", error) from error
    if not path.is_file():
        raise pb_utils.TritonModelException(f"unable to find '{path}' for model '{name}'")
    try:
        return core, core.read_model(str(path))
    except RuntimeError as error:
        raise failure("reading model", error) from error


def failure(doing: str, error: Exception) -> Any:
    """Returns what the C++ backend says of an error of OpenVINO's."""
    return pb_utils.TritonModelException(f"openvino error in {doing} : {error}")


class Completion:
    """Fills in what a configuration leaves out (``ModelState::AutoCompleteConfig``)."""

    def __init__(self, config: dict[str, Any], model: Any) -> None:
        self._config = config
        self._model = model

    def apply(self) -> None:
        """Completes batching first: it decides which dimensions the inputs and outputs show."""
        self._complete_batching()
        for key, ports in (("input", self._model.inputs), ("output", self._model.outputs)):
            if not self._config[key]:
                self._config[key] = [self._entry(port) for port in ports]

    def _complete_batching(self) -> None:
        from openvino import layout_helpers  # noqa: PLC0415 - installed when it is needed

        ports = [*self._model.inputs, *self._model.outputs]
        if not all(layout_helpers.has_batch(layout_helpers.get_layout(port)) for port in ports):
            return
        config = self._config
        config["max_batch_size"] = config["max_batch_size"] or 1
        if config["max_batch_size"] > 1 and "sequence_batching" not in config:
            config.setdefault("dynamic_batching", {})

    def _entry(self, port: Any) -> dict[str, Any]:
        types = {element: data_type for data_type, element in ELEMENT_TYPES.items()}
        shape = port.partial_shape
        sizes = shape_of(shape) if shape.is_static else [-1] * len(shape)
        return {
            "name": port.any_name,
            "data_type": types.get(port.element_type.get_type_name(), "TYPE_INVALID"),
            "dims": sizes[1 if self._config["max_batch_size"] > 0 else 0 :],
        }


def shape_of(shape: Any) -> list[int]:
    """Returns a partial shape with -1 for each dimension that is free."""
    return [size.get_length() if size.is_static else -1 for size in shape]


def matches(size: Any, wanted: int) -> bool:
    """Tells whether a dimension of the model may be what a configuration says."""
    if size.is_static:
        return bool(size.get_length() == wanted)
    limit = size.get_max_length()
    return bool(limit < 0 or size.get_min_length() < wanted < limit)


class Preparation:
    """Brings a model to its configuration (``ValidateInputs``, ``ValidateOutputs``)."""

    def __init__(self, config: dict[str, Any], parameters: Any, model: Any) -> None:
        self._config = config
        self._name = config["name"]
        self._batch = int(config["max_batch_size"])
        self._reshapes = parameters.flag("RESHAPE_IO_LAYERS")
        self._model = model

    def run(self) -> Any:
        """Returns the model to compile, or raises a ``TritonModelException``."""
        import openvino  # noqa: PLC0415 - installed when it is needed

        refuse_unsupported(self._config, BACKEND.name)
        expected, provided = len(self._config["input"]), len(self._model.inputs)
        if expected != provided:
            raise pb_utils.TritonModelException(
                f"unable to load model '{self._name}', configuration expects {expected} inputs, "
                f"model provides {provided}"
            )
        try:
            self._prepare("input", self._model.inputs)
            if self._batch:
                openvino.set_batch(self._model, self._batch)
            self._prepare("output", self._model.outputs)
        except RuntimeError as error:
            raise failure("setting max batch size", error) from error
        return self._model

    def _prepare(self, key: str, found: list[Any]) -> None:
        import openvino  # noqa: PLC0415 - installed when it is needed
        from openvino.preprocess import PrePostProcessor  # noqa: PLC0415 - likewise

        ports = {port.any_name: port for port in found}
        preparing = PrePostProcessor(self._model)
        for entry in self._config[key]:
            name, data_type = entry["name"], entry["data_type"]
            if name not in ports:
                raise pb_utils.TritonModelException(
                    f"unexpected inference {key} '{name}', allowed {key}s are: "
                    f"{', '.join(sorted(ports))}"
                )
            if data_type not in ELEMENT_TYPES:
                raise pb_utils.TritonModelException(
                    f"unsupported datatype {data_type} for {key} '{name}' for model '{self._name}'"
                )
            tensor = getattr(preparing, key)(name).tensor()
            tensor.set_element_type(getattr(openvino.Type, ELEMENT_TYPES[data_type]))
            dims = entry_shape(entry)
            if key == "input" and self._reshapes:
                tensor.set_shape(self._reshaped(ports[name].partial_shape, dims))
            else:
                self._compare(name, ports[name].partial_shape, dims, exact=key == "output")
            if key == "input" and self._batch:
                tensor.set_layout(openvino.Layout("N..."))
        self._model = preparing.build()

    def _reshaped(self, shape: Any, dims: list[int]) -> Any:
        import openvino  # noqa: PLC0415 - installed when it is needed

        kept = list(shape)[: 1 if self._batch else 0]
        free = openvino.Dimension(-1)
        return openvino.PartialShape(
            [*kept, *(openvino.Dimension(size) if size > 0 else free for size in dims)]
        )

    def _compare(self, name: str, shape: Any, dims: list[int], *, exact: bool) -> None:
        full = [self._batch, *dims] if self._batch else dims
        loose = self._batch and not exact
        agree = len(shape) == len(full) and all(
            matches(size, wanted) or (loose and (place == 0 or wanted == -1))
            for place, (size, wanted) in enumerate(zip(shape, full, strict=True))
        )
        if agree:
            return
        detail = f"shape {shape_text(full)}"
        if self._batch:
            detail = (
                "an initial batch dimension because max_batch_size > 0 followed by the explicit "
                f"tensor shape, making complete {detail}"
            )
        raise pb_utils.TritonModelException(
            f"model '{self._name}', tensor '{name}': the model expects {len(shape)} dimensions "
            f"(shape {shape_text(shape_of(shape))}) but the model configuration specifies "
            f"{len(full)} dimensions ({detail})"
        )


class TritonPythonModel:
    """What Triton's stub calls."""

    @staticmethod
    def auto_complete_config(auto_complete_model_config: Any) -> Any:
        """Completes the configuration, unless it names inputs and outputs."""
        config = auto_complete_model_config.as_dict()
        if not (config["input"] and config["output"]):
            require_packages(BACKEND)
            Completion(config, read_model(model_file(), config["name"])[1]).apply()
        return auto_complete_model_config

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the model, checks the configuration against it, and compiles it."""
        require_packages(BACKEND)
        config = json.loads(args["model_config"])
        if args["model_instance_kind"] != "CPU":
            raise pb_utils.TritonModelException(
                f"unable to load model '{config['name']}', Triton openVINO backend supports only "
                "CPU device"
            )
        parameters = Parameters(config)
        filename = config["default_model_filename"] or "model.xml"
        path = Path(args["model_repository"], args["model_version"], filename)
        core, model = read_model(path, config["name"], parameters.extension())
        self._model = Preparation(config, parameters, model).run()
        self._batch = int(config["max_batch_size"])
        self._pads = parameters.flag("ENABLE_BATCH_PADDING")
        try:
            self._compiled = core.compile_model(self._model, "CPU", parameters.properties())
        except RuntimeError as error:
            raise failure("loading model", error) from error

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers each request by itself, so that one that fails spoils no other."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        given = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        rows = len(next(iter(given.values()))) if self._batch else 0
        if self._batch and rows != self._batch and not self._pads:
            return self._error(
                f"expected requests with batch size '{self._batch}', got '{rows}'... this error "
                "can be avoided by setting 'ENABLE_BATCH_PADDING' parameter in model configuration "
                "to 'YES' at a performance cost."
            )
        try:
            feeds = {name: self._padded(array, rows) for name, array in given.items()}
            results = self._compiled.create_infer_request().infer(feeds)
        except RuntimeError as error:
            return self._error(f"openvino error in running inference : {error}")
        outputs = []
        for name in request.requested_output_names():
            array = results[self._compiled.output(name)]
            outputs.append(pb_utils.Tensor(name, self._taken(array, rows)))
        return pb_utils.InferenceResponse(outputs)

    def _padded(self, array: Any, rows: int) -> Any:
        missing = self._batch - rows if self._batch else 0
        return np.pad(array, [(0, missing), *[(0, 0)] * (array.ndim - 1)]) if missing else array

    def _taken(self, array: Any, rows: int) -> Any:
        taken = np.array(array[:rows] if self._batch else array)
        return taken if taken.ndim else taken.reshape(1)

    @staticmethod
    def _error(reason: str) -> Any:
        return pb_utils.InferenceResponse([], pb_utils.TritonError(reason))
