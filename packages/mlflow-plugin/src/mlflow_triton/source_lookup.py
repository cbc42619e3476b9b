"""From a model reference to the place where its files are kept, as MLflow's stores know it.

MLflow's own ``download_artifacts`` is not used for this: under MLflow 2 it takes the tracking
URI from the process alone, it copies what is on local disk already, and for ``models:/`` it
writes a file into the store that it reads from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mlflow.utils.uri import append_to_uri_path, is_databricks_uri

from mlflow_triton.mlmodel import MLMODEL_FILE
from mlflow_triton.source_artifacts import Artifacts
from mlflow_triton.source_places import ArtifactPlace
from mlflow_triton.source_uri import (
    ArtifactRef,
    LoggedModelRef,
    ModelRef,
    PathRef,
    RegisteredModelRef,
    RunModelRef,
    parse_model_uri,
    without_secrets,
)
from triton_deploy_core.errors import ModelSourceError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

_MAX_HOPS = 5


@dataclass(frozen=True, slots=True)
class ModelPlace:
    """Where a model's files are kept, and the registry version that it was found by."""

    place: ArtifactPlace
    registry_version: int | None = None
    resolved_uri: str | None = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """Looks models up in one tracking server and registry.

    Methods raise whatever MLflow raises: see `source_errors.mapped_errors`.
    """

    client: MlflowClient
    artifacts: Artifacts
    registry_uri: str

    def place_of(self, ref: ModelRef) -> ModelPlace:
        """Return where the model's files are kept."""
        return self._follow(ref, _MAX_HOPS)

    def logged_model(self, model_id: str) -> Any:
        """Return MLflow 3's entity of a logged model.

        Raises:
            ModelSourceError: this MLflow is too old to know logged models.
        """
        # MLflow 2 has no such method, hence no type to name either.
        get_logged_model = getattr(self.client, "get_logged_model", None)
        if get_logged_model is None:
            raise ModelSourceError(
                f"models:/{model_id} names a logged model, which MLflow 2 does not have. "
                "Install MLflow 3, or name a version of a registered model: "
                f"models:/{model_id}/<version>."
            )
        return get_logged_model(model_id)

    def _follow(self, ref: ModelRef, hops: int) -> ModelPlace:
        if isinstance(ref, PathRef):
            return ModelPlace(self.artifacts.place(str(ref.path)))
        if isinstance(ref, ArtifactRef):
            return ModelPlace(self.artifacts.place(ref.uri))
        if hops == 0:
            raise ModelSourceError(
                "The model's source in the registry leads back to itself. Register the model "
                "again, from the run that logged it."
            )
        if isinstance(ref, LoggedModelRef):
            stored = str(self.logged_model(ref.model_id).artifact_location)
        elif isinstance(ref, RunModelRef):
            stored = self._run_model(ref)
        else:
            return self._registered_model(ref, hops)
        return self._follow(parse_model_uri(stored), hops - 1)

    def _registered_model(self, ref: RegisteredModelRef, hops: int) -> ModelPlace:
        version = self._version(ref)
        resolved_uri = f"models:/{ref.name}/{version}"
        if is_databricks_uri(self.registry_uri) or self.registry_uri.startswith("databricks-uc"):
            # Databricks hands out credentials for each version: only MLflow's own
            # repository class for models:/ URIs knows how.
            found = ModelPlace(self.artifacts.place(resolved_uri))
        else:
            stored = self.client.get_model_version_download_uri(ref.name, str(version))
            found = self._follow(parse_model_uri(stored), hops - 1)
        return replace(
            found,
            registry_version=version,
            resolved_uri=None if ref.version is not None else resolved_uri,
        )

    def _version(self, ref: RegisteredModelRef) -> int:
        if ref.version is not None:
            self.client.get_model_version(ref.name, str(ref.version))
            return ref.version
        if ref.alias is not None:
            return int(self.client.get_model_version_by_alias(ref.name, ref.alias).version)
        versions = [
            int(version.version)
            for version in self._versions(ref.name)
            if ref.stage is None or str(version.current_stage).lower() == ref.stage.lower()
        ]
        if not versions:
            where = "" if ref.stage is None else f" in stage '{ref.stage}'"
            raise ModelSourceError(
                f"The registry has no version of a model named '{ref.name}'{where} "
                f"(tracking server {without_secrets(self.registry_uri)}). "
                "List what there is with mlflow.search_model_versions()."
            )
        return max(versions)

    def _versions(self, name: str) -> Iterator[ModelVersion]:
        # get_latest_versions would be shorter: it is deprecated and warns.
        quote = '"' if "'" in name else "'"
        token: str | None = None
        while True:
            page = self.client.search_model_versions(
                f"name={quote}{name}{quote}",
                order_by=["version_number DESC"],
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return

    def _run_model(self, ref: RunModelRef) -> str:
        run = self.client.get_run(ref.run_id)
        location = self._logged_by(run, ref.path)
        if location is not None:
            return location
        in_run = append_to_uri_path(run.info.artifact_uri, ref.path)
        if MLMODEL_FILE in self.artifacts.place(in_run).names():
            return str(in_run)
        raise ModelSourceError(
            f"Run {ref.run_id} has no model at '{ref.path}' "
            f"(tracking server {without_secrets(self.artifacts.tracking_uri)}). "
            f"See its artifacts with: mlflow artifacts list --run-id {ref.run_id}"
        )

    def _logged_by(self, run: Run, name: str) -> str | None:
        """Return where MLflow 3 keeps the last model that a run logged under this name."""
        outputs = getattr(getattr(run, "outputs", None), "model_outputs", None) or []
        models = [self.logged_model(output.model_id) for output in outputs]
        named = [model for model in models if model.name == name]
        if not named:
            return None
        return str(max(named, key=lambda model: model.creation_timestamp).artifact_location)
