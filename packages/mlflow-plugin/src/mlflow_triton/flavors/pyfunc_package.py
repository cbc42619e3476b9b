"""The package of a model for Triton's python backend.

::

    <version>/model.py, pyfunc_serving.py   ours (`mlflow_triton.served`)
    <version>/mlflow-model/                 the MLflow model, as it was logged
    environment-<digest>.tar.gz             where an environment is deployed with the model
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_triton.flavors.pyfunc import ENVIRONMENT, FLAVOR_NAME, ON_SERVER
from mlflow_triton.flavors.pyfunc_config import generate_config
from mlflow_triton.flavors.pyfunc_environment import (
    Environment,
    choose_environment,
    environment_here,
)
from mlflow_triton.flavors.pyfunc_signature import read_signature
from mlflow_triton.layout_check import refuse_problems
from triton_deploy_core.package import VersionPackage
from triton_deploy_core.ports.store import Content

if TYPE_CHECKING:
    from mlflow_triton.flavors.packaging import FlavorInput, PackageOptions

MODEL_DIRECTORY = "mlflow-model"
_SERVED = Path(__file__).parent.parent / "served"
_OURS = {"model.py": "pyfunc_model.py", "pyfunc_serving.py": "pyfunc_serving.py"}


def pyfunc_package(model: FlavorInput, options: PackageOptions) -> VersionPackage:
    """Make the package of a model with the flavor ``python_function``: see `Flavor.package`."""
    signature = read_signature(model.mlmodel)
    tree, problems = model.files.tree("")
    refuse_problems(problems, f"model {str(model.name)!r}")
    environment = _environment(model, options)
    config = generate_config(signature, options, environment.parameters)
    ours = {name: Content((_SERVED / file).read_bytes()) for name, file in _OURS.items()}
    files = {f"{MODEL_DIRECTORY}/{path}": source for path, source in sorted(tree.files.items())}
    return VersionPackage(
        model.origin(FLAVOR_NAME),
        {**ours, **files},
        config,
        beside=environment.files,
    )


def _environment(model: FlavorInput, options: PackageOptions) -> Environment:
    wanted = options.own.get(ENVIRONMENT)
    if wanted is None and options.local_server:
        return environment_here(model)
    return choose_environment(str(wanted or ON_SERVER), model)
