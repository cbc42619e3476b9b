"""Files that users log beside a model with ``mlflow.log_artifact(path, "<the model's name>")``.

Under MLflow 2 they land in the model's own directory. MLflow 3 gives a logged model a place of its
own, and such files stay with the run, under the model's name.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from mlflow.exceptions import MlflowException
from mlflow.utils.uri import append_to_uri_path

from mlflow_triton.mlmodel import MLmodel
from mlflow_triton.source_lookup import Lookup
from mlflow_triton.source_places import ArtifactPlace
from triton_deploy_core.layout import is_named_config

_CONFIGS = "configs"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The files to take from a run: names, and the place that has them."""

    place: ArtifactPlace | None = None
    names: tuple[str, ...] = ()


def find_run_files(lookup: Lookup, mlmodel: MLmodel) -> RunFiles:
    """Find what was logged to the run under the model's name: configurations and ``*.txt``.

    ``config.pbtxt`` and ``*.txt`` count right under that name only, as with NVIDIA's plugin, and
    ``configs/<name>.pbtxt``. A run that was deleted for
    good, or a model that this tracking server never had, has no files. A run that can still be
    restored has them: the registry goes on to offer its models, so they go on to deploy alike.

    A model without a logged model's id is from MLflow 2, whose own directory has these files.
    """
    if mlmodel.model_id is None or not hasattr(lookup.client, "get_logged_model"):
        return RunFiles()
    try:
        model = lookup.logged_model(mlmodel.model_id)
        if not model.source_run_id or not model.name:
            return RunFiles()
        run = lookup.client.get_run(model.source_run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        _log.debug("No run files for %s: %s", mlmodel.model_id, error)
        return RunFiles()
    uri = append_to_uri_path(run.info.artifact_uri, model.name)
    place = lookup.artifacts.place(uri)
    names = place.names()
    wanted = set(filter(_is_wanted, names))
    if _CONFIGS in names:
        paths = (f"{_CONFIGS}/{name}" for name in place.names(_CONFIGS))
        wanted |= set(filter(is_named_config, paths))
    return RunFiles(place, tuple(sorted(wanted)))


def _is_wanted(name: str) -> bool:
    return name == "config.pbtxt" or name.endswith(".txt")
