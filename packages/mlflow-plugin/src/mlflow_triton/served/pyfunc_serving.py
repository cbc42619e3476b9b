# ruff: noqa: BLE001, B905 - runs on Python 3.9 too; a model may raise anything
"""Runs one MLflow model for ``model.py``: in Triton's stub, or as a process of its own.

It needs nothing but ``mlflow`` (or ``mlflow-skinny`` and ``pandas``) and what the model needs.

A request is one call of ``mlflow.pyfunc.PyFuncModel.predict``: inputs become the DataFrame or the
arrays that the model's signature asks for, request parameters its ``params``, and what it returns
becomes the output tensors. Where Triton joins requests to a batch, they are one call too, unless
their parameters differ, or the model fails on them or does not return a row for each row: then each
is a call of its own. What a model raises goes to the one who asked; the log has the traceback.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import pickle
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

FORMS = "text_forms"
MISSING_TEXT = b"\xff"  # no text in UTF-8 has this byte
_LONGEST_MESSAGE = 1000
_LENGTH_BYTES = 8
_REQUIREMENT = re.compile(r"([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*(?:==\s*([^\s;,]+))?")
_PACKAGES_ARE_WRONG = (
    "This Python lacks what the model was logged with: {}. Install it there, or deploy the model "
    "with an environment of its own (such as -C env=pack)."
)
_TRITONS = (
    *("sequence_id", "sequence_start", "sequence_end", "priority", "timeout", "classification"),
    *("binary_data", "binary_data_output", "binary_data_size", "headers"),
)
_HEADERS = (
    *("accept", "authorization", "b3", "baggage", "connection", "cookie", "forwarded", "host"),
    *("origin", "referer", "te", "traceparent", "tracestate", "via"),
)
_NUMBERS = {
    "TYPE_BOOL": np.bool_,
    "TYPE_UINT8": np.uint8,
    "TYPE_UINT16": np.uint16,
    "TYPE_UINT32": np.uint32,
    "TYPE_UINT64": np.uint64,
    "TYPE_INT8": np.int8,
    "TYPE_INT16": np.int16,
    "TYPE_INT32": np.int32,
    "TYPE_INT64": np.int64,
    "TYPE_FP16": np.float16,
    "TYPE_FP32": np.float32,
    "TYPE_FP64": np.float64,
}


class CannotLoadError(Exception):
    """The model can't be loaded here; the message is one line that says what to do."""


class Tensor(NamedTuple):
    """One input or output of the configuration; `form` says what text in it means."""

    name: str
    data_type: str
    dims: tuple[int, ...]
    form: str | None


class Call(NamedTuple):
    """What one request asks of the model."""

    inputs: Mapping[str, Any]
    params: Mapping[str, Any]

    @property
    def rows(self) -> int:
        """The first dimension of its inputs."""
        return max((len(values) for values in self.inputs.values()), default=0)


