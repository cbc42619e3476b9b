"""The `triton` flavor: a directory that its user laid out, deployed as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_triton.flavors.packaging import Fit, Flavor, FlavorInput, PackageOptions

if TYPE_CHECKING:
    from mlflow_triton.mlmodel import MLmodel
    from triton_deploy_core.package import TreePackage

FLAVOR_NAME = "triton"


class TritonFlavor(Flavor):
    """Packages directories in Triton's layout."""

    help = (
        "a directory in Triton's own layout, published by triton-publish. It is deployed as it is."
    )

    def fit(self, mlmodel: MLmodel) -> Fit:
        """See `Flavor.fit`."""
        return Fit.NATIVE if FLAVOR_NAME in mlmodel.flavors else Fit.NONE

    def package(self, model: FlavorInput, options: PackageOptions) -> TreePackage:
        """See `Flavor.package`."""
        from mlflow_triton.flavors.triton_package import (  # noqa: PLC0415 (imports protobuf)
            triton_package,
        )

        return triton_package(model, options)


FLAVOR = TritonFlavor()
