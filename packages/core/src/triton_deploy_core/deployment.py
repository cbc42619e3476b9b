"""What there is to know of a deployment: its record, and what the server says of it now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from triton_deploy_core.ports.server import IndexEntry, ModelState
from triton_deploy_core.records import Record


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment as it stands.

    Attributes:
        record: what the repository remembers.
        versions: Triton's versions that serve now, ascending.
        state: READY where any version serves, else what the server says of the newest.
        version: the version that `state` is about; None where the server knows none.
        reason: the server's own words about a state other than READY.
    """

    record: Record
    versions: tuple[int, ...]
    state: ModelState
    version: int | None
    reason: str = ""

    @property
    def name(self) -> str:
        """The deployment's name."""
        return str(self.record.name)

    @classmethod
    def ready(cls, record: Record, versions: Iterable[int]) -> Deployment:
        """Describe a deployment of which versions serve."""
        ascending = tuple(sorted(versions))
        return cls(record, ascending, ModelState.READY, ascending[-1])

    @classmethod
    def not_ready(cls, record: Record, index: Iterable[IndexEntry]) -> Deployment:
        """Describe a deployment that does not serve, by the server's index."""
        rows = [row for row in index if row.name == str(record.name)]
        if not rows:
            reason = "the server does not see it in its repository"
            return cls(record, (), ModelState.UNKNOWN, None, reason)
        newest = max(rows, key=lambda row: row.version or 0)
        reason = newest.reason
        if newest.state is ModelState.UNKNOWN and not reason:
            reason = "not loaded since the server started: update it, which loads it again"
        return cls(record, (), newest.state, newest.version, reason)