class Served:
    """A model that was loaded.

    Args:
        directory: the MLflow model's.
        config: Triton's configuration.

    Raises:
        CannotLoadError: it can't be loaded here.
    """

    def __init__(self, directory: Path, config: Mapping[str, Any]) -> None:
        self._model = load(directory)
        self._signature = self._model.metadata.signature
        forms = json.loads(config.get("parameters", {}).get(FORMS, {}).get("string_value", "{}"))
        self._inputs = tensors(config["input"], forms.get("inputs", {}))
        self._outputs = tensors(config["output"], forms.get("outputs", {}))
        self._is_batched = int(config.get("max_batch_size", 0)) > 0

    def answer(self, requests: Sequence[tuple[Mapping[str, Any], str]]) -> list[Any]:
        """Answers requests that came together.

        Args:
            requests: of each its inputs, name → array, and its parameters as JSON text.

        Returns:
            For each its outputs, name → array, or what went wrong, as one line of text.
        """
        calls = [attempt(self._call, *request) for request in requests]
        answers = self._joined(calls) if len(calls) > 1 else None
        if answers is None:
            answers = [
                call if isinstance(call, Exception) else attempt(self._run, call) for call in calls
            ]
        return [one_line(each) if isinstance(each, Exception) else each for each in answers]

    def _call(self, given: Mapping[str, Any], params: str) -> Call:
        inputs = {
            tensor.name: decoded(given[tensor.name], tensor)
            for tensor in self._inputs
            if tensor.name in given  # else it is optional, and was left out
        }
        return Call(inputs, read_params(params, self._signature.params))

    def _joined(self, attempted: Sequence[Call | Exception]) -> list[Any] | None:
        """Answers all calls by one; None where that can't be done."""
        calls = [call for call in attempted if isinstance(call, Call)]
        if len(calls) < len(attempted):
            return None
        first = calls[0]
        if any(
            call.inputs.keys() != first.inputs.keys() or call.params != first.params
            for call in calls
        ):
            return None
        ends = np.cumsum([call.rows for call in calls])
        inputs = {
            name: np.concatenate([call.inputs[name] for call in calls]) for name in first.inputs
        }
        whole = attempt(self._run, Call(inputs, first.params))
        if isinstance(whole, Exception) or any(len(array) != ends[-1] for array in whole.values()):
            return None
        parts = {name: np.split(array, ends[:-1]) for name, array in whole.items()}
        return [{name: parts[name][place] for name in parts} for place in range(len(calls))]

    def _run(self, call: Call) -> dict[str, Any]:
        """Calls the model and returns its outputs by name, as the configuration has them."""
        given = self._model_input(call.inputs)
        params = {"params": dict(call.params)} if call.params else {}
        returned = by_name(self._model.predict(given, **params), self._outputs)
        outputs = {}
        for tensor in self._outputs:
            if returned.get(tensor.name) is not None:
                array = encoded(returned[tensor.name], tensor)
                outputs[tensor.name] = in_shape(array, tensor, is_batched=self._is_batched)
        return outputs

    def _model_input(self, inputs: Mapping[str, Any]) -> Any:
        schema = self._signature.inputs
        if schema.is_tensor_spec():
            types = {tensor.name: spec for tensor, spec in zip(self._inputs, schema.inputs)}
            arrays = {name: of_type(array, types[name]) for name, array in inputs.items()}
            return arrays if schema.has_input_names() else next(iter(arrays.values()))
        import pandas as pd  # noqa: PLC0415 - mlflow has imported it

        columns = {
            name: list(array) if array.dtype == np.object_ else array.copy()
            for name, array in ((name, array.reshape(-1)) for name, array in inputs.items())
        }
        frame = pd.DataFrame(columns)
        if not schema.has_input_names():
            frame.columns = range(len(frame.columns))
        return frame


def attempt(function: Any, *arguments: Any) -> Any:
    """Returns what a function returns or, logged, the exception that it raises."""
    try:
        return function(*arguments)
    except Exception as error:
        traceback.print_exc()
        return error


def load(directory: Path) -> Any:
    """Loads the MLflow model, or says in one line which packages it would need."""
    try:
        import mlflow.pyfunc  # noqa: PLC0415 - it may be missing

        return mlflow.pyfunc.load_model(str(directory))
    except Exception as error:
        file = directory / "requirements.txt"
        wrong = unmet_requirements(file.read_text(encoding="utf-8")) if file.is_file() else []
        hint = f" {_PACKAGES_ARE_WRONG.format(', '.join(wrong))}" if wrong else ""
        raise CannotLoadError(
            f"The MLflow model can't be loaded: {with_cause(error)}.{hint}"
        ) from error


def with_cause(error: BaseException) -> str:
    """Returns what an exception says and, where it came of another one, what the first says."""
    first = error
    while first.__cause__ is not None:
        first = first.__cause__
    return one_line(error) if first is error else f"{one_line(error)} ({one_line(first)})"


