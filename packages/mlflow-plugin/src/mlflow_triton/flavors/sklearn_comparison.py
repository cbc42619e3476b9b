"""Does a converted model return what the original returns?"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray

from mlflow_triton.first_line import first_line
from mlflow_triton.flavors.packaging import UnsuitableModelError
from mlflow_triton.flavors.sklearn_inputs import AS_PYFUNC
from mlflow_triton.predict_inputs import to_inputs
from mlflow_triton.predict_signature import ModelSignature
from triton_deploy_core.errors import InvalidInputError
from triton_deploy_core.ports.model_server import ModelMetadata

if TYPE_CHECKING:
    from mlflow_triton.flavors.loaded_model import LoadedModel
    from mlflow_triton.flavors.sklearn_inputs import SklearnInputs

RELATIVE, ABSOLUTE = 1e-4, 1e-5
"""How close numbers have to be; the latter in parts of the largest one."""

_METHODS: Mapping[str, tuple[str, ...]] = {
    "probabilities": ("predict_proba",),
    "scores": ("decision_function", "transform"),
}
_PREDICTION = ("predict", "transform")


def with_checked_outputs(
    converted: onnx.ModelProto, inputs: SklearnInputs, original: LoadedModel
) -> onnx.ModelProto:
    """Return a converted model with those of its outputs that have a counterpart in the original.

    The first output is what the original's ``predict`` (or ``transform``) returns; the others are
    left out where the original has no method for them. Their shapes are those that were seen.

    Raises:
        UnsuitableModelError: labels differ, or numbers are not close; the message says where.
    """
    names = [output.name for output in converted.graph.output]
    answers = dict(zip(names, _answers(converted, _feeds(inputs, original)), strict=True))
    kept = []
    for place, output in enumerate(converted.graph.output):
        method = _method(original.model, _METHODS.get(output.name, ()) if place else _PREDICTION)
        if method is None:
            continue
        expected = _expected(method, original.example)
        _compare(output.name, method.__name__, np.asarray(answers[output.name]), expected)
        shape = [None, *np.shape(answers[output.name])[1:]]
        kind = output.type.tensor_type.elem_type
        kept.append(onnx.helper.make_tensor_value_info(output.name, kind, shape))
    del converted.graph.output[:]
    converted.graph.output.extend(kept)
    return converted


def _method(model: Any, names: tuple[str, ...]) -> Callable[[Any], Any] | None:
    return next((getattr(model, name) for name in names if hasattr(model, name)), None)


def _feeds(inputs: SklearnInputs, original: LoadedModel) -> dict[str, NDArray[Any]]:
    """Return the example as ``predict`` would send it, and onnxruntime takes it."""
    metadata = ModelMetadata("converted", (), "", inputs.tensors, ())
    signature = ModelSignature(metadata, feature_names=inputs.feature_names)
    try:
        given = to_inputs(original.example, signature)
    except InvalidInputError as error:
        raise UnsuitableModelError(
            f"The input example does not fit the model's signature. {error}", AS_PYFUNC
        ) from error
    return {name: _for_onnxruntime(array[0 : array.shape[0]]) for name, array in given.items()}


def _for_onnxruntime(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype != np.object_:
        return array
    texts = [cell.decode() if isinstance(cell, bytes) else str(cell) for cell in array.flat]
    return np.array(texts, dtype=np.object_).reshape(array.shape)


def _answers(converted: onnx.ModelProto, feeds: Mapping[str, NDArray[Any]]) -> list[Any]:
    import onnxruntime  # noqa: PLC0415 (an extra)

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is wrong is in the exception
    try:
        session = onnxruntime.InferenceSession(
            converted.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        found: list[Any] = session.run(None, dict(feeds))
    except Exception as error:  # onnxruntime's errors share no base class
        raise UnsuitableModelError(
            f"onnxruntime can't run the converted model: {first_line(error)}.", AS_PYFUNC
        ) from error
    return found


def _expected(method: Callable[[Any], Any], example: Any) -> NDArray[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an example that was logged in another form
        try:
            expected = method(example)
        except Exception as error:  # whatever the model's own code raises
            raise UnsuitableModelError(
                f"The model's {method.__name__} fails on its input example: {first_line(error)}.",
                AS_PYFUNC,
            ) from error
    return np.asarray(expected.toarray() if hasattr(expected, "toarray") else expected)


def _compare(output: str, method: str, answer: NDArray[Any], expected: NDArray[Any]) -> None:
    if answer.size != expected.size:
        raise UnsuitableModelError(
            f"The converted model's {output} has shape {list(answer.shape)} for the input example, "
            f"and {method} returns {list(expected.shape)}.",
            AS_PYFUNC,
        )
    rows = np.shape(expected)[0] if np.ndim(expected) else 1
    agree = _agreement(answer.reshape(expected.shape), expected).reshape(rows, -1).all(axis=1)
    if agree.all():
        return
    first = int(np.argmin(agree))
    raise UnsuitableModelError(
        f"The converted model's {output} differs from {method} in {int((~agree).sum())} of {rows} "
        f"rows of the input example: in row {first} it is {_shown(answer, first)}, and {method} "
        f"returns {_shown(expected, first)}.",
        AS_PYFUNC,
    )


def _agreement(answer: NDArray[Any], expected: NDArray[Any]) -> NDArray[Any]:
    if expected.dtype.kind == "f" and answer.dtype.kind == "f":
        known = np.abs(expected[np.isfinite(expected)])
        largest = float(known.max(initial=0.0))
        return np.asarray(
            np.isclose(answer, expected, RELATIVE, ABSOLUTE * largest, equal_nan=True)
        )
    if expected.dtype.kind in "biuf" and answer.dtype.kind in "biuf":
        return np.asarray(answer == expected)
    return np.asarray(answer.astype(str) == expected.astype(str))


def _shown(array: NDArray[Any], row: int) -> str:
    return ", ".join(_cells(np.ravel(array[row])))


def _cells(cells: NDArray[Any]) -> Iterator[str]:
    shown = 3
    yield from (repr(cell.item() if hasattr(cell, "item") else cell) for cell in cells[:shown])
    if len(cells) > shown:
        yield "…"
