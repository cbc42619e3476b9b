"""A deployment tool without MLflow: one model file into a local repository, served over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from audited_store import AuditedStore

from triton_deploy_core.deployment import Deployment
from triton_deploy_core.errors import DeploymentNotFoundError
from triton_deploy_core.package import Origin, VersionPackage
from triton_deploy_core.ports.server import ModelState
from triton_deploy_core.ports.store import LocalFile
from triton_deploy_core.service import DeploymentService
from triton_deploy_storage import open_store
from triton_deploy_transport import connect
from triton_deploy_transport.pbtxt import PbtxtFormat

CONFIG = b'backend: "onnxruntime"\n'


@dataclass(frozen=True)
class Releases:
    """Puts ONNX files into production."""

    service: DeploymentService

    def put(self, name: str, model: Path) -> Deployment:
        """Serve a model under a name, a new one or not."""
        source = LocalFile(model, model.stat().st_size)
        package = VersionPackage(Origin(str(model), "onnx"), {"model.onnx": source}, CONFIG)
        try:
            return self.service.update(name, package, keep_versions=2)
        except DeploymentNotFoundError:
            return self.service.create(name, package)

    def broken(self) -> list[str]:
        """Return the names of those that do not serve."""
        found = self.service.list()
        return [one.name for one in found if one.state is not ModelState.READY]


@contextmanager
def releases(repository: Path, url: str, audit: list[str]) -> Iterator[Releases]:
    """Open a repository that the Triton at `url` reads; `audit` gets a line a change."""
    store = AuditedStore(open_store(str(repository)), audit.append)
    with closing(connect(url, request_timeout=10.0)) as server:
        yield Releases(DeploymentService(store, server, PbtxtFormat(), timeout=120.0))
