"""Configurations for kinds of hardware: ``configs/<name>.pbtxt``.

A Triton that was started with ``--model-config-name <name>`` reads that file in place of
``config.pbtxt``, which then counts for nothing, and ``config.pbtxt`` where there is no such file
(seen on Triton 2.51). So each of these files is a commit of its own for the servers that read it:
it comes after ``config.pbtxt``, when all that it names is there; and where what it shows is about
to change, it goes before anything does, and those servers fall back to ``config.pbtxt``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from triton_deploy_core import layout
from triton_deploy_core.commit import Commit
from triton_deploy_core.policy import policy_of
from triton_deploy_core.ports.config_format import ConfigFormat
from triton_deploy_core.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class NamedConfigs:
    """How the configurations of a package come into force. Paths are inside the model's directory.

    Attributes:
        commits: path → how that one does.
        removed: those that there are and that the package has not.
        early: those that go before any other file changes.
    """

    commits: Mapping[str, Commit] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()
    early: frozenset[str] = frozenset()

    @property
    def settled(self) -> dict[str, bytes]:
        """Those that are still to be written after the commit, as their user wrote them."""
        return {
            path: commit.settled
            for path, commit in self.commits.items()
            if commit.settles and commit.settled is not None
        }

    def changes(self, now: Snapshot) -> bool:
        """Whether anything is to be done to what there is."""
        coming = {path: commit.config for path, commit in self.commits.items()}
        return bool(self.settled) or coming != dict(now.named)

    @classmethod
    def of(
        cls,
        package: Mapping[str, bytes],
        now: Snapshot,
        *,
        coming: frozenset[int],
        copied: frozenset[int],
        later: frozenset[int],
        changing: Collection[str],
        configs: ConfigFormat,
    ) -> NamedConfigs:
        """Decide about the configurations of a package.

        Args:
            package: path → content.
            now: what there is.
            coming: the versions that the package brings.
            copied: versions that copies take until the commit.
            later: versions that go only after the commit.
            changing: paths that are written or removed before it.
            configs: reads configurations.
        """
        present = now.versions | coming | copied

        def is_in_use(path: str, shown: frozenset[int]) -> bool:
            version = layout.version_of(path)
            return path in now.files if version is None else version in shown

        def is_disturbed(config: bytes) -> bool:
            policy = policy_of(config, configs)
            shown = policy.visible(now.versions)
            if policy.visible(present) != shown:
                return True
            return any(is_in_use(path, shown) for path in changing)

        return cls(
            commits={
                path: Commit.of(
                    config,
                    serves=policy_of(config, configs).visible(coming),
                    present=coming | later | copied,
                    arriving=now.fence.arriving - coming,
                    configs=configs,
                )
                for path, config in package.items()
            },
            removed=frozenset(now.named.keys() - package.keys()),
            # All or none: which of them a server reads, nobody knows.
            early=frozenset(now.named if any(map(is_disturbed, now.named.values())) else ()),
        )
