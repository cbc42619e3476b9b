"""The port to Triton's model configuration, as far as the core has to understand it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class Latest:
    """Serve the `count` highest version numbers, none for zero. Triton's default is one."""

    count: int = 1

    def visible(self, versions: Iterable[int]) -> frozenset[int]:
        """Return which of the versions that exist are served."""
        return frozenset(sorted(versions, reverse=True)[: self.count])


@dataclass(frozen=True, slots=True)
class AllVersions:
    """Serve every version."""

    def visible(self, versions: Iterable[int]) -> frozenset[int]:
        """Return which of the versions that exist are served."""
        return frozenset(versions)


@dataclass(frozen=True, slots=True)
class Specific:
    """Serve just these versions, those of them that exist."""

    versions: frozenset[int]

    def visible(self, versions: Iterable[int]) -> frozenset[int]:
        """Return which of the versions that exist are served."""
        return self.versions.intersection(versions)


VersionPolicy: TypeAlias = Latest | AllVersions | Specific


class ConfigFormat(Protocol):
    """Reads and rewrites ``config.pbtxt``. Pure: no file is touched."""

    def version_policy(self, config: bytes) -> VersionPolicy:
        """Return the policy in force under this configuration, ``Latest(1)`` if it names none.

        Raises:
            InvalidPackageError: Triton could not parse the configuration.
        """
        ...

    def label_files(self, config: bytes) -> frozenset[str]:
        """Return every ``label_filename`` of an output: paths inside the model's directory.

        Raises:
            InvalidPackageError: Triton could not parse the configuration.
        """
        ...

    def with_label_files(self, config: bytes, renamed: Mapping[str, str]) -> bytes:
        """Return the configuration with other label files, else meaning the same.

        Args:
            config: the configuration.
            renamed: ``label_filename`` as it is → as it is to be.

        Raises:
            InvalidPackageError: Triton could not parse the configuration.
        """
        ...

    def with_version_policy(self, config: bytes, policy: VersionPolicy) -> bytes:
        """Return the configuration with another version policy, else meaning the same.

        Raises:
            InvalidPackageError: Triton could not parse the configuration.
        """
        ...
