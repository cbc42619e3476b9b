"""The package of a model in OpenVINO's IR, and its complete ``config.pbtxt``.

Under a ``max_batch_size`` Triton's backend (``src/openvino.cc`` of its repository) compiles the
model for exactly so many rows, and a request with fewer is an error unless ``ENABLE_BATCH_PADDING``
has it filled up. Without one, rows are a dimension like others and may be any number: so it is
unless the user asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from mlflow_triton.flavors.config_options import add_options
from mlflow_triton.flavors.logged_file import find_logged
from mlflow_triton.flavors.openvino import FLAVOR_NAME
from mlflow_triton.flavors.openvino_ir import OpenvinoModel, read_ir
from mlflow_triton.flavors.served_tensors import add_tensors, max_batch_size
from triton_deploy_core.errors import ModelSourceError
from triton_deploy_core.package import VersionPackage
from triton_deploy_transport.pbtxt import ModelConfig, to_text

if TYPE_CHECKING:
    from mlflow_triton.flavors.packaging import FlavorInput, PackageOptions
    from triton_deploy_core.ports.source import ModelFiles

BACKEND = "openvino"
MODEL_FILE, WEIGHTS_FILE = "model.xml", "model.bin"
PADDING = "ENABLE_BATCH_PADDING"


def openvino_package(model: FlavorInput, options: PackageOptions) -> VersionPackage:
    """Make the package of a model in OpenVINO's IR: see `Flavor.package`."""
    path = _model_path(model.files, model.mlmodel.flavors[FLAVOR_NAME])
    weights = str(PurePosixPath(path).with_suffix(".bin"))
    files = {
        MODEL_FILE: find_logged(model, path)[1],
        WEIGHTS_FILE: find_logged(model, weights)[1],
    }
    config = generate_config(read_ir(model.files, path), options)
    return VersionPackage(model.origin(FLAVOR_NAME), files, config)


def _model_path(files: ModelFiles, entry: Mapping[str, Any]) -> str:
    """Return the ``.xml``'s path: what the entry names as ``data``, or the only one there is."""
    named = entry.get("data")
    if named and str(named).endswith(".xml"):
        return str(named)
    directory = f"{named}/" if named else ""
    tree, _ = files.tree(str(named or ""))
    found = [f"{directory}{path}" for path in sorted(tree.files) if path.endswith(".xml")]
    if len(found) != 1:
        raise ModelSourceError(
            f"The MLmodel file names no .xml as data of its flavor {FLAVOR_NAME}, and the model "
            f"has {len(found)} of them. Log it again with mlflow_triton.openvino.log_model."
        )
    return found[0]


def generate_config(model: OpenvinoModel, options: PackageOptions) -> bytes:
    """Return the text of a complete configuration: no name, no version policy.

    Raises:
        InvalidSettingError: an option that this model can't have.
    """
    size = max_batch_size(options, (*model.inputs, *model.outputs))
    config = ModelConfig(backend=BACKEND, max_batch_size=size)
    add_tensors(config, model.inputs, model.outputs)
    if size:
        config.parameters[PADDING].string_value = "YES"
    add_options(config, options, joins_requests=size > 1)
    # The backend refuses the GPU that Triton would choose by itself where there is one.
    group = (
        config.instance_group[0] if config.instance_group else config.instance_group.add(count=1)
    )
    group.kind = group.KIND_CPU
    return to_text(config)
