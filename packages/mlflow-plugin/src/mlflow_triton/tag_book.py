"""One deployment's entries in the tags of one MLflow: found, written, removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from mlflow_triton.source_uri import ModelRef, RegisteredModelRef
from mlflow_triton.tag_carriers import (
    Carrier,
    permanent_carrier,
    possible_carriers,
    tagged_versions,
)
from mlflow_triton.tag_entries import TagEntry, has_entry, with_entry, without_entry

_MISSING = "RESOURCE_DOES_NOT_EXIST"


@contextmanager
def _missing_or_not() -> Iterator[None]:
    """Let go by that something was deleted: it has no tags."""
    try:
        yield
    except MlflowException as error:
        if error.error_code != _MISSING:
            raise


@dataclass(frozen=True, slots=True)
class TagBook:
    """Reads and writes a deployment's entries. Methods raise whatever MLflow raises.

    Attributes:
        client: whom to ask.
        key: the tags' key.
        place: marks the entries that are the deployment's; others are kept.
        before_write: called before each write; may raise to prevent it.
    """

    client: MlflowClient
    key: str
    place: str
    before_write: Callable[[], None]

    def write(self, entry: TagEntry, carrier: Carrier | None, before: ModelRef | None) -> None:
        """Have just the one carrier have the entry.

        Args:
            entry: what to write.
            carrier: where to; None: nowhere.
            before: the model whose deployment others may have entries of.
        """
        if carrier is not None:
            value = with_entry(carrier.tags(self.client).get(self.key, ""), entry)
            self._set(carrier, value)
        self.remove(before, keep=carrier)

    def write_again(self, entry: TagEntry, ref: ModelRef) -> None:
        """Bring the entry of what has been deployed for long up to date."""
        carrier = permanent_carrier(ref)
        if carrier is None:
            found = [carrier for carrier, _ in self._entries(ref)]
            carrier = found[0] if len(found) == 1 else None
        # An alias may stand for another version by now: better no tag than a wrong one.
        if carrier is not None:
            self.write(entry, carrier, ref)

    def remove(self, before: ModelRef | None, *, keep: Carrier | None = None) -> None:
        """Remove every entry but one carrier's."""
        for carrier, value in list(self._entries(before)):
            if carrier != keep:
                self._set(carrier, without_entry(value, self.place))

    def _set(self, carrier: Carrier, value: str) -> None:
        self.before_write()
        if value:
            carrier.set(self.client, self.key, value)
        else:
            carrier.delete(self.client, self.key)

    def _entries(self, before: ModelRef | None) -> Iterator[tuple[Carrier, str]]:
        """Yield what has an entry, as far as it can be found, and the whole value there."""
        found: dict[Carrier, Mapping[str, str]] = {}
        with _missing_or_not():
            for carrier in possible_carriers(self.client, before):
                with _missing_or_not():
                    found[carrier] = carrier.tags(self.client)
        try:
            found.update(tagged_versions(self.client, self.key))
        except MlflowException:
            # Not every registry can search by tags. Only what an alias stood for can't do without.
            if isinstance(before, RegisteredModelRef) and before.version is None:
                raise
        for carrier, tags in found.items():
            value = tags.get(self.key, "")
            if has_entry(value, self.place):
                yield carrier, value
