"""What an adapter for one server answers where a fleet has more to say."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from triton_deploy_core.errors import ServerError
from triton_deploy_core.server_names import matches, names_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from triton_deploy_core.ports.server import InferenceServer

_T = TypeVar("_T")


class SingleServer:
    """Base of an `InferenceServer` that stands for itself alone."""

    def servers(self: InferenceServer) -> Sequence[InferenceServer]:
        """See `InferenceServer.servers`."""
        return (self,)

    def matching(self: InferenceServer, patterns: Iterable[str]) -> frozenset[str]:
        """See `InferenceServer.matching`."""
        return frozenset({self.url} if matches(names_of(self.url), patterns) else ())

    def part(self: InferenceServer, urls: Collection[str]) -> InferenceServer | None:
        """See `InferenceServer.part`."""
        return self if self.url in urls else None

    def ask_each(
        self: InferenceServer, question: Callable[[InferenceServer], _T]
    ) -> Mapping[str, _T | ServerError]:
        """See `InferenceServer.ask_each`."""
        try:
            return {self.url: question(self)}
        except ServerError as error:
            return {self.url: error}

    def on_each(self: InferenceServer, act: Callable[[InferenceServer], None]) -> InferenceServer:
        """See `InferenceServer.on_each`."""
        act(self)
        return self

    def roll_out(
        self: InferenceServer,
        act: Callable[[InferenceServer], None],
        *,
        settle: Callable[[InferenceServer], None],
    ) -> InferenceServer:
        """See `InferenceServer.roll_out`."""
        del settle  # nobody waits for it
        act(self)
        return self

    def left_behind(self) -> Mapping[str, str]:
        """See `InferenceServer.left_behind`."""
        return {}
