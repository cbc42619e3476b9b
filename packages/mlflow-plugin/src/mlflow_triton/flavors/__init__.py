"""From an MLflow model to a model package: one module for each flavor, imported when it is used."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from triton_deploy_core.errors import InvalidRequestError

if TYPE_CHECKING:
    from mlflow_triton.flavors.packaging import Flavor

_MODULES = MappingProxyType(
    {
        "onnx": "mlflow_triton.flavors.onnx",
        "triton": "mlflow_triton.flavors.triton",
    }
)

SUPPORTED_FLAVORS: tuple[str, ...] = tuple(_MODULES)
"""The flavors that can be deployed."""


def load_flavor(name: str) -> Flavor:
    """Return what makes packages from models of a flavor.

    Raises:
        InvalidRequestError: the flavor is not supported.
    """
    if name not in _MODULES:
        message = f"Flavor {name!r} is not supported. Use one of: {', '.join(SUPPORTED_FLAVORS)}."
        raise InvalidRequestError(message)
    return cast("Flavor", import_module(_MODULES[name]).FLAVOR)
