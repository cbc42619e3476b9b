"""Where models come from: MLflow's tracking server, registry and artifact stores."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import mlflow
from mlflow import MlflowClient

from mlflow_triton.mlmodel import MLMODEL_FILE, MLmodel, read_mlmodel
from mlflow_triton.source_artifacts import Artifacts, missing_model
from mlflow_triton.source_deadline import within
from mlflow_triton.source_errors import mapped_errors
from mlflow_triton.source_lookup import Lookup, ModelPlace
from mlflow_triton.source_probe import check_reachable
from mlflow_triton.source_run_files import RunFiles, find_run_files
from mlflow_triton.source_scratch import Scratch, scratch_directory
from mlflow_triton.source_uri import (
    ArtifactRef,
    ModelRef,
    PathRef,
    RegisteredModelRef,
    parse_model_uri,
    without_secrets,
)
from triton_deploy_core.errors import ModelSourceError
from triton_deploy_core.ports.objects import ObjectReader
from triton_deploy_core.ports.source import LocatedModel, ModelFiles

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MlflowSource:
    """Finds models by every URI that MLflow has for them. Implements core's `ModelSource`.

    Files on this machine are read where they are, never copied and never changed; so are files
    in the service that holds the model repository. Anything else goes to one temporary directory,
    which is gone when the context ends, however it ends.

    Attributes:
        tracking_uri: where runs and logged models are; None: as the process is set up
            (``mlflow.set_tracking_uri``, ``MLFLOW_TRACKING_URI``, MLflow's default).
        registry_uri: where registered models are; None: as the process is set up, else the
            tracking server.
        objects: looks at files in the service that holds the repository; None where there is no
            such service.
        connect_timeout: seconds for an MLflow server to answer a first question.
        lookup_timeout: seconds for finding out where a model is. Downloads are not limited as a
            whole, since models may be of any size; MLflow limits each of their requests
            (``MLFLOW_HTTP_REQUEST_TIMEOUT``).
    """

    tracking_uri: str | None = None
    registry_uri: str | None = None
    objects: ObjectReader | None = None
    connect_timeout: float = 10.0
    lookup_timeout: float = 60.0

    @contextmanager
    def open(self, uri: str) -> Iterator[LocatedModel]:
        """Make a model's files readable for as long as the context lasts.

        Args:
            uri: ``models:/…``, ``runs:/…``, a directory on this machine, or the URI of a
                directory in any artifact store that MLflow reads.

        Raises:
            ModelSourceError: there is no such model, or it can't be read.
        """
        ref = parse_model_uri(uri)
        tracking, registry = self._servers()
        with scratch_directory() as scratch:
            artifacts = Artifacts(tracking, registry, self.objects)
            with mapped_errors(uri, registry if isinstance(ref, RegisteredModelRef) else tracking):
                located = self._locate(uri, ref, artifacts, scratch)
            yield located

    def _servers(self) -> tuple[str, str]:
        """Return the tracking and the registry URI that hold now."""
        set_up = mlflow.get_tracking_uri()
        tracking = self.tracking_uri or set_up
        # MLflow names the tracking server of the process where no registry was set up.
        registry = mlflow.get_registry_uri()
        return tracking, self.registry_uri or (tracking if registry == set_up else registry)

    def _locate(
        self, uri: str, ref: ModelRef, artifacts: Artifacts, scratch: Scratch
    ) -> LocatedModel:
        for server in self._needed(ref, artifacts):
            check_reachable(uri, server, timeout=self.connect_timeout)
        what = f"looking up {without_secrets(uri)}"
        found = within(self.lookup_timeout, lambda: self._find(uri, ref, artifacts), what=what)
        files = found.place.files(scratch)
        run_files = self._run_files(uri, ref, artifacts, read_mlmodel(files), scratch)
        return LocatedModel(
            uri=without_secrets(uri),
            files=files,
            registry_version=found.registry_version,
            resolved_uri=found.resolved_uri,
            run_files=run_files,
        )

    @staticmethod
    def _needed(ref: ModelRef, artifacts: Artifacts) -> frozenset[str]:
        """Return the servers without which the model can't be found."""
        if isinstance(ref, RegisteredModelRef):
            return frozenset({artifacts.registry_uri, artifacts.tracking_uri})
        if isinstance(ref, PathRef):
            return frozenset()
        if isinstance(ref, ArtifactRef) and not ref.uri.startswith("mlflow-artifacts:"):
            return frozenset()
        return frozenset({artifacts.tracking_uri})

    @staticmethod
    def _find(uri: str, ref: ModelRef, artifacts: Artifacts) -> ModelPlace:
        if isinstance(ref, PathRef | ArtifactRef):
            found = ModelPlace(
                artifacts.place(str(ref.path) if isinstance(ref, PathRef) else ref.uri)
            )
        else:
            found = _lookup(artifacts).place_of(ref)
        if MLMODEL_FILE not in found.place.names():
            raise missing_model(uri, found.place)
        return found

    def _run_files(
        self, uri: str, ref: ModelRef, artifacts: Artifacts, mlmodel: MLmodel, scratch: Scratch
    ) -> ModelFiles | None:
        if mlmodel.model_id is None:
            return None
        if not isinstance(ref, PathRef | ArtifactRef):
            return self._fetch_run_files(uri, artifacts, mlmodel, scratch)
        # A bare directory may come from anywhere: nobody is asked that the user did not name,
        # and who does not answer is not needed.
        if self.tracking_uri is None and not mlflow.is_tracking_uri_set():
            return None
        try:
            with mapped_errors(uri, artifacts.tracking_uri):
                check_reachable(uri, artifacts.tracking_uri, timeout=self.connect_timeout)
                return self._fetch_run_files(uri, artifacts, mlmodel, scratch)
        except ModelSourceError as error:
            _log.warning("Files that were logged beside the model are left out: %s", error)
            return None

    def _fetch_run_files(
        self, uri: str, artifacts: Artifacts, mlmodel: MLmodel, scratch: Scratch
    ) -> ModelFiles | None:
        def find() -> RunFiles:
            return find_run_files(_lookup(artifacts), mlmodel)

        what = f"looking for files logged beside {without_secrets(uri)}"
        found = within(self.lookup_timeout, find, what=what)
        if found.place is None:
            return None
        return found.place.some_files(found.names, scratch)


def _lookup(artifacts: Artifacts) -> Lookup:
    client = MlflowClient(artifacts.tracking_uri, artifacts.registry_uri)
    return Lookup(client, artifacts, artifacts.registry_uri)
