"""A model repository in memory, with a call log and faults: the fake behind tests and examples.

Supported API for whoever builds on the core. A test seeds it, runs, and looks at what is there::

    store = MemoryStore({"iris/config.pbtxt": b"…"})
    store.write("iris/1/model.onnx", b"…")
    assert store.snapshot() == {"iris/config.pbtxt": b"…", "iris/1/model.onnx": b"…"}
    assert store.calls == [StoreCall("write", ("iris/1/model.onnx",))]

`seed`, `snapshot` and `modified` go around the port: no fault, no entry in the log. Like a file
system it keeps no file where a directory is, and a directory marker only while nothing is in it.
`store_faults` has what crashes it on purpose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, unquote

from triton_deploy_core.clock import Clock, SystemClock
from triton_deploy_core.errors import (
    BlobNotFoundError,
    ModelSourceError,
    PreconditionFailedError,
    RepositoryNotFoundError,
)
from triton_deploy_core.guards import stale_writer
from triton_deploy_core.keys import check_file_key, check_key, check_transfer, is_marker
from triton_deploy_core.ports.progress import Progress
from triton_deploy_core.ports.store import (
    Blob,
    BlobContent,
    Capabilities,
    Condition,
    Content,
    Guard,
    IfAbsent,
    IfUnchanged,
    LocalFile,
    Source,
    StoredBlob,
    StoredObject,
    Transfer,
)
from triton_deploy_core.small_files import check_small
from triton_deploy_core.testing.memory_files import MemoryFiles
from triton_deploy_core.testing.store_faults import FaultHook, Moment, StoreCall

_SCHEME = "memory://"
_PIECE = 1 << 20


class MemoryStore:
    """A `BlobStore` in memory.

    Args:
        files: what is in it at first, as `seed` takes it.
        name: its location is ``memory://<name>``.
        clock: where modification times come from.
        faults: told of every moment of every call; may raise (see `store_faults`).
        remotes: other stores that ``memory://…`` URIs of `StoredObject` may name.
        is_object_store: tags and guards are those of an object store: a tag tells of the content
            alone, and a guard is read right before the change.
    """

    def __init__(
        self,
        files: Mapping[str, bytes] | None = None,
        *,
        name: str = "models",
        clock: Clock | None = None,
        faults: FaultHook | None = None,
        remotes: Iterable[MemoryStore] = (),
        is_object_store: bool = False,
    ) -> None:
        self.name = name
        self.faults = faults
        self._is_object_store = is_object_store
        self._files = MemoryFiles(clock or SystemClock(), tags_of_content=is_object_store)
        self._remotes = {remote.name: remote for remote in remotes}
        self._calls: list[StoreCall] = []
        self._moments = 0
        self.seed(files or {})

    @property
    def calls(self) -> list[StoreCall]:
        """All calls of the port so far, in their order."""
        with self._files.lock:
            return list(self._calls)

    def seed(self, files: Mapping[str, bytes]) -> None:
        """Put files and directory markers, around the port."""
        for key, data in files.items():
            check_key(key)
            self._files.put(key, data)

    def snapshot(self) -> dict[str, bytes]:
        """Return all that is there, directory markers included, around the port."""
        return {key: file.data for key, file in self._files.sorted()}

    def modified(self, prefix: str) -> float:
        """Return the newest modification time under a prefix (``iris/``), in seconds.

        Directories count, as on a file system: a file that was deleted changes its directory's
        time. 0.0 where nothing is.
        """
        return self._files.modified(prefix)

    def survivor(self) -> MemoryStore:
        """Return a store on the same files, without faults or log: what the next process sees."""
        other = MemoryStore(
            name=self.name,
            remotes=self._remotes.values(),
            is_object_store=self._is_object_store,
        )
        other._files = self._files
        return other

    def destroy(self) -> None:
        """Remove the repository itself: from now on every call says that there is none."""
        with self._files.lock:
            for key in self.snapshot():
                self._files.remove(key)
            self._files.exists = False

    def uri(self, key: str) -> str:
        """Return the URI by which a `StoredObject` names a file of this store."""
        return f"{self.location}/{quote(key)}"

    @property
    def location(self) -> str:
        """See `BlobStore.location`."""
        return _SCHEME + self.name

    @property
    def capabilities(self) -> Capabilities:
        """See `BlobStore.capabilities`."""
        return Capabilities(
            conditional_writes=True,
            copies_from=frozenset({"memory"}),
            tags_of_content=self._is_object_store,
            atomic_guards=not self._is_object_store,
        )

    def check(self) -> None:
        """See `BlobStore.check`."""
        call = self._begin("check")
        self._at(call, "", done=False)
        self._at(call, "", done=True)

    def directories(self) -> Iterator[str]:
        """See `BlobStore.directories`."""
        call = self._begin("directories")
        self._at(call, "", done=False)
        names = {key.partition("/")[0] for key, _ in self._files.sorted() if "/" in key}
        self._at(call, "", done=True)
        yield from names

    def list(self, prefix: str) -> Iterator[Blob]:
        """See `BlobStore.list`."""
        call = self._begin("list", prefix)
        self._at(call, prefix, done=False)
        for key, file in self._files.sorted():
            if key.startswith(prefix):
                yield Blob(key, len(file.data), file.etag)
        self._at(call, prefix, done=True)

    def read(self, key: str) -> BlobContent:
        """See `BlobStore.read`."""
        check_key(key)
        call = self._begin("read", key)
        self._at(call, key, done=False)
        file = None if is_marker(key) else self._files.get(key)
        if file is None:
            raise BlobNotFoundError(f"there is no file {key} in {self.location}")
        check_small(key, len(file.data), self.location)
        self._at(call, key, done=True)
        return BlobContent(file.data, file.etag)

    def age(self, key: str) -> float:
        """See `BlobStore.age`."""
        call = self._begin("age", key)
        self._at(call, key, done=False)
        age = None if is_marker(key) else self._files.age(key)
        if age is None:
            raise BlobNotFoundError(f"there is no file {key} in {self.location}")
        self._at(call, key, done=True)
        return age

    def write(
        self, key: str, data: bytes, *, condition: Condition = None, guard: Guard | None = None
    ) -> str:
        """See `BlobStore.write`."""
        check_file_key(key)
        is_staged = guard is not None and self._is_object_store
        if guard is not None and is_staged:
            self.write(guard.staging, data)
            self._require_guard(guard)
        call = self._begin("write", key)
        self._at(call, key, done=False)
        with self._files.lock:
            self._require(key, condition)
            if guard is not None and is_staged:
                if self._files.get(guard.staging) is None:
                    raise stale_writer(guard, self.location)
            else:
                self._require_guard(guard)
            etag = self._files.put(key, bytes(data))
        self._at(call, key, done=True)
        return etag

    def transfer(
        self, transfers: Sequence[Transfer], progress: Progress, *, guard: Guard | None = None
    ) -> None:
        """See `BlobStore.transfer`."""
        for item in transfers:
            check_transfer(item)
        call = self._begin("transfer", *(item.key for item in transfers))
        progress.total(sum(item.source.size for item in transfers))
        for item in transfers:
            self._require_guard(guard)
            self._at(call, item.key, done=False)
            data = self._bytes_of(item.source, progress.advance)
            with self._files.lock:
                self._require_guard(None if self._is_object_store else guard)
                self._files.put(item.key, data)
            self._at(call, item.key, done=True)

    def delete(
        self,
        keys: Iterable[str],
        *,
        guard: Guard | None = None,
        condition: IfUnchanged | None = None,
    ) -> None:
        """See `BlobStore.delete`."""
        doomed = list(keys)
        for key in doomed:
            check_key(key)
        call = self._begin("delete", *doomed)
        for key in doomed:
            self._require_guard(guard)
            self._at(call, key, done=False)
            with self._files.lock:
                self._require_guard(None if self._is_object_store else guard)
                self._require(key, condition)
                self._files.remove(key)
            self._at(call, key, done=True)

    def _require_guard(self, guard: Guard | None) -> None:
        file = None if guard is None else self._files.get(guard.key)
        if guard is not None and (file is None or not guard.holds(file.data)):
            raise stale_writer(guard, self.location)

    def _begin(self, method: str, *keys: str) -> StoreCall:
        call = StoreCall(method, keys)
        with self._files.lock:
            self._calls.append(call)
            exists = self._files.exists
        if not exists:
            raise RepositoryNotFoundError(f"there is no repository {self.location}: create it")
        return call

    def _at(self, call: StoreCall, key: str, *, done: bool) -> None:
        with self._files.lock:
            moment = Moment(self._moments, call, key, done)
            self._moments += 1
        if self.faults is not None:
            self.faults(moment)

    def _require(self, key: str, condition: Condition) -> None:
        file = self._files.get(key)
        if isinstance(condition, IfAbsent) and file is not None:
            raise PreconditionFailedError(f"{key} exists in {self.location} already")
        if isinstance(condition, IfUnchanged) and (file is None or file.etag != condition.etag):
            raise PreconditionFailedError(f"{key} in {self.location} was changed by somebody else")

    def _bytes_of(self, source: Source, advance: Callable[[int], None]) -> bytes:
        if isinstance(source, LocalFile):
            return _read_file(source.path, source.size, advance)
        data = source.data if isinstance(source, Content) else self._copied(source)
        if len(data) != source.size:
            raise ModelSourceError(
                f"{source} has {len(data)} bytes now: it changed, so start again"
            )
        advance(len(data))
        return data

    def _copied(self, source: StoredBlob | StoredObject) -> bytes:
        store, key = self, ""
        if isinstance(source, StoredBlob):
            key = source.key
        elif source.uri.startswith(_SCHEME):
            name, _, key = source.uri.removeprefix(_SCHEME).partition("/")
            store = {self.name: self, **self._remotes}.get(name, self)
            key = unquote(key) if store.name == name else ""
        data = store.snapshot().get(key)
        if data is None:
            raise ModelSourceError(f"cannot copy {source}: there is no such object")
        return data


def _read_file(path: Path, size: int, advance: Callable[[int], None]) -> bytes:
    pieces: list[bytes] = []
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                pieces.append(piece)
                advance(len(piece))
    except OSError as error:
        raise ModelSourceError(f"cannot read {path}: {error.strerror or error}") from error
    data = b"".join(pieces)
    if len(data) != size:
        raise ModelSourceError(
            f"{path} was {size} bytes and is {len(data)} now: it changed while it was copied, "
            "so start again"
        )
    return data
