"""A state machine that holds a store against a plain dict after each step.

Bind it in two lines; pytest runs what is left::

    TestMyStore = store_machine(make_harness).TestCase

Requires the extra ``testing``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from triton_deploy_core.errors import BlobNotFoundError, PreconditionFailedError
from triton_deploy_core.keys import enclosing, is_marker
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import Content, IfAbsent, IfUnchanged, StoredBlob, Transfer
from triton_deploy_core.testing.store_harness import StoreHarness, visible
from triton_deploy_core.testing.strategies import blocked

_FILES = (
    "iris/config.pbtxt",
    "iris/1/model.onnx",
    "iris/1/data/weights",
    "iris/2/model.onnx",
    "iris2/1/model.onnx",
    "iris2/mlflow-meta.json",
    "iris.old/f",
    ".iris.lease",
    ".hidden/x",
    "iris/1.txt",
)
_MARKERS = ("iris/1/", "iris/2/", "iris/3/", "iris2/1/", "bare/")
_PREFIXES = ("", "iris", "iris/", "iris/1", "iris/1/", "iris2/", ".", ".iris.lease", "no")

_files = st.sampled_from(_FILES)
_data = st.sampled_from([b"", b"a", b"b", b"longer"])


class StoreMachine(RuleBasedStateMachine):
    """The rules. `make_harness` gives each run its own empty repository."""

    make_harness: ClassVar[Callable[[], StoreHarness]]

    def __init__(self) -> None:
        super().__init__()
        self.harness = type(self).make_harness()
        self.store = self.harness.store
        self.model: dict[str, bytes] = {}
        self.stale: dict[str, str] = {}

    def teardown(self) -> None:
        """Remove the repository."""
        self.harness.close()

    @rule(key=_files, data=_data)
    def write(self, key: str, data: bytes) -> None:
        """Write whatever is there."""
        tag = self.store.write(key, data)
        self._put(key, data)
        assert self.store.read(key).etag == tag

    @rule(key=_files, data=_data)
    def write_if_absent(self, key: str, data: bytes) -> None:
        """Write only where nothing is."""
        try:
            self.store.write(key, data, condition=IfAbsent())
        except PreconditionFailedError:
            assert key in self.model
        else:
            assert key not in self.model
            self._put(key, data)

    @precondition(lambda self: self.stale)
    @rule(choice=st.data(), data=_data)
    def write_if_unchanged(self, choice: st.DataObject, data: bytes) -> None:
        """Write over what was read at some time before."""
        key = choice.draw(st.sampled_from(sorted(self.stale)))
        unchanged = key in self.model and self.store.read(key).etag == self.stale[key]
        try:
            self.stale[key] = self.store.write(key, data, condition=IfUnchanged(self.stale[key]))
        except PreconditionFailedError:
            assert not unchanged
        else:
            assert unchanged
            self._put(key, data)

    @rule(key=_files)
    def read(self, key: str) -> None:
        """Read, and remember the tag."""
        try:
            found = self.store.read(key)
        except BlobNotFoundError:
            assert key not in self.model
        else:
            assert found.data == self.model[key]
            self.stale[key] = found.etag

    @rule(files=st.dictionaries(_files, _data, max_size=4))
    def transfer(self, files: dict[str, bytes]) -> None:
        """Put several files."""
        transfers = [Transfer(key, Content(data)) for key, data in files.items()]
        self.store.transfer(transfers, NoProgress())
        for key, data in files.items():
            self._put(key, data)

    @rule(source=_files, copied=_files)
    def copy(self, source: str, copied: str) -> None:
        """Copy a file within the repository."""
        if source in self.model:
            blob = StoredBlob(source, len(self.model[source]))
            self.store.transfer([Transfer(copied, blob)], NoProgress())
            self._put(copied, self.model[source])

    @rule(marker=st.sampled_from(_MARKERS))
    def make_directory(self, marker: str) -> None:
        """Put a directory marker."""
        self.store.transfer([Transfer(marker, Content(b""))], NoProgress())
        self._put(marker, b"")

    @rule(keys=st.lists(st.sampled_from(_FILES + _MARKERS), max_size=4))
    def delete(self, keys: list[str]) -> None:
        """Delete some keys, there or not."""
        self._delete(keys)

    @rule(prefix=st.sampled_from(["iris/", "iris2/", "iris/1/"]))
    def delete_directory(self, prefix: str) -> None:
        """Delete all that is listed in a directory."""
        self._delete([blob.key for blob in self.store.list(prefix)])
        assert not [key for key in self.model if key.startswith(prefix)]

    @rule(key=_files, data=_data)
    def somebody_else_writes(self, key: str, data: bytes) -> None:
        """Write around the adapter."""
        # Of the same size at the same time it is beyond what a file system can tell.
        self.harness.raw_write(key, data)
        self._put(key, data)
        self.stale.pop(key, None)

    @rule(prefix=st.sampled_from(_PREFIXES))
    def list_prefix(self, prefix: str) -> None:
        """List a part."""
        found = {blob.key: blob.size for blob in self.store.list(prefix)}
        expected = {key: len(data) for key, data in self.model.items() if key.startswith(prefix)}
        assert {key: size for key, size in found.items() if key in expected} == expected
        assert all(is_marker(key) for key in found.keys() - expected.keys())
        assert list(found) == sorted(found)

    @invariant()
    def the_repository_is_the_model(self) -> None:
        """Nothing is there but what the model has, byte for byte."""
        assert visible(self.harness.raw_snapshot()) == self.model
        assert set(self.store.directories()) == {
            key.partition("/")[0] for key in self.model if "/" in key
        }

    def _put(self, key: str, data: bytes) -> None:
        if not blocked(key, self.model) or not is_marker(key):
            self.model[key] = data
        self.model = visible(self.model)

    def _delete(self, keys: list[str]) -> None:
        # On an object store a directory's marker outlives files in it, on a file system it
        # does not: whoever deletes a file and means it deletes the marker too.
        markers = [directory for key in keys for directory in enclosing(key)]
        self.store.delete([*keys, *markers])
        for key in [*keys, *markers]:
            self.model.pop(key, None)


def store_machine(make_harness: Callable[[], StoreHarness]) -> type[StoreMachine]:
    """Return the machine for a kind of store.

    Args:
        make_harness: makes a harness around an empty repository.
    """
    members = {"make_harness": staticmethod(make_harness)}
    return type("BoundStoreMachine", (StoreMachine,), members)
