"""Reads artifact stores: in place where they are on this machine, else into a scratch directory."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

from mlflow_triton.source_uri import PathRef, parse_model_uri, without_secrets
from triton_deploy_core.errors import ModelSourceError

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

_REMOVE_ATTEMPTS = 5


class Scratch:
    """One temporary directory for everything that is downloaded, made when first needed."""

    def __init__(self) -> None:
        self._root: Path | None = None

    def directory(self, name: str) -> Path:
        """Return a new directory inside the scratch directory."""
        if self._root is None:
            self._root = Path(tempfile.mkdtemp(prefix="mlflow-triton-"))
        path = self._root / name
        path.mkdir()
        return path

    def remove(self) -> None:
        """Remove the directory with all that is in it."""
        # A download that was broken off may still be writing its last file.
        for _ in range(_REMOVE_ATTEMPTS):
            if self._root is None or not self._root.exists():
                return
            shutil.rmtree(self._root, ignore_errors=True)


@contextmanager
def scratch_directory() -> Iterator[Scratch]:
    """Give out a `Scratch` and remove it however the block ends."""
    scratch = Scratch()
    try:
        yield scratch
    finally:
        scratch.remove()


@dataclass(frozen=True, slots=True)
class ArtifactPlace:
    """A directory in an artifact store.

    Attributes:
        uri: where it is, fit for messages.
        path: the directory itself where it is on this machine, else None.
        repository: MLflow's access to it where it is not on this machine.
    """

    uri: str
    path: Path | None
    repository: ArtifactRepository | None

    def names(self) -> frozenset[str]:
        """Return the names of the files and directories right in it; none if it does not exist."""
        if self.path is not None:
            if not self.path.is_dir():
                return frozenset()
            return frozenset(entry.name for entry in self.path.iterdir())
        assert self.repository is not None  # noqa: S101 - one of the two is always there
        return frozenset(info.path.rpartition("/")[2] for info in self.repository.list_artifacts())

    def fetch(self, scratch: Scratch) -> Path:
        """Return the whole directory on this machine, downloading it where need be."""
        if self.path is not None:
            return self.path
        target = scratch.directory("model")
        self._download("", target)
        return target

    def fetch_files(self, names: list[str], scratch: Scratch) -> dict[str, Path]:
        """Return single files of it on this machine, downloading them where need be."""
        if self.path is not None:
            return {name: self.path / name for name in names}
        if not names:
            return {}
        target = scratch.directory("run")
        for name in names:
            self._download(name, target)
        return {name: target / name for name in names}

    def _download(self, name: str, target: Path) -> None:
        assert self.repository is not None  # noqa: S101 - one of the two is always there
        try:
            self.repository.download_artifacts(name, str(target))
        except BaseException:
            # Ctrl-C must not leave a queue of downloads that would go on writing.
            self.repository.thread_pool.shutdown(wait=False, cancel_futures=True)
            raise


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Opens artifact stores as one tracking server's clients see them."""

    tracking_uri: str
    registry_uri: str

    def place(self, uri: str) -> ArtifactPlace:
        """Return access to a directory in an artifact store. It need not exist."""
        ref = parse_model_uri(uri)
        if isinstance(ref, PathRef):
            return ArtifactPlace(str(ref.path), ref.path.absolute(), None)
        return ArtifactPlace(without_secrets(uri), None, self._repository(uri))

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