def unmet_requirements(requirements: str) -> list[str]:
    """Returns the lines of a ``requirements.txt`` that this Python does not meet, and how.

    Only exact versions (``==``) are compared.
    """
    wrong = []
    for line in requirements.splitlines():
        found = _REQUIREMENT.match(line.strip())
        if found is None:
            continue
        name, wanted = found.group(1), found.group(2)
        have = installed(name) or (installed("mlflow-skinny") if name == "mlflow" else None)
        if have is None:
            wrong.append(f"{name}=={wanted} (missing)" if wanted else f"{name} (missing)")
        elif wanted and have != wanted:
            wrong.append(f"{name}=={wanted} (it is {have})")
    return wrong


def installed(name: str) -> str | None:
    """Returns the version of a package, None where it is missing."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def one_line(error: BaseException) -> str:
    """Returns what an exception says on one line, with its kind where that says more."""
    text = " ".join(str(error).split())
    if type(error).__name__ not in ("MlflowException", "ValueError", "RuntimeError") or not text:
        text = f"{type(error).__name__}: {text}".rstrip(": ")
    text = text.rstrip(".")
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}…"


def tensors(entries: Sequence[Mapping[str, Any]], forms: Mapping[str, str]) -> list[Tensor]:
    """Returns the inputs or outputs of a configuration."""
    return [
        Tensor(
            entry["name"],
            entry["data_type"],
            tuple(int(size) for size in entry["dims"]),
            forms.get(entry["name"]),
        )
        for entry in entries
    ]


def read_params(text: str, schema: Any) -> dict[str, Any]:
    """Returns the request parameters that the signature has, each in the type that it has there.

    Lists and objects are JSON text, since request parameters have neither. Those of Triton itself
    are left alone, as are headers, which Triton adds if it was started with a pattern for them
    (``--http-header-forward-pattern``).
    """
    given = json.loads(text or "{}")
    known = [spec.name for spec in (schema.params if schema is not None else ())]
    unknown = [name for name in given if name not in known and not is_tritons(name)]
    if unknown:
        has = f"those of its signature are {', '.join(known)}" if known else "it takes none"
        raise ValueError(f"the model has no parameter {', '.join(map(repr, unknown))}: {has}")
    return {
        spec.name: param(given[spec.name], spec)
        for spec in (schema.params if schema is not None else ())
        if spec.name in given
    }


def is_tritons(name: str) -> bool:
    """Tells whether a request parameter is Triton's own, or may be a header that it forwards."""
    return name in _TRITONS or name.startswith("triton_") or "-" in name or name.lower() in _HEADERS


def param(value: Any, spec: Any) -> Any:
    """Returns the value of one parameter."""
    kind = getattr(spec.dtype, "name", "object")
    is_text = kind in ("string", "datetime") and spec.shape is None
    if isinstance(value, str) and not is_text:
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError(f"parameter {spec.name!r}: {value!r} is not JSON for {kind}") from None
    if spec.shape is None and kind in ("float", "double") and type(value) is int:
        return float(value)
    return value


def decoded(array: Any, tensor: Tensor) -> Any:
    """Returns the values that an input tensor stands for, in its own shape."""
    if tensor.form is None:
        return array
    items = [bytes(item) for item in array.reshape(-1)]
    try:
        if tensor.form == "datetime":
            texts = [item.decode("utf-8") for item in items]
            return np.array(texts, dtype="datetime64[ns]").reshape(array.shape)
        read = json.loads if tensor.form == "json" else text_or_nothing
        return objects([read(item) for item in items], array.shape)
    except ValueError as error:
        raise ValueError(f"input {tensor.name!r} is not {tensor.form}: {error}") from error


def text_or_nothing(item: bytes) -> str | None:
    """Returns text, None where it is missing."""
    return None if item == MISSING_TEXT else item.decode("utf-8")


def objects(items: Sequence[Any], shape: Sequence[int] | None = None) -> Any:
    """Returns an array of objects, also of lists."""
    array = np.empty(len(items), dtype=np.object_)
    for place, item in enumerate(items):
        array[place] = item
    return array if shape is None else array.reshape(shape)


