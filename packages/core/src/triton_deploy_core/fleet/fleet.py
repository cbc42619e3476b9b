"""A fleet: many servers that read one repository, as one `InferenceServer`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from triton_deploy_core.errors import (
    InvalidSettingError,
    LoadTimeoutError,
    ServerError,
)
from triton_deploy_core.failures import NO_ANSWER, listed, merged
from triton_deploy_core.fleet.member import Member
from triton_deploy_core.fleet.readings import merged_index, summed
from triton_deploy_core.fleet.rollout import Rollout
from triton_deploy_core.fleet.rounds import ask_all, first_answer
from triton_deploy_core.fleet.spreading import Spreading
from triton_deploy_core.ports.model_server import ModelMetadata
from triton_deploy_core.ports.request_options import RequestOptions
from triton_deploy_core.ports.server import (
    IndexEntry,
    InferenceServer,
    LoadOverride,
    VersionStatistics,
)
from triton_deploy_core.server_names import matches

_T = TypeVar("_T")
_Act = Callable[[InferenceServer], None]


class Fleet:
    """Many servers that read one repository, as one `InferenceServer`.

    Loads and unloads go to every server. What it says is what all of its servers say: a version
    is ready that is ready on each. Where a quorum was agreed on, servers that do not answer are
    left out as long as so many answer.

    Args:
        members: the servers; of several with one URL the first.
        rollout: how an operation goes through them.
        url: what the fleet is called in messages, without a secret; its servers' URLs if left out.
        left_behind: URL → why, of servers that are left out already.

    Raises:
        InvalidSettingError: there is no member.
    """

    def __init__(
        self,
        members: Iterable[Member | InferenceServer],
        rollout: Rollout | None = None,
        *,
        url: str = "",
        left_behind: Mapping[str, str] | None = None,
    ) -> None:
        self._members: dict[str, Member] = {}
        for member in members:
            known = member if isinstance(member, Member) else Member(member)
            self._members.setdefault(known.url, known)
        if not self._members:
            raise InvalidSettingError(f"{url or 'The fleet'} has no server: name one at least.")
        self._rollout = rollout or Rollout()
        self._url = url or listed(self._members)
        self._left_behind = dict(left_behind or {})
        self._spreading = Spreading(tuple(self._members.values()))

    @property
    def url(self) -> str:
        """See `InferenceServer.url`."""
        return self._url

    @property
    def members(self) -> tuple[Member, ...]:
        """The members, in the order in which they were given."""
        return tuple(self._members.values())

    # The parts of it.

    def servers(self) -> Sequence[InferenceServer]:
        """See `InferenceServer.servers`."""
        return tuple(member.server for member in self._members.values())

    def matching(self, patterns: Iterable[str]) -> frozenset[str]:
        """See `InferenceServer.matching`."""
        wanted = tuple(patterns)
        return frozenset(
            url for url, member in self._members.items() if matches(member.names, wanted)
        )

    def part(self, urls: Collection[str]) -> InferenceServer | None:
        """See `InferenceServer.part`."""
        found = [member for url, member in self._members.items() if url in urls]
        if len(found) == len(self._members):
            return self
        return Fleet(found, self._rollout, left_behind=self._left_behind) if found else None

    def left_behind(self) -> Mapping[str, str]:
        """See `InferenceServer.left_behind`."""
        return dict(self._left_behind)

    def ask_each(self, question: Callable[[InferenceServer], _T]) -> Mapping[str, _T | ServerError]:
        """See `InferenceServer.ask_each`."""
        return ask_all(question, self.servers(), at_once=self._at_once)

    def on_each(self, act: _Act) -> InferenceServer:
        """See `InferenceServer.on_each`."""
        answers = ask_all(act, self.servers(), at_once=self._at_once, ends=self._ends)
        return self._those_that_did(answers)

    def roll_out(self, act: _Act, *, settle: _Act) -> InferenceServer:
        """See `InferenceServer.roll_out`."""
        if not self._rollout.rolls:
            return self.on_each(act)

        def act_and_settle(server: InferenceServer) -> None:
            act(server)
            settle(server)

        answers: dict[str, ServerError | None] = {}
        waiting = list(self.servers())
        size = self._rollout.group(len(waiting))
        while waiting and not any(map(self._ends, _errors(answers).values())):
            group, waiting = waiting[:size], waiting[size:]
            answers |= ask_all(act_and_settle, group, at_once=self._at_once)
        return self._those_that_did(answers)

    @property
    def _at_once(self) -> int:
        return self._rollout.at_once(len(self._members))

    def _ends(self, error: ServerError) -> bool:
        """Whether an operation can't succeed any more after what one server said."""
        return self._rollout.quorum is None or not isinstance(error, NO_ANSWER)

    def _those_that_did(self, answers: Mapping[str, ServerError | None]) -> InferenceServer:
        failures = _errors(answers)
        if not failures:
            return self
        silent = self._silent(failures)
        answered = len(answers) - len(silent)
        if len(silent) < len(failures) or not self._suffices(answered):
            error = self._merged(failures, answered)
            error.untouched = frozenset(self._members) - answers.keys()
            raise error
        behind = self._left_behind | {url: str(error) for url, error in silent.items()}
        rest = [member for url, member in self._members.items() if url not in silent]
        return Fleet(rest, self._rollout, left_behind=behind)

    def _silent(self, failures: Mapping[str, ServerError]) -> dict[str, ServerError]:
        """Return those failures that are a server's which does not answer, if that matters."""
        if self._rollout.quorum is None:
            return {}
        return {url: error for url, error in failures.items() if self._is_silent(url, error)}

    def _is_silent(self, url: str, error: ServerError) -> bool:
        """Whether a server does not answer at all: one that is busy with a load may."""
        if not isinstance(error, LoadTimeoutError):
            return isinstance(error, NO_ANSWER)
        try:
            self._members[url].server.is_live()
        except ServerError as second:
            return isinstance(second, NO_ANSWER)
        return False

    def _suffices(self, answered: int) -> bool:
        everybody = len(self._members) + len(self._left_behind)
        return answered >= max(1, self._rollout.must_answer(everybody))

    def _merged(self, failures: Mapping[str, ServerError], answered: int) -> ServerError:
        error = merged(failures, servers=len(self._members))
        quorum = self._rollout.quorum
        if not isinstance(error, NO_ANSWER):
            return error
        if quorum is None and len(failures) < len(self._members):
            error.amend("With a quorum (quorum=N) it goes on as long as N servers answer.")
        elif quorum is not None and not self._suffices(answered):
            error.amend(f"{answered} answered, and the quorum is {quorum}.")
        return error

    # What all of it says.

    def _all(self, question: Callable[[InferenceServer], _T]) -> dict[str, _T]:
        """Ask each; leave out those that do not answer as far as the quorum allows."""
        answers = self.ask_each(question)
        self._those_that_did(
            {
                url: answer if isinstance(answer, ServerError) else None
                for url, answer in answers.items()
            }
        )
        return {
            url: answer for url, answer in answers.items() if not isinstance(answer, ServerError)
        }

    def is_live(self) -> bool:
        """See `InferenceServer.is_live`: all of them."""
        return all(self._all(lambda server: server.is_live()).values())

    def is_ready(self) -> bool:
        """See `InferenceServer.is_ready`: all of them."""
        return all(self._all(lambda server: server.is_ready()).values())

    def index(self) -> Sequence[IndexEntry]:
        """See `InferenceServer.index`: what any of them has, see `readings.merged_index`."""
        return merged_index(self._all(lambda server: server.index()))

    def load(self, name: str, *, timeout: float, override: LoadOverride | None = None) -> None:
        """See `InferenceServer.load`: on all of them, at once."""
        self.on_each(lambda server: server.load(name, timeout=timeout, override=override))

    def unload(self, name: str, *, timeout: float) -> None:
        """See `InferenceServer.unload`: on all of them, at once."""
        self.on_each(lambda server: server.unload(name, timeout=timeout))

    def ready_versions(self, name: str) -> frozenset[int]:
        """See `InferenceServer.ready_versions`: those that are ready on all of them."""
        return frozenset.intersection(
            *self._all(lambda server: server.ready_versions(name)).values()
        )

    def loaded(self) -> frozenset[tuple[str, int]]:
        """See `InferenceServer.loaded`: what is ready on all of them."""
        return frozenset.intersection(*self._all(lambda server: server.loaded()).values())

    # What one of them says.

    def metadata(self, name: str) -> ModelMetadata:
        """See `InferenceServer.metadata`: what the first says that serves the model."""
        return first_answer(lambda server: server.metadata(name), self.servers())

    def config(self, name: str) -> Mapping[str, Any]:
        """See `InferenceServer.config`: what the first says that serves the model."""
        return first_answer(lambda server: server.config(name), self.servers())

    @property
    def streams(self) -> bool:
        """See `InferenceServer.streams`: whether any of them has them."""
        return any(server.streams for server in self.servers())

    def infer(
        self,
        name: str,
        inputs: Mapping[str, NDArray[np.generic]],
        *,
        timeout: float,
        options: RequestOptions | None = None,
    ) -> Mapping[str, NDArray[np.generic]]:
        """See `InferenceServer.infer`: see `spreading` for the server that is asked."""
        return self._spreading.infer(name, inputs, timeout=timeout, options=options)

    def infer_many(
        self,
        name: str,
        requests: Iterable[Mapping[str, NDArray[np.generic]]],
        *,
        timeout: float,
        in_flight: int = 8,
        options: RequestOptions | None = None,
    ) -> Generator[Mapping[str, NDArray[np.generic]], None, None]:
        """See `InferenceServer.infer_many`: see `spreading` for the servers that are asked."""
        yield from self._spreading.infer_many(
            name, requests, timeout=timeout, in_flight=in_flight, options=options
        )

    def infer_stream(
        self,
        name: str,
        inputs: Mapping[str, NDArray[np.generic]],
        *,
        timeout: float,
        options: RequestOptions | None = None,
    ) -> Generator[Mapping[str, NDArray[np.generic]], None, None]:
        """See `InferenceServer.infer_stream`: see `spreading` for the server that is asked."""
        yield from self._spreading.infer_stream(name, inputs, timeout=timeout, options=options)

    def statistics(self, name: str) -> Sequence[VersionStatistics]:
        """See `InferenceServer.statistics`: the sums of those that serve the model."""
        answers = self.ask_each(lambda server: server.statistics(name))
        found = [answer for answer in answers.values() if not isinstance(answer, ServerError)]
        if not found:
            raise merged(_errors(answers), servers=len(answers))
        return summed(found)

    def close(self) -> None:
        """See `InferenceServer.close`."""
        for server in self.servers():
            server.close()


def _errors(answers: Mapping[str, object]) -> dict[str, ServerError]:
    return {url: answer for url, answer in answers.items() if isinstance(answer, ServerError)}
