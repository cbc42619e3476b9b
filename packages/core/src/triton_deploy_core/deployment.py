"""What there is to know of a deployment: its record, and what the server says of it now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from triton_deploy_core.differences import Difference, Kind
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.ports.server import IndexEntry, ModelState
from triton_deploy_core.records import Record


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment as it stands.

    Attributes:
        record: what the repository remembers; no more than the name where that can't be read.
        versions: Triton's versions that serve now, ascending.
        state: READY where any version serves, else what the server says of the newest.
        version: the version that `state` is about; None where the server knows none.
        reason: the server's own words about a state other than READY.
        differences: what does not agree, as far as was looked for.
    """

    record: Record
    versions: tuple[int, ...]
    state: ModelState
    version: int | None
    reason: str = ""
    differences: tuple[Difference, ...] = ()

    @property
    def name(self) -> str:
        """The deployment's name."""
        return str(self.record.name)

    @property
    def is_repairable(self) -> bool:
        """Whether `DeploymentService.repair` can do something about its differences."""
        return any(difference.is_repairable for difference in self.differences)

    def with_differences(self, differences: Iterable[Difference]) -> Deployment:
        """Return the same with what does not agree about it."""
        return replace(self, differences=tuple(differences))

    @classmethod
    def of(cls, record: Record, versions: Iterable[int], index: Iterable[IndexEntry]) -> Deployment:
        """Describe a deployment; the index is not looked at where versions of it serve."""
        ready = frozenset(versions)
        return cls.ready(record, ready) if ready else cls.not_ready(record, index)

    @classmethod
    def damaged(
        cls,
        name: DeploymentName,
        error: Exception,
        versions: Iterable[int],
        index: Iterable[IndexEntry],
    ) -> Deployment:
        """Describe a deployment whose record can't be read, for the reason that `error` says."""
        difference = Difference(Kind.RECORD, str(error).rstrip("."))
        return cls.of(Record(name, "", "", ""), versions, index).with_differences([difference])

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
            reason = "not loaded since the server started: repair it, which loads it"
        return cls(record, (), newest.state, newest.version, reason)
