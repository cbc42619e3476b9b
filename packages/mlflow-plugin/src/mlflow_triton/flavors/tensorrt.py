"""The `tensorrt` flavor: engines of TensorRT, on Triton's TensorRT backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_triton.flavors.packaging import Fit, Flavor, FlavorInput, PackageOptions

if TYPE_CHECKING:
    from mlflow_triton.mlmodel import MLmodel
    from triton_deploy_core.package import VersionPackage

FLAVOR_NAME = "tensorrt"


class TensorrtFlavor(Flavor):
    """Packages engines of TensorRT."""

    help = (
        "engines of TensorRT (.plan, .engine), logged by mlflow_triton.tensorrt.log_model, on "
        "Triton's TensorRT backend. Inputs and outputs are those of the model's signature, if its "
        "tensors have the engine's names; else the server completes the configuration itself."
    )

    def fit(self, mlmodel: MLmodel) -> Fit:
        """See `Flavor.fit`."""
        return Fit.NATIVE if FLAVOR_NAME in mlmodel.flavors else Fit.NONE

    def package(self, model: FlavorInput, options: PackageOptions) -> VersionPackage:
        """See `Flavor.package`."""
        from mlflow_triton.flavors.tensorrt_package import (  # noqa: PLC0415 (imports protobuf)
            tensorrt_package,
        )

        return tensorrt_package(model, options)


FLAVOR = TensorrtFlavor()
