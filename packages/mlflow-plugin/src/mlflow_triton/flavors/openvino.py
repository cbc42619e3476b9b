"""The `openvino` flavor: models in OpenVINO's IR, on Triton's OpenVINO backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_triton.flavors.packaging import Fit, Flavor, FlavorInput, PackageOptions

if TYPE_CHECKING:
    from mlflow_triton.mlmodel import MLmodel
    from triton_deploy_core.package import VersionPackage

FLAVOR_NAME = "openvino"


class OpenvinoFlavor(Flavor):
    """Packages models in OpenVINO's IR."""

    help = (
        "models in OpenVINO's IR (.xml and .bin), logged by mlflow_triton.openvino.log_model, on "
        "Triton's OpenVINO backend. A complete configuration is made from the .xml; any number of "
        "rows is one request, unless max_batch_size is set: then rows are padded to so many."
    )

    def fit(self, mlmodel: MLmodel) -> Fit:
        """See `Flavor.fit`."""
        return Fit.NATIVE if FLAVOR_NAME in mlmodel.flavors else Fit.NONE

    def package(self, model: FlavorInput, options: PackageOptions) -> VersionPackage:
        """See `Flavor.package`."""
        from mlflow_triton.flavors.openvino_package import (  # noqa: PLC0415 (imports protobuf)
            openvino_package,
        )

        return openvino_package(model, options)


FLAVOR = OpenvinoFlavor()
