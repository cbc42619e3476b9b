"""The flavors that are installed: this package's own and other people's, found alike.

A package that brings a flavor names it in its ``pyproject.toml``::

    [project.entry-points."mlflow_triton.flavors"]
    myflavor = "mypackage.myflavor:FLAVOR"
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from mlflow_triton.first_line import first_line
from mlflow_triton.flavors.packaging import Flavor
from triton_deploy_core.errors import InvalidRequestError

GROUP = "mlflow_triton.flavors"
"""The group of entry points that flavors are registered in."""

_OWN_DISTRIBUTION = "mlflow-triton"

_logger = logging.getLogger(__name__)


class BrokenFlavorError(InvalidRequestError):
    """What is registered as a flavor is none, or can't be imported."""


@dataclass(frozen=True, slots=True)
class Registry:
    """Flavors by name, each imported when it is asked for."""

    entries: Mapping[str, EntryPoint]

    @classmethod
    def installed(cls) -> Registry:
        """Return the flavors of all packages that are installed."""
        return cls.of(entry_points(group=GROUP))

    @classmethod
    def of(cls, found: Iterable[EntryPoint]) -> Registry:
        """Return a registry of entry points.

        Of several with one name this package's own counts, else that of the package whose name
        comes first; a warning names those that do not.
        """
        entries: dict[str, EntryPoint] = {}
        for entry in sorted(found, key=_precedence):
            first = entries.setdefault(entry.name, entry)
            if first.value != entry.value:
                _logger.warning(
                    "flavor %s of %s is not used: %s has one of that name",
                    entry.name,
                    _provider(entry),
                    _provider(first),
                )
        return cls(MappingProxyType(dict(sorted(entries.items()))))

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, sorted."""
        return tuple(self.entries)

    def load(self, name: str) -> Flavor:
        """Import a flavor.

        Raises:
            InvalidRequestError: there is none of that name.
            BrokenFlavorError: it can't be imported, or is no `Flavor`.
        """
        entry = self.entries.get(name)
        if entry is None:
            raise InvalidRequestError(
                f"Flavor {name!r} is not supported. Use one of: {', '.join(self.names)}."
            )
        try:
            flavor = entry.load()
        except Exception as error:  # of whatever that package does when it is imported
            reason = first_line(error)
            raise BrokenFlavorError(_broken(entry, reason)) from error
        if not isinstance(flavor, Flavor):
            raise BrokenFlavorError(_broken(entry, f"{entry.value} is not a Flavor"))
        return flavor

    def usable(self) -> Iterator[tuple[str, Flavor]]:
        """Yield every flavor that can be imported; a warning names each that can't."""
        for name in self.names:
            try:
                yield name, self.load(name)
            except BrokenFlavorError as error:  # noqa: PERF203
                _logger.warning("%s", error)


def _precedence(entry: EntryPoint) -> tuple[bool, str, str]:
    provider = _provider(entry)
    return provider != _OWN_DISTRIBUTION, provider, entry.value


def _provider(entry: EntryPoint) -> str:
    return str(entry.dist.name) if entry.dist is not None else f"package {entry.module}"


def _broken(entry: EntryPoint, reason: str) -> str:
    provider = _provider(entry)
    return (
        f"Flavor {entry.name!r} of {provider} can't be used: {reason}. "
        f"Update {provider}, or uninstall it."
    )