def of_type(array: Any, spec: Any) -> Any:
    """Returns a copy of an array, since a model may keep or change it, in the signature's type."""
    wanted = np.dtype(spec.type)
    shape = array.shape if spec.shape else ()
    if wanted.kind in "US":
        return np.array(array.tolist(), dtype=wanted.char).reshape(shape)
    return array.astype(wanted).reshape(shape)


def by_name(returned: Any, outputs: Sequence[Tensor]) -> Mapping[str, Any]:
    """Returns what a model returned as values by the outputs' names.

    A frame or a list of records is taken by its columns' names or, where those are others and as
    many, by their places; so is a matrix.
    """
    names = [tensor.name for tensor in outputs]
    if isinstance(returned, (list, tuple)) and returned and isinstance(returned[0], Mapping):
        named = {name for name in names if any(name in record for record in returned)}
        if named:
            return {name: [record.get(name) for record in returned] for name in named}
    if isinstance(returned, Mapping) and any(name in returned for name in names):
        return {name: in_a_row(returned[name]) for name in names if name in returned}
    if hasattr(returned, "columns") and hasattr(returned, "iloc"):
        return columns(returned, names)
    if len(names) == 1:
        return {names[0]: in_a_row(returned)}
    matrix = np.asarray(returned)
    if matrix.shape[1:] != (len(names),):
        raise ValueError(
            f"the model returned {type(returned).__name__} of shape {list(matrix.shape)}, and its "
            f"signature has the outputs {names}"
        )
    return {name: matrix[:, place] for place, name in enumerate(names)}


def columns(frame: Any, names: Sequence[str]) -> dict[str, Any]:
    """Returns the columns of a DataFrame."""
    labels = [str(label) for label in frame.columns]
    if any(name in labels for name in names):
        return {name: frame.iloc[:, labels.index(name)] for name in names if name in labels}
    if len(labels) != len(names):
        raise ValueError(f"the model returned the columns {labels}, and its signature has {names}")
    return {name: frame.iloc[:, place] for place, name in enumerate(names)}


def in_a_row(returned: Any) -> Any:
    """Returns a single value as one row of values."""
    is_single = isinstance(returned, (str, bytes, Mapping)) or np.isscalar(returned)
    return [returned] if is_single else returned


def encoded(values: Any, tensor: Tensor) -> Any:
    """Returns what a model returned for one output, as an array of the output's type."""
    try:
        if tensor.form == "json":
            return objects([json.dumps(item, default=plain).encode() for item in values])
        if tensor.form == "datetime":
            array = np.asarray(values, dtype="datetime64[ns]")
            texts = np.datetime_as_string(array).reshape(-1)
            return objects([str(text).encode() for text in texts], array.shape)
        if tensor.data_type == "TYPE_STRING":
            array = np.asarray(values, dtype=np.object_)
            read = as_text if tensor.form == "text" else as_bytes
            return objects([read(item) for item in array.reshape(-1)], array.shape)
        return numbers(values, np.dtype(_NUMBERS[tensor.data_type]))
    except (TypeError, ValueError) as error:
        raise ValueError(f"output {tensor.name!r} of the model: {error}") from error


def numbers(values: Any, wanted: Any) -> Any:
    """Returns numbers in another type if every one stays what it is."""
    array = values.toarray() if hasattr(values, "toarray") else np.asarray(values)
    if array.dtype == np.object_:
        array = np.asarray(array.tolist())
    if array.dtype == wanted:
        return np.ascontiguousarray(array).reshape(array.shape)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{array.dtype} is not {wanted}, as the model's signature has it")
    with np.errstate(all="ignore"):
        cast = array.astype(wanted)
        same = cast.astype(array.dtype) == array
    if array.dtype.kind == "f" and cast.dtype.kind == "f":
        same |= np.isnan(array)
    if not np.all(same):
        raise ValueError(
            f"{array.dtype} numbers that {wanted}, which the model's signature has, can't hold: "
            "log the model with the type that it returns"
        )
    return cast


