"""What a round of a `Reconciler` found and did."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from triton_deploy_core.repairing import Outcome, Repair


class Loss(Enum):
    """What a server lost of what it served at the end of the last round."""

    NONE = "none"
    SOME = "some"
    ALL = "all"
    """It was restarted, most likely."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round found and did.

    Attributes:
        reports: by name; names that are not for this server are left out.
        unserved: names with a record of which the server serves no version at all.
        is_ready: what the server's ``/v2/health/ready`` said at the end.
        healed: names whose failed versions do not keep it unready any more.
        seconds: how long it took.
    """

    reports: tuple[Repair, ...]
    unserved: frozenset[str]
    is_ready: bool
    healed: tuple[str, ...]
    seconds: float

    @property
    def is_settled(self) -> bool:
        """Whether the server now serves what the records say, of every name."""
        return self.count(Outcome.FINE) + self.count(Outcome.REPAIRED) == len(self.reports)

    def count(self, outcome: Outcome) -> int:
        """Return how many names ended like that."""
        return sum(report.outcome is outcome for report in self.reports)
