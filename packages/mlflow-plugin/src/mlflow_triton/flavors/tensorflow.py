"""The `tensorflow` flavor: SavedModels of TensorFlow and Keras, on Triton's TensorFlow backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_triton.flavors.packaging import Fit, Flavor, FlavorInput, PackageOptions

if TYPE_CHECKING:
    from mlflow_triton.mlmodel import MLmodel
    from triton_deploy_core.package import VersionPackage

FLAVOR_NAME = "tensorflow"
KERAS = "keras"


class TensorflowFlavor(Flavor):
    """Packages SavedModels."""

    help = (
        "SavedModels that mlflow.tensorflow or mlflow.keras logged, on Triton's TensorFlow "
        "backend, which recent servers come without: such a model is deployed as pyfunc unless "
        "this flavor is named. A complete configuration is made from its signature serving_default."
    )

    def fit(self, mlmodel: MLmodel) -> Fit:
        """See `Flavor.fit`."""
        # Not more: the local server and NVIDIA's recent images have no such backend.
        return Fit.ON_REQUEST if {FLAVOR_NAME, KERAS} & set(mlmodel.flavors) else Fit.NONE

    def package(self, model: FlavorInput, options: PackageOptions) -> VersionPackage:
        """See `Flavor.package`."""
        from mlflow_triton.flavors.tensorflow_package import (  # noqa: PLC0415 (imports protobuf)
            tensorflow_package,
        )

        return tensorflow_package(model, options)


FLAVOR = TensorflowFlavor()