def as_text(item: Any) -> bytes:
    """Returns text in UTF-8, `MISSING_TEXT` for none."""
    if isinstance(item, str):
        return item.encode("utf-8")
    if item is None or item != item or type(item).__name__ == "NAType":  # noqa: PLR0124 - NaN
        return MISSING_TEXT
    raise ValueError(f"{type(item).__name__} is not text")


def as_bytes(item: Any) -> bytes:
    """Returns bytes."""
    if isinstance(item, (bytes, bytearray)):
        return bytes(item)
    raise ValueError(f"{type(item).__name__} is not bytes")


def plain(item: Any) -> Any:
    """Returns what JSON has not as something that it has: bytes as base64, dates as ISO 8601."""
    if isinstance(item, (bytes, bytearray)):
        return base64.b64encode(item).decode("ascii")
    if isinstance(item, np.datetime64):
        return str(item)
    if isinstance(item, (dt.date, dt.datetime)):
        return item.isoformat()
    if hasattr(item, "tolist"):  # numpy's
        return item.tolist()
    if hasattr(item, "model_dump"):  # pydantic's
        return item.model_dump()
    raise TypeError(f"{type(item).__name__} can't be written as JSON")


def in_shape(array: Any, tensor: Tensor, *, is_batched: bool) -> Any:
    """Returns an array in the shape that the configuration has for an output."""
    dims = (-1, *tensor.dims) if is_batched else tensor.dims
    if array.ndim == len(dims) - 1 and dims[-1] == 1:
        array = array.reshape((*array.shape, 1))  # a column, or a single number
    if array.ndim == len(dims) + 1 and array.shape[-1] == 1:
        array = array.reshape(array.shape[:-1])  # a frame of one column
    if array.ndim != len(dims) or any(
        want not in (-1, have) for want, have in zip(dims, array.shape)
    ):
        raise ValueError(
            f"output {tensor.name!r} of the model has the shape {list(array.shape)}, and its "
            f"signature {list(dims)}"
        )
    return array


def pack(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Returns arrays as what any Python and any numpy can unpickle."""
    return {
        name: (None, array.shape, array.reshape(-1).tolist())
        if array.dtype == np.object_
        else (array.dtype.str, array.shape, array.tobytes())
        for name, array in arrays.items()
    }


def unpack(packed: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arrays that `pack` packed; those of numbers can't be written to."""
    return {
        name: objects(content, shape)
        if dtype is None
        else np.frombuffer(content, dtype=dtype).reshape(shape)
        for name, (dtype, shape, content) in packed.items()
    }


def send(file: BinaryIO, message: Any) -> None:
    """Sends a message to the other process."""
    content = pickle.dumps(message, protocol=4)
    file.write(len(content).to_bytes(_LENGTH_BYTES, "big") + content)
    file.flush()


def receive(file: BinaryIO) -> Any:
    """Returns the other process's next message.

    Raises:
        EOFError: it has ended.
    """
    length = file.read(_LENGTH_BYTES)
    content = file.read(int.from_bytes(length, "big")) if len(length) == _LENGTH_BYTES else b""
    if not content:
        raise EOFError
    return pickle.loads(content)  # noqa: S301 - from the process that started this one


def main(reading: str, writing: str) -> None:
    """Serves the process that started this one, by two pipes, until that one ends."""
    with os.fdopen(int(reading), "rb") as questions, os.fdopen(int(writing), "wb") as answers:
        directory, config = receive(questions)
        try:
            served = Served(Path(directory), config)
        except CannotLoadError as error:
            send(answers, str(error))
            return
        send(answers, None)
        while True:
            try:
                requests = receive(questions)
            except EOFError:
                return
            answered = served.answer([(unpack(inputs), params) for inputs, params in requests])
            send(answers, [each if isinstance(each, str) else pack(each) for each in answered])


if __name__ == "__main__":
    main(*sys.argv[1:])
