"""Servers of an undo: it is done on those that answer, whatever becomes of the others."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from triton_deploy_core.errors import LoadTimeoutError, ServerError
from triton_deploy_core.failures import NO_ANSWER, merged
from triton_deploy_core.ports.server import InferenceServer

_T = TypeVar("_T")


class Answering:
    """The servers that still answer; those that stop drop out.

    Attributes:
        server: what stands for those that answer.
        lost: URL → why, of those that could not be told what they had to be.
        untouched: the URLs of those that were told nothing that has to be taken back.
    """

    def __init__(self, server: InferenceServer) -> None:
        self.server = server
        self.lost: dict[str, ServerError] = {}
        self.untouched: frozenset[str] = frozenset()

    @classmethod
    def after(
        cls, error: BaseException, server: InferenceServer, *, told: InferenceServer
    ) -> Answering | None:
        """Return those that can be told to take back what failed; None where none can.

        A load that outlived its deadline can't be taken back now: its server would make everybody
        wait. A server that did not answer is left out as long as there are others.

        Args:
            error: what failed.
            server: the servers that the operation is about.
            told: those of them that it told anything.
        """
        urls = {one.url for one in server.servers()}
        told_urls = {one.url for one in told.servers()}
        failures = _failures(error, told_urls)
        stuck = {url for url in failures if isinstance(failures[url], LoadTimeoutError)}
        silent = {url for url in failures if isinstance(failures[url], NO_ANSWER)}
        rest = server.part(urls - stuck - silent) or server.part(urls - stuck)
        if rest is None:
            return None
        found = cls(rest)
        found.untouched = frozenset(urls - told_urls)
        if isinstance(error, ServerError):
            found.untouched |= error.untouched
        reached = {one.url for one in rest.servers()}
        found.lost = {url: failures[url] for url in urls - reached}
        return found

    @property
    def urls(self) -> frozenset[str]:
        """The URLs of the servers that answer."""
        return frozenset(server.url for server in self.server.servers())

    def tell(
        self, act: Callable[[InferenceServer], _T], urls: Collection[str] | None = None
    ) -> dict[str, _T]:
        """Do something with each that answers, or with those of them that have these URLs.

        One that refuses drops out, too.

        Returns:
            By URL, what it returned.

        Raises:
            ServerError: no server is left that answers.
        """
        part = self.server if urls is None else self.server.part(urls)
        told: dict[str, _T] = {}
        lost: dict[str, ServerError] = {}
        for url, answer in (part.ask_each(act) if part is not None else {}).items():
            if isinstance(answer, ServerError):
                lost[url] = answer
            else:
                told[url] = answer
        if lost:
            self._drop(lost)
        return told

    def _drop(self, lost: dict[str, ServerError]) -> None:
        self.lost |= lost
        rest = self.server.part(self.urls - lost.keys())
        if rest is None:
            raise merged(lost, servers=len(self.urls))
        self.server = rest


def _failures(error: BaseException, urls: Collection[str]) -> dict[str, ServerError]:
    if not isinstance(error, ServerError):
        return {}
    if error.failures:
        return {url: failure for url, failure in error.failures.items() if url in urls}
    return dict.fromkeys(urls, error)
