"""Directories of artifact stores: on this machine, in the repository's own service, or elsewhere.

Only what is elsewhere is downloaded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mlflow_triton.model_files import DirectoryFiles, ListedFiles

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

    from mlflow_triton.source_scratch import Scratch
    from triton_deploy_core.ports.source import ModelFiles


class ArtifactPlace(Protocol):
    """A directory in an artifact store. It need not exist."""

    @property
    def uri(self) -> str:
        """Where it is, fit for messages."""
        ...

    @property
    def path(self) -> Path | None:
        """The directory itself where it is on this machine, else None."""
        ...

    def names(self, directory: str = "") -> frozenset[str]:
        """Return the names of the files and directories right in it, or right in one in it.

        None if there is no such directory.
        """
        ...

    def files(self, scratch: Scratch) -> ModelFiles:
        """Return the whole directory's files, downloading them where need be."""
        ...

    def some_files(self, names: Iterable[str], scratch: Scratch) -> ModelFiles:
        """Return those paths in it that are files, downloading them where need be."""
        ...


@dataclass(frozen=True, slots=True)
class LocalPlace:
    """A directory on this machine: read where it is."""

    path: Path

    @property
    def uri(self) -> str:
        """See `ArtifactPlace.uri`."""
        return str(self.path)

    def names(self, directory: str = "") -> frozenset[str]:
        """See `ArtifactPlace.names`."""
        path = self.path / directory
        return frozenset(entry.name for entry in path.iterdir()) if path.is_dir() else frozenset()

    def files(self, scratch: Scratch) -> ModelFiles:  # noqa: ARG002 (nothing is downloaded)
        """See `ArtifactPlace.files`."""
        return DirectoryFiles(self.path)

    def some_files(self, names: Iterable[str], scratch: Scratch) -> ModelFiles:  # noqa: ARG002
        """See `ArtifactPlace.some_files`."""
        return _chosen(DirectoryFiles(self.path), names)


@dataclass(frozen=True, slots=True)
class StoredPlace:
    """A directory in the service that holds the repository: listed, so that it can be copied."""

    listed: ListedFiles

    @property
    def uri(self) -> str:
        """See `ArtifactPlace.uri`."""
        return self.listed.location

    @property
    def path(self) -> None:
        """See `ArtifactPlace.path`."""
        return

    def names(self, directory: str = "") -> frozenset[str]:
        """See `ArtifactPlace.names`."""
        start = f"{directory}/" if directory else ""
        below = (path[len(start) :] for path in self.listed.sources if path.startswith(start))
        return frozenset(path.partition("/")[0] for path in below)

    def files(self, scratch: Scratch) -> ModelFiles:  # noqa: ARG002 (nothing is downloaded)
        """See `ArtifactPlace.files`."""
        return self.listed

    def some_files(self, names: Iterable[str], scratch: Scratch) -> ModelFiles:  # noqa: ARG002
        """See `ArtifactPlace.some_files`."""
        sources = {name: found for name in names if (found := self.listed.find(name)) is not None}
        return ListedFiles(self.uri, sources, self.listed.reader)


@dataclass(frozen=True, slots=True)
class RemotePlace:
    """A directory that only MLflow knows how to read."""

    uri: str
    repository: ArtifactRepository

    @property
    def path(self) -> None:
        """See `ArtifactPlace.path`."""
        return

    def names(self, directory: str = "") -> frozenset[str]:
        """See `ArtifactPlace.names`."""
        found = self.repository.list_artifacts(directory or None)
        return frozenset(info.path.rpartition("/")[2] for info in found)

    def files(self, scratch: Scratch) -> ModelFiles:
        """See `ArtifactPlace.files`."""
        target = scratch.directory("model")
        self._download("", target)
        return DirectoryFiles(target)

    def some_files(self, names: Iterable[str], scratch: Scratch) -> ModelFiles:
        """See `ArtifactPlace.some_files`."""
        wanted = list(names)
        if not wanted:
            return ListedFiles(self.uri, {})
        target = scratch.directory("run")
        for name in wanted:
            self._download(name, target)
        return _chosen(DirectoryFiles(target), wanted)

    def _download(self, name: str, target: Path) -> None:
        try:
            self.repository.download_artifacts(name, str(target))
        except BaseException:
            # Ctrl-C must not leave a queue of downloads that would go on writing.
            self.repository.thread_pool.shutdown(wait=False, cancel_futures=True)
            raise


def _chosen(files: DirectoryFiles, names: Iterable[str]) -> ListedFiles:
    found = {name: source for name in names if (source := files.find(name)) is not None}
    return ListedFiles(files.location, found)
