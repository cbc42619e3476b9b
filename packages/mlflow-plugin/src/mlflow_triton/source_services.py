"""Which cloud service MLflow would read a directory from, where that can be told."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlflow.environment_variables import MLFLOW_S3_ENDPOINT_URL
from mlflow.store.artifact.gcs_artifact_repo import GCSArtifactRepository
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository


@dataclass(frozen=True, slots=True)
class Service:
    """A service; `endpoint` is None where its library's default decides."""

    endpoint: str | None


_OWNER = "MLFLOW_S3_EXPECTED_BUCKET_OWNER"

_ENDPOINTS: Mapping[type, Callable[[], str | None]] = MappingProxyType(
    {S3ArtifactRepository: MLFLOW_S3_ENDPOINT_URL.get, GCSArtifactRepository: lambda: None}
)


def service_endpoint(repository: ArtifactRepository) -> Service | None:
    """Return the service behind MLflow's access to a directory.

    None for everything but MLflow's own classes for S3 and Google Cloud Storage: a subclass, or
    one that somebody plugged in for a scheme, may read the URI in its own way. None too where
    MLflow is told whose bucket it has to be, which MLflow alone looks at.
    """
    if os.environ.get(_OWNER):
        return None
    endpoint = _ENDPOINTS.get(type(repository))
    return Service(endpoint()) if endpoint is not None else None
