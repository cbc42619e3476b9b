"""The write that makes new files the ones that are served."""

from __future__ import annotations

from dataclasses import dataclass

from triton_deploy_core.policy import policy_of
from triton_deploy_core.ports.config_format import ConfigFormat, Specific


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
        arriving: frozenset[int],
        configs: ConfigFormat,
    ) -> Commit:
        """Return how a configuration comes into force that is to serve some versions.

        Args:
            settled: as its user wrote it.
            serves: the versions.
            present: all that there are at the commit.
            arriving: see `Fence.arriving`.
            configs: reads and rewrites configurations.
        """
        policy = policy_of(settled, configs)
        if policy.visible(present | arriving) == serves:
            return cls(settled, settled)
        pinned = configs.with_version_policy(settled or b"", Specific(serves))
        shows_late = policy.visible(serves | arriving) != policy.visible(serves)
        return cls(pinned, pinned if shows_late else settled)
