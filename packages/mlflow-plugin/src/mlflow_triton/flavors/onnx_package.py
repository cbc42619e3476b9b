"""The package of a model that ``mlflow.onnx.log_model`` logged.

The model file goes into the version's directory under the name that the configuration gives it,
and files with external data go beside it, under the relative names that the graph has for them:
onnxruntime opens the model by its path and finds them there, behind Triton's C++ backend as well
as behind a Python-based one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from mlflow_triton.flavors.logged_file import find_logged
from mlflow_triton.flavors.onnx import FLAVOR_NAME
from mlflow_triton.flavors.onnx_config import generate_config
from mlflow_triton.flavors.onnx_external_data import external_files
from mlflow_triton.flavors.onnx_graph import load_onnx, read_graph
from mlflow_triton.flavors.onnx_logged_config import (
    LoggedConfig,
    check_logged_config,
    find_logged_config,
)
from mlflow_triton.flavors.onnx_logged_files import LoggedFiles
from triton_deploy_core.errors import InvalidPackageError, InvalidSettingError
from triton_deploy_core.package import CONFIG_FILE, VersionPackage
from triton_deploy_core.ports.store import Source

if TYPE_CHECKING:
    from mlflow_triton.flavors.packaging import FlavorInput, PackageOptions

MODEL_FILE = "model.onnx"


def onnx_package(model: FlavorInput, options: PackageOptions) -> VersionPackage:
    """Make the package of an ONNX model: see `Flavor.package`."""
    logged = LoggedFiles(model.files, model.run_files)
    named = str(model.mlmodel.flavors[FLAVOR_NAME].get("data") or MODEL_FILE)
    path, source = find_logged(model, named, f"{named}/{MODEL_FILE}")
    onnx_model = load_onnx(model.files, path, source.size)
    external = external_files(onnx_model)
    written = find_logged_config(logged)
    if written is not None:
        _refuse_options(options)
    name = (written.model_filename if written else "") or MODEL_FILE
    weights = {location: logged.data_file(path, location) for location in external}
    files = _version_files(name, source, weights)
    labels = logged.labels(_label_names(written))
    beside = {**labels, **logged.named_configs()}
    if written is None:
        config = generate_config(read_graph(onnx_model), options)
        return VersionPackage(model.origin(FLAVOR_NAME), files, config, beside=beside)
    if options.check:
        check_logged_config(written, model.name, files, beside, model.files)
    return VersionPackage(
        model.origin(FLAVOR_NAME),
        files,
        written.content,
        config_is_verbatim=True,
        beside=beside,
    )


def _version_files(name: str, source: Source, weights: Mapping[str, Source]) -> dict[str, Source]:
    directory = PurePosixPath(name).parent
    files = {name: source}
    for location in sorted(weights):
        target = str(directory / location)
        if target in files:
            message = (
                f"The ONNX model keeps weights in {location!r}, the name that the model file "
                "itself has in Triton. Save it with another name for its data."
            )
            raise InvalidPackageError(message)
        files[target] = weights[location]
    return files


def _label_names(written: LoggedConfig | None) -> frozenset[str]:
    return written.label_filenames if written else frozenset()


def _refuse_options(options: PackageOptions) -> None:
    if options.named():
        message = (
            f"{options.named()[0]} can't be set: a {CONFIG_FILE} was logged with the model, and "
            "it is deployed as it is. Change it there, or merge fields of it (-C config=FILE)."
        )
        raise InvalidSettingError(message)
