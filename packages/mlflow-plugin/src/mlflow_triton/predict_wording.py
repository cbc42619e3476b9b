"""How messages name what was given and what a model takes."""

from __future__ import annotations

from typing import Any

from mlflow_triton.predict_columns import Column
from mlflow_triton.predict_signature import ModelSignature
from triton_deploy_core.ports.model_server import TensorSpec


def takes(spec: TensorSpec) -> str:
    """Return an input's data type and shape."""
    return f"{spec.datatype} {list(spec.shape)}"


def all_inputs(signature: ModelSignature) -> str:
    """Return every input of a model with its data type and shape."""
    named = (
        f"'{spec.name}' {takes(spec)}{' (optional)' if spec.name in signature.optional else ''}"
        for spec in signature.inputs
    )
    return ", ".join(named) or "no inputs"


def given_as(value: Any) -> str:
    """Return what a user gave, in a few words."""
    if isinstance(value, Column):
        value = value.rows
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if dtype is not None and shape is not None:
        return f"{dtype} {list(shape)}"
    if isinstance(value, list | tuple):
        return f"a list of shape {_list_shape(value)}"
    return f"a value of type {type(value).__name__}"


def json_shape(spec: TensorSpec) -> str:
    """Return how an input stands in a JSON document."""
    depth = len(spec.shape)
    return f'"{spec.name}": {"[" * depth}…{"]" * depth}'


def _list_shape(value: Any) -> list[int]:
    shape = []
    while isinstance(value, list | tuple):
        shape.append(len(value))
        value = value[0] if value else None
    return shape
