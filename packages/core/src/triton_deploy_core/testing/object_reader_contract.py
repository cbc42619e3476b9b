"""The contract of `ObjectReader`, as a suite that every adapter binds.

An adapter gives an `ObjectHarness` and inherits the laws. Requires the extra ``testing``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import pytest

from triton_deploy_core.errors import ModelSourceError
from triton_deploy_core.ports.objects import ObjectReader
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import BlobStore, StoredObject, Transfer

_NAMES = ("MLmodel", "data/1/weights.bin", "with space %25/é")


class ObjectHarness(Protocol):
    """An empty place in the service that holds a repository, made for one test."""

    @property
    def reader(self) -> ObjectReader:
        """What is tested."""
        ...

    @property
    def store(self) -> BlobStore:
        """The repository that it belongs to."""
        ...

    @property
    def uri(self) -> str:
        """The place: a bucket outside of the repository."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Write an object below the place, around the adapter."""
        ...

    def remove(self, name: str) -> None:
        """Delete an object below the place, around the adapter."""
        ...

    def close(self) -> None:
        """Remove the place."""
        ...


class ObjectReaderContract:
    """Everything that the docstrings of `triton_deploy_core.ports.objects` promise."""

    def make_harness(self) -> ObjectHarness:
        """Return an empty place. Adapters say how."""
        raise NotImplementedError

    @pytest.fixture
    def place(self) -> Iterator[ObjectHarness]:
        """A place for one test."""
        harness = self.make_harness()
        yield harness
        harness.close()

    def test_all_below_a_directory_is_listed_and_nothing_beside_it(
        self, place: ObjectHarness
    ) -> None:
        """`list`: a trailing slash changes nothing; a directory of a longer name is another one."""
        for name in _NAMES:
            place.put(f"model/{name}", name.encode())
        for name in ("model/", "model/data/", "model2/MLmodel", "modelx", "x/model/MLmodel"):
            place.put(name, b"")
        for uri in (f"{place.uri}/model", f"{place.uri}/model/"):
            found = place.reader.list(uri)
            assert {path: entry.size for path, entry in found.items()} == {
                name: len(name.encode()) for name in _NAMES
            }
        assert {entry.uri for entry in found.values()} == {
            f"{place.uri}/model/{name}" for name in _NAMES
        }

    def test_where_nothing_is_nothing_is_listed(self, place: ObjectHarness) -> None:
        """`list`: a directory that does not exist is empty."""
        assert place.reader.list(f"{place.uri}/model") == {}

    def test_a_tag_is_another_one_when_the_content_is(self, place: ObjectHarness) -> None:
        """`list`: tags tell contents apart."""
        place.put("model/x", b"1")
        first = place.reader.list(f"{place.uri}/model")
        assert first == place.reader.list(f"{place.uri}/model")
        assert first["x"].etag
        place.put("model/x", b"2")
        assert place.reader.list(f"{place.uri}/model")["x"].etag != first["x"].etag

    def test_parts_are_what_the_object_has_there(self, place: ObjectHarness) -> None:
        """`read`: any offset, any length."""
        place.put("model/x", b"0123456789")
        found = place.reader.list(f"{place.uri}/model")["x"]
        for offset, length in ((0, 10), (0, 1), (3, 4), (8, 100), (10, 1), (5, 0)):
            expected = b"0123456789"[offset : offset + length]
            assert place.reader.read(found, offset, length) == expected

    def test_an_empty_object_is_read(self, place: ObjectHarness) -> None:
        """`read`: no range fits an empty object, which is no error."""
        place.put("model/x", b"")
        assert place.reader.read(place.reader.list(f"{place.uri}/model")["x"], 0, 10) == b""

    def test_what_is_listed_can_be_copied(self, place: ObjectHarness) -> None:
        """What `list` returns are sources for `BlobStore.transfer`."""
        for name in _NAMES:
            place.put(f"model/{name}", name.encode())
        found = place.reader.list(f"{place.uri}/model")
        copies = {f"iris/1/{number}": entry for number, entry in enumerate(found.values())}
        place.store.transfer([Transfer(key, copies[key]) for key in copies], NoProgress())
        for key, entry in copies.items():
            assert place.store.read(key).data == place.reader.read(entry, 0, entry.size)

    def test_what_is_another_by_now_is_neither_read_nor_copied(self, place: ObjectHarness) -> None:
        """A tag is a promise about the content."""
        place.put("model/x", b"1")
        found = place.reader.list(f"{place.uri}/model")["x"]
        place.put("model/x", b"2")
        self._is_refused(place, found)
        place.remove("model/x")
        self._is_refused(place, found)

    def _is_refused(self, place: ObjectHarness, found: StoredObject) -> None:
        with pytest.raises(ModelSourceError, match="model/x"):
            place.reader.read(found, 0, 1)
        with pytest.raises(ModelSourceError, match="model/x"):
            place.store.transfer([Transfer("iris/1/x", found)], NoProgress())

    def test_what_the_service_holds_is_reached(self, place: ObjectHarness) -> None:
        """`reaches`: the service's own URIs."""
        assert place.reader.reaches(f"{place.uri}/model", None)

    @pytest.mark.parametrize("uri", ["file:///model", "ftp://host/model", "/model", ""])
    def test_what_another_service_holds_is_not(self, place: ObjectHarness, uri: str) -> None:
        """`reaches`: nothing else."""
        assert not place.reader.reaches(uri, None)
