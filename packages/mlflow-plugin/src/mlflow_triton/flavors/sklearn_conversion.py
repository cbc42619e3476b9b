"""A scikit-learn model as ONNX, by skl2onnx."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import onnx

from mlflow_triton.first_line import first_line
from mlflow_triton.flavors.packaging import UnsuitableModelError
from mlflow_triton.flavors.sklearn_inputs import AS_PYFUNC
from triton_deploy_core.errors import InvalidSettingError

if TYPE_CHECKING:
    from mlflow_triton.flavors.sklearn_inputs import SklearnInputs

OPSETS = {"": 17, "ai.onnx.ml": 3}
"""What onnxruntime 1.12 knows already, so that Tritons since 22.08 serve the model."""

_TYPES = {
    "FP32": "FloatTensorType",
    "FP64": "DoubleTensorType",
    "INT64": "Int64TensorType",
    "BOOL": "BooleanTensorType",
    "BYTES": "StringTensorType",
}


def require_converter() -> None:
    """Do nothing where skl2onnx and onnxruntime are there.

    Raises:
        InvalidSettingError: they are not.
    """
    try:
        import onnxruntime  # noqa: F401, PLC0415 (an extra)
        import skl2onnx  # noqa: F401, PLC0415 (an extra)
    except ImportError as error:
        raise InvalidSettingError(
            f"convert=onnx needs skl2onnx and onnxruntime, and {error.name} is missing here. "
            "Install mlflow-triton[convert], or leave the setting out."
        ) from error


def to_onnx(model: Any, inputs: SklearnInputs) -> onnx.ModelProto:
    """Convert a model: classifiers without ZipMap, with labels and probabilities as tensors.

    Raises:
        UnsuitableModelError: skl2onnx can't convert it.
    """
    from skl2onnx import convert_sklearn  # noqa: PLC0415 (an extra)
    from skl2onnx.common import data_types  # noqa: PLC0415 (likewise)

    types = [
        (spec.name, getattr(data_types, _TYPES[spec.datatype])([None, *spec.shape[1:]]))
        for spec in inputs.tensors
    ]

    def convert(options: dict[int, dict[str, bool]] | None) -> onnx.ModelProto:
        done: onnx.ModelProto = convert_sklearn(
            model,
            name=type(model).__name__,  # else a random one, and the file would never be the same
            initial_types=types,
            options=options,
            target_opset=OPSETS,
        )
        return done

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what skl2onnx calls; the result is checked
        try:
            try:
                return convert({id(model): {"zipmap": False}})
            except NameError:  # this model has no such option
                return convert(None)
        except Exception as error:  # every converter has its own, also for models that it can't do
            raise UnsuitableModelError(
                f"skl2onnx can't convert the model: {first_line(error)}.", AS_PYFUNC
            ) from error
