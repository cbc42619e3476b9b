"""The `pytorch` flavor: TorchScript that ``mlflow.pytorch.log_model`` logged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_triton.flavors.packaging import Fit, Flavor, FlavorInput, PackageOptions

if TYPE_CHECKING:
    from mlflow_triton.mlmodel import MLmodel
    from triton_deploy_core.package import VersionPackage

FLAVOR_NAME = "pytorch"


class PytorchFlavor(Flavor):
    """Packages TorchScript for Triton's PyTorch backend."""

    help = (
        "TorchScript with a signature that mlflow.pytorch logged, on Triton's PyTorch backend, "
        "without Python. Inputs and outputs have the signature's names, else INPUT__0 and "
        "OUTPUT__0. Pickled modules and exported programs are deployed as pyfunc unless the "
        "flavor is named, and a line says why."
    )

    def fit(self, mlmodel: MLmodel) -> Fit:
        """See `Flavor.fit`."""
        return Fit.NATIVE if FLAVOR_NAME in mlmodel.flavors else Fit.NONE

    def package(self, model: FlavorInput, options: PackageOptions) -> VersionPackage:
        """See `Flavor.package`."""
        from mlflow_triton.flavors.pytorch_package import (  # noqa: PLC0415 (imports protobuf)
            pytorch_package,
        )

        return pytorch_package(model, options)


FLAVOR = PytorchFlavor()
