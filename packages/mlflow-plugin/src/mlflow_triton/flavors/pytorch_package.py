"""The package of TorchScript for Triton's PyTorch backend: the logged file as ``model.pt``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_triton.flavors.logged_file import find_logged, reader_of
from mlflow_triton.flavors.pyfunc_signature import read_signature
from mlflow_triton.flavors.pytorch import FLAVOR_NAME
from mlflow_triton.flavors.pytorch_config import feature_names, generate_config, torch_signature
from mlflow_triton.flavors.pytorch_file import Kind, read_torch_file
from mlflow_triton.flavors.pytorch_forward import check_forward, unsuitable
from mlflow_triton.layout_check_backends import MODEL_FILES
from triton_deploy_core.package import VersionPackage

if TYPE_CHECKING:
    from mlflow_triton.flavors.packaging import FlavorInput, PackageOptions

_REMEDY = (
    "Log torch.jit.script(model) or torch.jit.trace(model, inputs), in MLflow 3 with "
    'serialization_format="pickle", to have it served there'
)


def pytorch_package(model: FlavorInput, options: PackageOptions) -> VersionPackage:
    """Make the package of a model that ``mlflow.pytorch`` logged: see `Flavor.package`."""
    data = str(model.mlmodel.flavors[FLAVOR_NAME].get("model_data") or "data")
    path, source = find_logged(model, f"{data}/model.pth", f"{data}/model.pt2", data)
    file = read_torch_file(reader_of(model, path, source))
    if file.kind is not Kind.TORCHSCRIPT:
        raise unsuitable(f"it is {file.kind.value}, not TorchScript", _REMEDY)
    if file.training:
        raise unsuitable(
            "it was left in training mode, where Triton leaves it, and MLflow does not",
            "Call model.eval() before torch.jit.script(model), and log that",
        )
    logged = read_signature(model.mlmodel)
    signature = torch_signature(logged)
    if file.forward is not None and options.check:
        check_forward(file.forward, signature)
    config = generate_config(signature, feature_names(logged.inputs), options)
    (name,) = MODEL_FILES[FLAVOR_NAME].names
    return VersionPackage(model.origin(FLAVOR_NAME), {name: source}, config)
