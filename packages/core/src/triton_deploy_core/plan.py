"""The steps of one create or update, as values: what planning returns and `files` carries out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from triton_deploy_core.commit import Commit
from triton_deploy_core.named_configs import NamedConfigs
from triton_deploy_core.ports.store import Source
from triton_deploy_core.snapshot import Snapshot
from triton_deploy_core.stand_in import StandIn


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
        named: those for kinds of hardware, which come after it.
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
    named: NamedConfigs
    serves: frozenset[int]
    garbage: frozenset[str]
    stand_in: StandIn | None

    @property
    def settles(self) -> bool:
        """Whether a configuration is still to be written after the commit."""
        return self.commit.settles or bool(self.named.settled)

    def changes(self, now: Snapshot) -> bool:
        """Whether anything is to be done to what there is."""
        return bool(
            self.files
            or self.removed
            or self.garbage
            or self.settles
            or self.commit.config != now.config
            or self.named.changes(now)
        )
