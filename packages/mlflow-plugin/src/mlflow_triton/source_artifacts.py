"""Opens artifact stores: in place where that can be, else by MLflow's own means."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

from mlflow_triton.model_files import ListedFiles
from mlflow_triton.remembered_objects import RememberedObjects
from mlflow_triton.source_places import LocalPlace, RemotePlace, StoredPlace
from mlflow_triton.source_services import service_endpoint
from mlflow_triton.source_uri import PathRef, parse_model_uri, without_secrets
from triton_deploy_core.errors import (
    ModelSourceError,
    RepositoryNotFoundError,
    StoreAccessError,
    StoreError,
)

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

    from mlflow_triton.source_places import ArtifactPlace
    from triton_deploy_core.ports.objects import ObjectReader

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Opens artifact stores as one tracking server's clients see them.

    Attributes:
        tracking_uri: the tracking server.
        registry_uri: the registry.
        objects: looks at what the repository's service can copy; None where there is no such.
    """

    tracking_uri: str
    registry_uri: str
    objects: ObjectReader | None = None

    def place(self, uri: str) -> ArtifactPlace:
        """Return access to a directory in an artifact store. It need not exist.

        Raises:
            ModelSourceError: the service that holds it can't be reached.
        """
        ref = parse_model_uri(uri)
        if isinstance(ref, PathRef):
            return LocalPlace(ref.path.absolute())
        repository = self._repository(uri)
        return self._in_the_service(uri, repository) or RemotePlace(
            without_secrets(uri), repository
        )

    def _in_the_service(self, uri: str, repository: ArtifactRepository) -> StoredPlace | None:
        """Return the place if the repository's own service holds it and lets us look."""
        service = service_endpoint(repository)
        if self.objects is None or service is None:
            return None
        try:
            if not self.objects.reaches(uri, service.endpoint):
                return None
            objects = RememberedObjects(self.objects)
            return StoredPlace(ListedFiles(uri, objects.list(uri), objects))
        except (StoreAccessError, RepositoryNotFoundError) as error:
            _log.warning(
                "%s goes through this machine, as the model repository's credentials can't copy "
                "it: %s",
                uri,
                error,
            )
            return None
        except StoreError as error:
            raise ModelSourceError(str(error)) from error

    def _repository(self, uri: str) -> ArtifactRepository:
        if "tracking_uri" in signature(get_artifact_repository).parameters:
            return get_artifact_repository(
                uri, tracking_uri=self.tracking_uri, registry_uri=self.registry_uri
            )
        # MLflow 2 would ask the process for the tracking server behind mlflow-artifacts: URIs.
        if uri.startswith("mlflow-artifacts:"):
            uri = MlflowArtifactsRepository.resolve_uri(uri, self.tracking_uri)
        return get_artifact_repository(uri)


def missing_model(uri: str, place: ArtifactPlace) -> ModelSourceError:
    """Return the error for a place that holds no MLflow model."""
    what = f"{without_secrets(uri)} is not an MLflow model"
    if place.path is None:
        return ModelSourceError(f"{what}: {place.uri} has no MLmodel file. Check the model URI.")
    if not place.path.exists():
        return ModelSourceError(
            f"{what}: there is no directory {place.path}. "
            "A model of the registry is models:/<name>/<version>, one of a run runs:/<run>/<path>."
        )
    if not place.path.is_dir():
        return ModelSourceError(
            f"{what}: {place.path} is a file. Name the directory that holds the MLmodel file."
        )
    return ModelSourceError(
        f"{what}: {place.path} has no MLmodel file. Name the directory that has it."
    )
