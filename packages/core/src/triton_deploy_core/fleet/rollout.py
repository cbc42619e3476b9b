"""How an operation goes through a fleet: how many servers at a time, and how many must answer."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import Enum

from triton_deploy_core.errors import InvalidSettingError

DEFAULT_PARALLELISM = 128
_NUMBER = re.compile(r"[0-9]+", re.ASCII)
_SHARE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%", re.ASCII)


class Strategy(Enum):
    """Which servers load at a time."""

    ALL = "all"
    """All of them, as far as the bound on how many at a time allows."""

    ROLLING = "rolling"
    """A group after another, each when the one before it serves."""


@dataclass(frozen=True, slots=True)
class Parallelism:
    """How many servers at a time: so many, or a share of the fleet; at least one.

    Attributes:
        count: so many; None where a share is given.
        share: above 0, at most 1.
    """

    count: int | None = None
    share: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Parallelism:
        """Read ``16`` or ``25%``.

        Raises:
            InvalidSettingError: neither a number above 0 nor a share up to 100%.
        """
        text = text.strip()
        share = _SHARE.fullmatch(text)
        if share and 0 < float(share[1]) <= 100:  # noqa: PLR2004 (per cent)
            return cls(share=float(share[1]) / 100)
        if _NUMBER.fullmatch(text) and int(text) > 0:
            return cls(count=int(text))
        raise InvalidSettingError(
            f"parallelism={text!r}: give how many servers at a time, such as 16, or a share of "
            "them, such as 25%."
        )

    def of(self, servers: int) -> int:
        """Return how many of so many servers that is, at least one; a share is rounded up."""
        if self.count is not None:
            return self.count
        return max(1, math.ceil(self.share * servers))


@dataclass(frozen=True, slots=True)
class Rollout:
    """How an operation goes through a fleet.

    Attributes:
        strategy: which servers load at a time.
        parallelism: how many; None: 128 for `Strategy.ALL`, 1 for `Strategy.ROLLING`.
        quorum: an operation goes on without servers that do not answer as long as so many do;
            None: all must answer.
    """

    strategy: Strategy = Strategy.ALL
    parallelism: Parallelism | None = None
    quorum: int | None = None

    def __post_init__(self) -> None:
        if self.quorum is not None and self.quorum < 1:
            raise InvalidSettingError(
                f"quorum={self.quorum}: at least one server has to answer. Give 1 or more."
            )

    @property
    def rolls(self) -> bool:
        """Whether servers take turns."""
        return self.strategy is Strategy.ROLLING

    def at_once(self, servers: int) -> int:
        """Return how many of so many servers are asked at a time, where they take no turns."""
        if self.rolls or self.parallelism is None:
            return DEFAULT_PARALLELISM
        return self.parallelism.of(servers)

    def group(self, servers: int) -> int:
        """Return how many of so many servers load at a time, where they take turns."""
        return 1 if self.parallelism is None else self.parallelism.of(servers)

    def must_answer(self, servers: int) -> int:
        """Return how many of so many servers have to answer."""
        return servers if self.quorum is None else min(self.quorum, servers)
