"""``params``: what a prediction says beside its inputs, in Python and as JSON.

``{"inputs": {…}, "params": {"parameters": {…}, "outputs": […], "version": 1, "request_id": "…"}}``:
the place is MLflow's, the names are those of the KServe v2 protocol, and ``parameters`` holds what
Triton's own REST requests have there: the reserved names are its schedulers', others the model's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from mlflow_triton.predict_columns import is_of
from mlflow_triton.predict_document import DOCUMENT_KEYS
from mlflow_triton.predict_signature import ModelSignature
from triton_deploy_core.errors import InvalidInputError, InvalidOptionsError
from triton_deploy_core.ports.request_options import (
    RequestedOutput,
    RequestOptions,
    SequenceStep,
)

_PARAMS = "params"
_MICROSECONDS = 1_000_000


def without_params(raw: Any, names: frozenset[str]) -> tuple[Any, dict[str, Any]]:
    """Take the params out of a JSON object, or of the DataFrame that the command line makes of it.

    Args:
        raw: what a user gave as inputs; returned as it is where it has no params.
        names: the model's inputs. One that is called ``params`` is meant itself.

    Raises:
        InvalidInputError: the params are no object.
    """
    is_frame = is_of(raw, "pandas", "DataFrame")
    if not (is_frame or isinstance(raw, Mapping)) or _PARAMS not in raw or _PARAMS in names:
        return raw, {}
    keys = [key for key in raw if key != _PARAMS]
    if len(keys) != 1 or keys[0] not in DOCUMENT_KEYS or keys[0] in names:
        return raw, {}
    if is_frame:
        return _without_column(raw, keys[0])
    params = raw[_PARAMS]
    if params is not None and not isinstance(params, Mapping):
        raise InvalidInputError(
            'params has to be an object, as {"inputs": {…}, "params": {"parameters": {…}}}.'
        )
    return {keys[0]: raw[keys[0]]}, dict(params or {})


def to_options(params: Mapping[str, Any], signature: ModelSignature) -> RequestOptions | None:
    """Return params as the options of a request; None where there are none.

    Args:
        params: ``parameters``, ``outputs``, ``version``, ``request_id``; each may be missing.
        signature: the model, which has to have the outputs.

    Raises:
        InvalidInputError: they can't be understood. The message lists every problem.
    """
    if not params:
        return None
    problems: list[str] = []
    fields: dict[str, Any] = {}
    for key, value in params.items():
        read = _READ.get(key)
        if read is None:
            problems.append(f"{key!r} is unknown; what the model itself takes goes in 'parameters'")
            continue
        try:
            fields |= read(value, problems)
        except ValueError as error:
            problems.append(f"{key} {error}")
    try:
        options = RequestOptions(**fields)
    except InvalidOptionsError as error:
        problems += error.problems
    else:
        problems += _output_problems(options, signature)
    if problems:
        raise InvalidInputError(
            f"The params do not fit model '{signature.name}': {'; '.join(problems)}. There are: "
            f"{', '.join(_READ)}."
        )
    return options


def _without_column(frame: Any, key: str) -> tuple[Any, dict[str, Any]]:
    params = {
        str(label): value
        for label, value in zip(frame.index, frame[_PARAMS].tolist(), strict=True)
        if not _is_missing(value)
    }
    kept = [
        str(label) not in params or not _is_missing(value)
        for label, value in zip(frame.index, frame[key].tolist(), strict=True)
    ]
    return frame.loc[kept, [key]], params


def _is_missing(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def _read_parameters(value: Any, problems: list[str]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError('has to be an object: {"name": value}')  # noqa: TRY004 (one kind)
    fields: dict[str, Any] = {}
    own: dict[str, Any] = {}
    sequence: dict[str, Any] = {}
    for name, given in value.items():
        item = given.item() if isinstance(given, np.generic) else given
        try:
            if name in _SEQUENCE:
                field, read = _SEQUENCE[name]
                sequence[field] = read(item)
            elif name == "priority":
                fields["priority"] = _integer(item)
            elif name == "timeout":
                fields["queue_timeout"] = _integer(item) / _MICROSECONDS
            elif isinstance(item, bool | int | float | str):
                own[str(name)] = item
            else:
                problems.append(f"parameter {name!r} has to be a number, a text, true or false")
        except ValueError as error:
            problems.append(f"parameter {name!r} {error}")
    if "id" in sequence:
        fields["sequence"] = SequenceStep(**sequence)
    elif sequence and not any(name == "sequence_id" for name in value):
        problems.append("parameter 'sequence_id' is missing: it says which sequence it is")
    return {**fields, "parameters": own}


def _read_outputs(value: Any, _problems: list[str]) -> dict[str, Any]:
    if isinstance(value, Mapping):
        outputs = (RequestedOutput(str(name), _integer(value[name] or 0)) for name in value)
        return {"outputs": tuple(outputs)}
    if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
        return {"outputs": tuple(map(RequestedOutput, value))}
    raise ValueError('has to be names, ["A", "B"], or names with numbers of classes, {"A": 3}')


def _read_version(value: Any, _problems: list[str]) -> dict[str, Any]:
    return {"version": _integer(value)}


def _read_request_id(value: Any, _problems: list[str]) -> dict[str, Any]:
    if not isinstance(value, str):
        raise ValueError(  # noqa: TRY004 (one kind)
            f"is {value!r}: give a text, on the command line one that does not look like a number"
        )
    return {"request_id": value}


def _integer(value: Any) -> int:
    """Return a whole number, which pandas may have made a float of."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ValueError(f"is {value!r}: give a whole number")  # noqa: TRY004 (one kind)
    return int(value)


def _integer_or_text(value: Any) -> int | str:
    return value if isinstance(value, str) else _integer(value)


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"is {value!r}: give true or false")  # noqa: TRY004 (one kind)
    return value


def _output_problems(options: RequestOptions, signature: ModelSignature) -> Iterator[str]:
    datatypes = {spec.name: spec.datatype for spec in signature.metadata.outputs}
    for output in options.outputs:
        if output.name not in datatypes:
            yield f"there is no output {output.name!r}, but {', '.join(map(repr, datatypes))}"
        elif output.classes and datatypes[output.name] == "BYTES":
            yield f"output {output.name!r} has no numbers, so there are no classes"


_READ: Mapping[str, Callable[[Any, list[str]], dict[str, Any]]] = {
    "parameters": _read_parameters,
    "outputs": _read_outputs,
    "version": _read_version,
    "request_id": _read_request_id,
}
_SEQUENCE: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "sequence_id": ("id", _integer_or_text),
    "sequence_start": ("start", _truth),
    "sequence_end": ("end", _truth),
}
