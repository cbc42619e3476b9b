"""The `onnx` flavor: what ``mlflow.onnx.log_model`` logged, or what is converted to ONNX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_triton.flavors.packaging import (
    Fit,
    Flavor,
    FlavorInput,
    FlavorSetting,
    PackageOptions,
    UnsuitableModelError,
)
from triton_deploy_core.errors import InvalidSettingError

if TYPE_CHECKING:
    from mlflow_triton.mlmodel import MLmodel
    from triton_deploy_core.package import VersionPackage

FLAVOR_NAME = "onnx"
SKLEARN = "sklearn"
CONVERT = "convert"


def _target(text: str) -> str:
    if text.strip().lower() != FLAVOR_NAME:
        raise ValueError(f"it has to be {FLAVOR_NAME}")
    return FLAVOR_NAME


class OnnxFlavor(Flavor):
    """Packages ONNX models."""

    help = (
        "logged by mlflow.onnx.log_model. A config.pbtxt that was logged beside it with "
        'mlflow.log_artifact("config.pbtxt", "<the model\'s artifact path>") is deployed byte for '
        "byte, with its label files; without one a complete configuration is made from the model. "
        f"With {CONVERT}={FLAVOR_NAME} also what mlflow.sklearn.log_model logged."
    )
    settings = (
        FlavorSetting(
            CONVERT,
            _target,
            FLAVOR_NAME,
            "Converts a scikit-learn model to ONNX (extra convert: skl2onnx), and deploys it if it "
            "returns what the original does on the logged input example. The original is loaded "
            "for that on this machine, which runs whatever code its file holds.",
            chooses=True,
        ),
    )

    def fit(self, mlmodel: MLmodel) -> Fit:
        """See `Flavor.fit`."""
        if FLAVOR_NAME in mlmodel.flavors:
            return Fit.NATIVE
        return Fit.ON_REQUEST if SKLEARN in mlmodel.flavors else Fit.NONE

    def package(self, model: FlavorInput, options: PackageOptions) -> VersionPackage:
        """See `Flavor.package`."""
        wanted = CONVERT in options.own
        if FLAVOR_NAME not in model.mlmodel.flavors:
            if not wanted:
                raise UnsuitableModelError(
                    f"The model is of scikit-learn and has to be converted for the flavor "
                    f"{FLAVOR_NAME}.",
                    f"Set {CONVERT}={FLAVOR_NAME}, which loads it on this machine, or deploy it "
                    "with --flavor pyfunc.",
                )
            from mlflow_triton.flavors.sklearn_package import (  # noqa: PLC0415 (imports onnx)
                sklearn_package,
            )

            return sklearn_package(model, options)
        if wanted:
            raise InvalidSettingError(
                f"{CONVERT}={FLAVOR_NAME} can't be had: the model is an ONNX model already. Leave "
                "the setting out."
            )
        from mlflow_triton.flavors.onnx_package import onnx_package  # noqa: PLC0415 (imports onnx)

        return onnx_package(model, options)


FLAVOR = OnnxFlavor()
