"""The package of a SavedModel, and its complete ``config.pbtxt``.

MLflow logs SavedModels in several places (``mlflow/tensorflow/__init__.py``,
``mlflow/keras/save.py``): a module's in ``saved_model_dir``; Keras' in ``model`` below ``data``, if
it was exported, or saved by a TensorFlow before 2.16. What else Keras writes, it alone reads.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlflow_triton.flavors.config_options import add_options
from mlflow_triton.flavors.logged_file import inside
from mlflow_triton.flavors.savedmodel_signature import (
    SIGNATURE,
    TAG,
    SavedSignature,
    read_signature,
    unsuitable,
)
from mlflow_triton.flavors.served_tensors import add_tensors, has_free_rows, max_batch_size
from mlflow_triton.flavors.tensorflow import FLAVOR_NAME, KERAS
from mlflow_triton.layout_check import refuse_problems
from triton_deploy_core.package import VersionPackage
from triton_deploy_transport.pbtxt import ModelConfig, to_text

if TYPE_CHECKING:
    from mlflow_triton.flavors.packaging import FlavorInput, PackageOptions
    from triton_deploy_core.ports.source import ModelFiles

PLATFORM = "tensorflow_savedmodel"
MODEL_DIRECTORY = "model.savedmodel"
DEFAULT_MAX_BATCH_SIZE = 4
_GRAPH_FILE = "saved_model.pb"
_PARAMETERS = ("TF_GRAPH_TAG", "TF_SIGNATURE_DEF")
_HOW_TO_LOG_ONE = (
    "Log a SavedModel: mlflow.keras.log_model(model, save_exported_model=True, signature=…), or "
    "mlflow.tensorflow.log_model of a tf.Module"
)

_logger = logging.getLogger(__name__)


def tensorflow_package(model: FlavorInput, options: PackageOptions) -> VersionPackage:
    """Make the package of a SavedModel: see `Flavor.package`."""
    flavors = model.mlmodel.flavors
    entry = flavors[FLAVOR_NAME if FLAVOR_NAME in flavors else KERAS]
    directory = _directory(model.files, entry)
    tree, problems = model.files.tree(directory)
    refuse_problems(problems, f"model {str(model.name)!r}")
    tag, wanted = _tag(entry), str(entry.get("signature_def_key") or SIGNATURE)
    graph = f"{directory}/{_GRAPH_FILE}"
    signature = read_signature(model.files, graph, tree.files[_GRAPH_FILE], tag, wanted)
    if signature.left_out:
        _logger.warning(
            "outputs that no configuration can say are left out, since they have no shape or are "
            "scalars: %s",
            ", ".join(signature.left_out),
        )
    files = {f"{MODEL_DIRECTORY}/{path}": source for path, source in sorted(tree.files.items())}
    return VersionPackage(
        model.origin(FLAVOR_NAME), files, generate_config(signature, tag, options)
    )


def _directory(files: ModelFiles, entry: Mapping[str, Any]) -> str:
    """Return the SavedModel's directory.

    Raises:
        UnsuitableModelError: there is none.
    """
    named = entry.get("saved_model_dir") or entry.get("data") or "data"
    found = inside(str(named))
    for directory in (found, f"{found}/model"):
        if files.find(f"{directory}/{_GRAPH_FILE}") is not None:
            return directory
    raise unsuitable("it is in a format that Keras alone reads (.keras, .h5)", _HOW_TO_LOG_ONE)


def _tag(entry: Mapping[str, Any]) -> str:
    tags = entry.get("meta_graph_tags")
    return str(tags[0]) if isinstance(tags, list) and tags else TAG


def generate_config(signature: SavedSignature, tag: str, options: PackageOptions) -> bytes:
    """Return the text of a complete configuration: no name, no version policy.

    Raises:
        InvalidSettingError: an option that this model can't have.
    """
    tensors = (*signature.inputs, *signature.outputs)
    default = DEFAULT_MAX_BATCH_SIZE if has_free_rows(tensors) else 0
    size = max_batch_size(options, tensors, default)
    config = ModelConfig(platform=PLATFORM, max_batch_size=size)
    add_tensors(config, signature.inputs, signature.outputs)
    for key, value, usual in zip(_PARAMETERS, (tag, signature.name), (TAG, SIGNATURE), strict=True):
        if value != usual:
            config.parameters[key].string_value = value
    add_options(config, options, joins_requests=size > 1)
    return to_text(config)
