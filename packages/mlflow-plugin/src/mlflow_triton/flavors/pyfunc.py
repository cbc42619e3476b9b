"""The `pyfunc` flavor: any model that ``mlflow.pyfunc.load_model`` loads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlflow_triton.flavors.packaging import Fit, Flavor, FlavorInput, FlavorSetting, PackageOptions

if TYPE_CHECKING:
    from mlflow_triton.mlmodel import MLmodel
    from triton_deploy_core.package import VersionPackage

FLAVOR_NAME = "pyfunc"
MLFLOW_FLAVOR = "python_function"
ENVIRONMENT = "env"
ON_SERVER = "server"
PACKED = "pack"
INTERPRETER = "python"


def _environment(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty")
    return text.strip()


class PyfuncFlavor(Flavor):
    """Packages MLflow models of any kind for Triton's python backend."""

    help = (
        "any model with a signature that mlflow.pyfunc.load_model loads, on Triton's python "
        "backend: scikit-learn, XGBoost, LightGBM, PyTorch, PythonModels. Columns are inputs, "
        "dates ISO 8601 text, lists and objects JSON text; params are request parameters. A "
        "request is one call of the model, unless max_batch_size is set."
    )
    settings = (
        FlavorSetting(
            ENVIRONMENT,
            _environment,
            f"{ON_SERVER}|{PACKED}|FILE",
            f"Python packages of the model. {ON_SERVER} (default): those that the server's Python "
            f"has. {PACKED}: the model's own requirements, installed by uv and deployed with it; "
            "the server needs a Python of the model's version. A .tar.gz with bin/activate, such "
            f"as conda-pack makes, is deployed with the model too; {ON_SERVER}:PATH is one that "
            f"the server has. {INTERPRETER}:PATH: an interpreter on the server, with the packages "
            "that it has. run-local uses this Python where it has all, else uv makes one.",
            for_all_steps=True,
        ),
    )

    def fit(self, mlmodel: MLmodel) -> Fit:
        """See `Flavor.fit`."""
        return Fit.GENERAL if MLFLOW_FLAVOR in mlmodel.flavors else Fit.NONE

    def package(self, model: FlavorInput, options: PackageOptions) -> VersionPackage:
        """See `Flavor.package`."""
        from mlflow_triton.flavors.pyfunc_package import (  # noqa: PLC0415 (imports protobuf)
            pyfunc_package,
        )

        return pyfunc_package(model, options)

    def needs(self, model: FlavorInput, options: PackageOptions) -> Sequence[str]:
        """See `Flavor.needs`."""
        if options.own.get(ENVIRONMENT, ON_SERVER) != ON_SERVER:
            return ()
        from mlflow_triton.flavors.pyfunc_environment import (  # noqa: PLC0415 (imports yaml)
            REQUIREMENTS_FILE,
            requirements_of,
        )

        if model.files.find(REQUIREMENTS_FILE) is None:
            return ()
        lines = requirements_of(model.files).splitlines()
        wanted = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        need = (
            f"in the Python of the server's python backend: {', '.join(wanted)}. "
            f"-C {ENVIRONMENT}={PACKED} deploys them with the model."
        )
        return (need,)


FLAVOR = PyfuncFlavor()
