"""Tags in MLflow that say what is deployed where, written when an operation is done.

Under the key ``triton.<name>``, on what the model URI names: a version in the registry, a logged
model, a run. Nothing that goes wrong with them fails a deployment: it is one warning.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import os
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import mlflow
from mlflow import MlflowClient

from mlflow_triton import bootstrap
from mlflow_triton.settings import Settings
from mlflow_triton.source_deadline import within
from mlflow_triton.source_errors import error_reason
from mlflow_triton.source_probe import check_reachable
from mlflow_triton.source_uri import ArtifactRef, ModelRef, PathRef, parse_model_uri
from mlflow_triton.tag_book import TagBook
from mlflow_triton.tag_carriers import Carrier, permanent_carrier
from mlflow_triton.tag_entries import TagEntry
from triton_deploy_core.clock import Deadline, SystemClock
from triton_deploy_core.deployment import Deployment
from triton_deploy_core.errors import DeployError, ModelSourceError

_logger = logging.getLogger(__name__)

DEADLINE_SECONDS = 15.0
_CONNECT_SECONDS = 5.0
_FIT_NAME = re.compile(r"[A-Za-z0-9._-]{1,240}")
_THIS_MACHINE = re.compile(r"localhost|127\.[0-9.]+|::1")


@dataclass(frozen=True, slots=True)
class Tagging:
    """Keeps the tags of one deployment.

    Attributes:
        name: the deployment's.
        server: its server's URL, fit for all to read.
        repository: where its files are; of this only a digest gets out.
        seconds: how long MLflow may take, all in all.
    """

    name: str
    server: str
    repository: str
    seconds: float = DEADLINE_SECONDS

    @classmethod
    def of(cls, name: str, settings: Settings) -> Tagging:
        """Return what keeps a deployment's tags, by the settings of its operation."""
        return cls(name, bootstrap.shown_server(settings), settings.triton_model_repo)

    @property
    def key(self) -> str:
        """The tags' key: MLflow takes neither ``~`` in one nor more than 250 characters."""
        if _FIT_NAME.fullmatch(self.name):
            return f"triton.{self.name}"
        fit = re.sub(r"[^A-Za-z0-9._-]", "_", self.name)[:200]
        return f"triton.{fit}-{_digest(self.name)}"

    @property
    def place(self) -> str:
        """What tells this repository from others; a directory's path alone would not."""
        path = self.repository.removeprefix("file://").rstrip("/")
        if "://" in path:
            return _digest(path)
        return _digest(f"{os.path.realpath(path)} {self._host or self.server}")

    def deployed(self, deployment: Deployment, carrier: Carrier | None, before: str = "") -> None:
        """Tag the model that is deployed now, and no other any more.

        Args:
            deployment: as it stands.
            carrier: what carries the model's tags; None if nothing does.
            before: URI of the model that was deployed before; empty for none.
        """
        ref, entry = _mlflow_ref(before), self._entry(deployment)
        if carrier is not None or ref is not None:
            self._in_time(lambda book: book.write(entry, carrier, ref))

    def repaired(self, deployment: Deployment) -> bool:
        """Tag what is deployed, by its record; return whether MLflow could be told."""
        ref, entry = _mlflow_ref(deployment.record.mlflow_model_uri), self._entry(deployment)
        return ref is None or self._in_time(lambda book: book.write_again(entry, ref))

    def rolled_back(self, deployment: Deployment, before: str) -> None:
        """Tag the model that serves again, and no other any more.

        Args:
            deployment: as it stands.
            before: URI of the model that was deployed before.
        """
        ref, was = _mlflow_ref(deployment.record.mlflow_model_uri), _mlflow_ref(before)
        entry = self._entry(deployment)
        # What an alias stood for then is not known: better no tag than a wrong one.
        carrier = None if ref is None else permanent_carrier(ref)
        if carrier is not None or was is not None:
            self._in_time(lambda book: book.write(entry, carrier, was))

    def deleted(self, before: str) -> None:
        """Remove the tags of what was deployed: the model of the URI `before`."""
        ref = _mlflow_ref(before)
        if ref is not None:
            self._in_time(lambda book: book.remove(ref))

    @property
    def _host(self) -> str:
        """This machine's name, where the server's URL means this machine."""
        with suppress(ValueError):
            host = urlsplit(f"//{self.server.rpartition('://')[2]}").hostname or ""
            return socket.gethostname() if _THIS_MACHINE.fullmatch(host) else ""
        return ""

    def _entry(self, deployment: Deployment) -> TagEntry:
        return TagEntry(
            state=deployment.state.value,
            server=self.server,
            host=self._host,
            version=deployment.version,
            at=f"{dt.datetime.now(dt.timezone.utc):%Y-%m-%dT%H:%M:%SZ}",
            place=self.place,
            servers=deployment.record.servers,
        )

    def _in_time(self, work: Callable[[TagBook], None]) -> bool:
        """Do the work, or warn; return whether it was done."""
        if not _is_set_up():
            return True
        deadline = Deadline.after(self.seconds, SystemClock())

        def require_time() -> None:
            if deadline.passed:  # nobody waits, and others may have been at it meanwhile
                raise ModelSourceError("it is too late for that")

        def run() -> None:
            for server in {mlflow.get_tracking_uri(), mlflow.get_registry_uri()}:
                check_reachable(self.key, server, timeout=min(self.seconds, _CONNECT_SECONDS))
            work(TagBook(MlflowClient(), self.key, self.place, require_time))

        try:
            within(self.seconds, run, what=f"keeping the tag {self.key}")
        except Exception as error:  # noqa: BLE001 (the deployment is done, whatever MLflow says)
            servers = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
            said = str(error) if isinstance(error, DeployError) else error_reason(error, *servers)
            _logger.warning(
                "The deployment '%s' is as asked for, but not its tag %s in MLflow: %s. "
                "-C tags=off does without tags.",
                self.name,
                self.key,
                said.rstrip("."),
            )
            return False
        return True


def _mlflow_ref(uri: str) -> ModelRef | None:
    """Return what a record's model URI names, None where that is nothing of MLflow's."""
    try:
        ref = parse_model_uri(uri)
    except ModelSourceError:
        return None
    return None if isinstance(ref, PathRef | ArtifactRef) else ref


def _is_set_up() -> bool:
    """Tell whether there is an MLflow to tell: asking its default one would make one."""
    if mlflow.is_tracking_uri_set() or os.environ.get("MLFLOW_REGISTRY_URI"):
        return True
    uri = mlflow.get_registry_uri()
    path = uri.removeprefix("sqlite:///").removeprefix("file://")
    return path == uri or Path(path).exists()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
