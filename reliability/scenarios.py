"""What is killed: the operations, from what they start, and what may be served afterwards."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from reliability import models
from triton_deploy_core.errors import DeploymentNotFoundError, LoadFailedError
from triton_deploy_core.package import ModelPackage
from triton_deploy_core.service import DeploymentService

NAME = "iris"


@dataclass(frozen=True)
class Scenario:
    """One operation to be killed at each of its steps.

    Attributes:
        name: for people, and for the command line.
        before: what is deployed before, one after another; nothing where empty.
        package: what the operation deploys, None for a delete.
        old: the answer of whatever serves before it, None for nothing.
        new: and after it.
        is_refused: Triton does not load it.
    """

    name: str
    before: tuple[ModelPackage, ...]
    package: ModelPackage | None
    old: str | None
    new: str | None
    is_refused: bool = False

    def prepare(self, service: DeploymentService) -> None:
        """Make what is deployed what it has to be before: also the operation after the kill."""
        for package in self.before or (None,):
            become(service, package)

    def act(self, service: DeploymentService) -> None:
        """Carry out what is to be killed."""
        with suppress(*((LoadFailedError,) if self.is_refused else ())):
            become(service, self.package)


def become(service: DeploymentService, package: ModelPackage | None) -> None:
    """Make a package what is deployed, whatever is there now; None for nothing."""
    if package is None:
        service.delete(NAME)
        return
    deploy: Callable[[str, ModelPackage], object] = service.update
    try:
        service.require_existing(NAME)
    except DeploymentNotFoundError:
        deploy = service.create
    deploy(NAME, package)


def _update(
    name: str, *before: ModelPackage, to: ModelPackage, old: str = "old", new: str = "new"
) -> Scenario:
    return Scenario(name, before, to, old, new)


_ONE = "specific { versions: [ 1 ] }"
_OLD, _NEW = models.generated("old"), models.generated("new")
SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("create", (), _NEW, None, "new"),
        Scenario("create-tree", (), models.tree("new", versions=2), None, "new"),
        Scenario("create-refused", (), models.broken("new"), None, None, is_refused=True),
        _update("update", _OLD, to=_NEW),
        _update("update-back", _NEW, _OLD, to=_NEW),
        _update(
            "update-config",
            models.generated("same", config_tag="old"),
            to=models.generated("same", config_tag="new"),
            old="old+same",
            new="new+same",
        ),
        _update(
            "update-user-config",
            models.verbatim("old", policy="all {}"),
            to=models.verbatim("new", policy="all {}"),
        ),
        _update(
            "update-in-place",
            models.verbatim("old", policy=_ONE),
            to=models.verbatim("new", policy=_ONE),
        ),
        _update("update-tree", models.tree("old", versions=2), to=models.tree("new", versions=2)),
        Scenario("update-refused", (_OLD,), models.broken("new"), "old", "old", is_refused=True),
        Scenario("delete", (_OLD,), None, "old", None),
    )
}
