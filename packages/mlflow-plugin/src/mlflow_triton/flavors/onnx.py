"""The `onnx` flavor: a model that ``mlflow.onnx.log_model`` logged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_triton.flavors.packaging import Fit, Flavor, FlavorInput, PackageOptions

if TYPE_CHECKING:
    from mlflow_triton.mlmodel import MLmodel
    from triton_deploy_core.package import VersionPackage

FLAVOR_NAME = "onnx"


class OnnxFlavor(Flavor):
    """Packages ONNX models."""

    help = (
        "logged by mlflow.onnx.log_model. A config.pbtxt that was logged beside it with "
        'mlflow.log_artifact("config.pbtxt", "<the model\'s artifact path>") is deployed byte for '
        "byte, with its label files; without one a complete configuration is made from the model."
    )

    def fit(self, mlmodel: MLmodel) -> Fit:
        """See `Flavor.fit`."""
        return Fit.NATIVE if FLAVOR_NAME in mlmodel.flavors else Fit.NONE

    def package(self, model: FlavorInput, options: PackageOptions) -> VersionPackage:
        """See `Flavor.package`."""
        from mlflow_triton.flavors.onnx_package import onnx_package  # noqa: PLC0415 (imports onnx)

        return onnx_package(model, options)


FLAVOR = OnnxFlavor()
