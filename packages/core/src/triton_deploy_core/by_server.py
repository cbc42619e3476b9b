"""What each server says of one name, sorted by whether the deployment is for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from triton_deploy_core import placement
from triton_deploy_core.errors import ServerError
from triton_deploy_core.failures import merged
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.ports.server import InferenceServer

Versions: TypeAlias = frozenset[int]
Answers: TypeAlias = Mapping[str, "Versions | ServerError"]
"""URL → the versions of one name that are ready there, or why that can't be told."""


@dataclass(frozen=True, slots=True)
class ByServer:
    """Which versions of one name each server has ready.

    Attributes:
        inside: URL → versions, of the servers that the deployment is for.
        outside: URL → versions, of the others.
        silent: URL → error, of those that the deployment is for and that do not answer.
        servers: the servers that it is for, as `placement` reads them.
    """

    inside: Mapping[str, Versions]
    outside: Mapping[str, Versions]
    silent: Mapping[str, ServerError]
    servers: str = ""

    @classmethod
    def ask(cls, server: InferenceServer, name: DeploymentName, servers: str) -> ByServer:
        """Ask every server.

        Raises:
            ServerError: none answers.
        """
        answers = server.ask_each(lambda one: one.ready_versions(str(name)))
        return cls.sort(server, answers, servers)

    @classmethod
    def sort(cls, server: InferenceServer, answers: Answers, servers: str) -> ByServer:
        """Sort what was answered.

        Raises:
            ServerError: none answered.
        """
        require_an_answer(answers)
        part = placement.inside(server, servers)
        meant = {one.url for one in part.servers()} if part is not None else set()
        inside, outside, silent = {}, {}, {}
        for url, said in answers.items():
            if isinstance(said, ServerError):
                if url in meant:
                    silent[url] = said
            elif url in meant:
                inside[url] = said
            else:
                outside[url] = said
        return cls(inside, outside, silent, servers)

    @property
    def is_one(self) -> bool:
        """Whether there is one server in all, which needs no name."""
        return len(self.inside) + len(self.outside) + len(self.silent) == 1

    def grouped(self) -> Iterator[tuple[Versions, list[str]]]:
        """Return versions that are ready, and the servers (inside) that have just those."""
        groups: dict[Versions, list[str]] = {}
        for url, versions in self.inside.items():
            groups.setdefault(versions, []).append(url)
        yield from groups.items()


def require_an_answer(answers: Mapping[str, object]) -> None:
    """Make sure that a server answered.

    Raises:
        ServerError: none did.
    """
    errors = {url: said for url, said in answers.items() if isinstance(said, ServerError)}
    if len(errors) == len(answers):
        raise merged(errors, servers=len(answers))


def loaded_by_name(
    server: InferenceServer,
) -> Mapping[str, Mapping[str, Versions] | ServerError]:
    """Return URL → name → versions that are ready there, or why that can't be told.

    Raises:
        ServerError: no server answers.
    """
    answers = server.ask_each(_loaded)
    require_an_answer(answers)
    return answers


def of_name(
    answers: Mapping[str, Mapping[str, Versions] | ServerError], name: DeploymentName
) -> Answers:
    """Return what the answers of `loaded_by_name` say of one name."""
    return {
        url: said if isinstance(said, ServerError) else said.get(str(name), frozenset())
        for url, said in answers.items()
    }


def _loaded(server: InferenceServer) -> dict[str, Versions]:
    found: dict[str, set[int]] = {}
    for model, version in server.loaded():
        found.setdefault(model, set()).add(version)
    return {name: frozenset(versions) for name, versions in found.items()}
