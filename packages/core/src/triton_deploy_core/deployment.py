"""What there is to know of a deployment: its record, and what the server says of it now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from triton_deploy_core.differences import Difference, Kind
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.ports.server import IndexEntry, ModelState
from triton_deploy_core.records import Record


@dataclass(frozen=True, slots=True)
class OnServer:
    """What one server says of a deployment.

    Attributes:
        versions: those that serve there, ascending.
        state: READY where any version serves, else what the server says of the newest; None where
            it does not answer.
        version: the version that `state` is about; None where the server knows none.
        reason: the server's own words about a state other than READY, or why it does not answer.
    """

    versions: tuple[int, ...]
    state: ModelState | None
    version: int | None
    reason: str = ""

    @classmethod
    def of(
        cls, name: DeploymentName, versions: Iterable[int], index: Iterable[IndexEntry]
    ) -> OnServer:
        """Tell what a server says; the index is not looked at where versions serve."""
        ascending = tuple(sorted(versions))
        if ascending:
            return cls(ascending, ModelState.READY, ascending[-1])
        rows = [row for row in index if row.name == str(name)]
        if not rows:
            reason = "the server does not see it in its repository"
            return cls((), ModelState.UNKNOWN, None, reason)
        newest = max(rows, key=lambda row: row.version or 0)
        reason = newest.reason
        if newest.state is ModelState.UNKNOWN and not reason:
            reason = "not loaded since the server started: repair it, which loads it"
        return cls((), newest.state, newest.version, reason)

    @classmethod
    def silent(cls, error: Exception) -> OnServer:
        """Tell that a server does not answer."""
        return cls((), None, None, str(error))

    def __str__(self) -> str:
        if self.state is None:
            return f"does not answer: {self.reason}"
        number = ", ".join(map(str, self.versions)) or self.version
        what = self.state.value if number is None else f"{self.state.value} version {number}"
        return f"{what} ({self.reason})" if self.reason else what


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment as it stands.

    Attributes:
        record: what the repository remembers; no more than the name where that can't be read.
        versions: Triton's versions that serve now, ascending; of several servers that answer, those
            that serve on each.
        state: READY where any version serves on each server that answers, else what the server
            says of the newest.
        version: the version that `state` is about; None where the server knows none.
        reason: the server's own words about a state other than READY.
        differences: what does not agree, as far as was looked for.
        servers: URL → what that server says, where several do not say the same.
        parts: of an ensemble, as far as was looked: part → URI of the model that it is.
    """

    record: Record
    versions: tuple[int, ...]
    state: ModelState
    version: int | None
    reason: str = ""
    differences: tuple[Difference, ...] = ()
    servers: Mapping[str, OnServer] = field(default_factory=dict, hash=False)
    parts: Mapping[str, str] = field(default_factory=dict, hash=False)

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

    def with_parts(self, parts: Mapping[str, str]) -> Deployment:
        """Return the same with what its parts are."""
        return replace(self, parts=parts)

    @classmethod
    def of(cls, record: Record, servers: Mapping[str, OnServer]) -> Deployment:
        """Describe a deployment by what each server says, of which one at least answers."""
        answers = {url: one for url, one in servers.items() if one.state is not None}
        if not answers:
            return cls(record, (), ModelState.UNKNOWN, None, "it is for no server that answers")
        url, worst = min(answers.items(), key=lambda item: item[1].state is ModelState.READY)
        common = set.intersection(*(set(one.versions) for one in answers.values()))
        versions = tuple(sorted(common))
        agree = all(one == worst for one in servers.values())
        reason = worst.reason if agree or not worst.reason else f"{url}: {worst.reason}"
        return cls(
            record,
            versions,
            worst.state or ModelState.UNKNOWN,
            versions[-1] if versions else worst.version,
            reason,
            servers={} if agree else dict(servers),
        )

    @classmethod
    def damaged(
        cls, name: DeploymentName, error: Exception, servers: Mapping[str, OnServer]
    ) -> Deployment:
        """Describe a deployment whose record can't be read, for the reason that `error` says."""
        difference = Difference(Kind.RECORD, str(error).rstrip("."))
        return cls.of(Record(name, "", "", ""), servers).with_differences([difference])

    @classmethod
    def ready(cls, record: Record, versions: Iterable[int]) -> Deployment:
        """Describe a deployment of which versions serve."""
        ascending = tuple(sorted(versions))
        return cls(record, ascending, ModelState.READY, ascending[-1])

    @classmethod
    def not_ready(cls, record: Record, index: Iterable[IndexEntry]) -> Deployment:
        """Describe a deployment that does not serve on the one server there is, by its index."""
        return cls.of(record, {"": OnServer.of(record.name, (), index)})
