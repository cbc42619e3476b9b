"""The steps of one create or update, as values: what planning returns and `files` carries out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from triton_deploy_core.policy import policy_of
from triton_deploy_core.ports.config_format import ConfigFormat, Specific
from triton_deploy_core.ports.store import Source
from triton_deploy_core.snapshot import Snapshot
from triton_deploy_core.stand_in import StandIn


@dataclass(frozen=True, slots=True)
class Commit:
    """The configuration whose write makes the new files the ones that are served.

    Attributes:
        config: it; None for a model without one.
        settled: the configuration as its user wrote it. It differs from `config` where it would
            also show what goes only later.
    """

    config: bytes | None
    settled: bytes | None

    @property
    def settles(self) -> bool:
        """Whether the settled configuration is still to be written after the commit."""
        return self.config != self.settled

    @classmethod
    def of(
        cls,
        settled: bytes | None,
        *,
        serves: frozenset[int],
        present: frozenset[int],
        configs: ConfigFormat,
    ) -> Commit:
        """Return how a configuration comes into force that is to serve some versions.

        Args:
            settled: as its user wrote it.
            serves: the versions.
            present: all that there are at the commit.
            configs: reads and rewrites configurations.
        """
        if policy_of(settled, configs).visible(present) == serves:
            return cls(settled, settled)
        return cls(configs.with_version_policy(settled or b"", Specific(serves)), settled)


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of one create or update. Paths are inside the model's directory.

    Attributes:
        contents: path → source of all that the package brings, whether it is held already or not.
        files: path → source of all that is transferred before the commit.
        removed: paths that have to be gone before the load; among them all that is in the way of
            `files`.
        hiding: a configuration under which just what serves now is visible, whatever comes
            beside it, to be written first; None where the one in force does that.
        commit: the configuration whose write is the commit.
        serves: the versions that serve once the load is over.
        garbage: paths to delete once the new version serves; among them copied versions.
        stand_in: copies that serve, to whoever starts a server, while `files` and `removed` are
            under way; None where no file that is in use changes in its place.
    """

    contents: Mapping[str, Source]
    files: Mapping[str, Source]
    removed: frozenset[str]
    hiding: bytes | None
    commit: Commit
    serves: frozenset[int]
    garbage: frozenset[str]
    stand_in: StandIn | None

    def changes(self, now: Snapshot) -> bool:
        """Whether anything is to be done to what there is."""
        return bool(
            self.files
            or self.removed
            or self.garbage
            or self.commit.settles
            or self.commit.config != now.config
        )
