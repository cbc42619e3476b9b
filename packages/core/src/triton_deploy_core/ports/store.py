"""The port to a model repository: a store of small and large files under one root.

A **key** is a relative POSIX path inside the repository (``iris/1/model.onnx``), without
``.``, ``..``, empty segments or a leading slash. A key that ends in ``/`` is a **directory
marker**: an empty directory that has to exist, such as an ensemble's version directory.
Directories are otherwise implied by the files below them and vanish with the last one. Where a
file is, no directory of its name can be: a file system refuses that, an object store does not
notice, so callers remove first what is in the way (`triton_deploy_core.keys.displaced`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from triton_deploy_core.ports.progress import Progress


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file on this machine. `size` is in bytes."""

    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes in memory: for small files that somebody made up, such as a configuration."""

    data: bytes

    @property
    def size(self) -> int:
        """Number of bytes."""
        return len(self.data)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in a store of the same kind as the repository, named by its URI.

    `etag` is a tag of its content as the store's listing has it (S3's ETag, a checksum of GCS):
    of two objects that have it, and the size, in common, the bytes are the same. Empty where
    nobody looked, or where the store has no such tag.
    """

    uri: str
    size: int
    etag: str = ""


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A file that the repository itself holds already, named by its key."""

    key: str
    size: int


Source: TypeAlias = LocalFile | Content | StoredObject | StoredBlob
"""Where the bytes of a file come from."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One file to put into the repository. A directory marker has ``Content(b"")``."""

    key: str
    source: Source


@dataclass(frozen=True, slots=True)
class Blob:
    """One file of the repository: its key, its size in bytes, and a tag of its content.

    `etag` differs whenever the content is another one; it says nothing else. Whether it also
    differs after the same content was written again is a capability (`tags_of_content`).
    """

    key: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class BlobContent:
    """The bytes of a small file and the tag of just these bytes."""

    data: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class IfAbsent:
    """Write only where there is no such key."""


@dataclass(frozen=True, slots=True)
class IfUnchanged:
    """Write only where the key has the content that this tag was read with."""

    etag: str


Condition: TypeAlias = IfAbsent | IfUnchanged | None


@dataclass(frozen=True, slots=True)
class Guard:
    """Makes a change conditional on another file: only while that one begins with a token.

    A writer whose lease another has taken over then changes nothing, however late it wakes up.

    Attributes:
        key: the file whose first `GUARD_BYTES` bytes have to hold the token.
        token: letters and digits that no other writer ever has.
    """

    key: str
    token: str

    @property
    def staging(self) -> str:
        """The key under which a store prepares a guarded write, see `BlobStore.write`."""
        return f"{self.key}.{self.token}"

    def holds(self, data: bytes) -> bool:
        """Tell whether a content of the guard's file is this writer's own."""
        return self.token.encode() in data[:GUARD_BYTES]


GUARD_BYTES = 256


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store can do beyond the port. Declared by the adapter, not found out by trying.

    Attributes:
        conditional_writes: of two conditional writes at once, exactly one succeeds.
        copies_from: URI schemes from which `transfer` copies inside the service.
        tags_of_content: the same content has the same tag, as on S3. A write `IfUnchanged` then
            also succeeds where the content was replaced and came back: whoever must notice that
            puts something into the content that never comes back.
        parallel_reads: so many threads read small files faster than fewer do.
        atomic_guards: a `Guard` is checked in one step with each change. Elsewhere it is read right
            before the change, so a guarded transfer or delete can come late by one request.
    """

    conditional_writes: bool
    copies_from: frozenset[str] = frozenset()
    tags_of_content: bool = False
    parallel_reads: int = 16
    atomic_guards: bool = False


class BlobStore(Protocol):
    """A model repository's files.

    Every method may raise `RepositoryNotFoundError`, `StoreAccessError` or
    `StoreUnavailableError`, and no error of the library behind the adapter. A key that is not
    one (see the module) is a `ValueError` before anything is touched. All methods may be called
    from several threads.
    """

    @property
    def location(self) -> str:
        """The repository as its user wrote it, fit for messages: it holds no secret."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What this store can do beyond the port."""
        ...

    def check(self) -> None:
        """Find out whether the repository exists and can be written, leaving no trace.

        Raises:
            RepositoryNotFoundError: there is no such directory or bucket.
            StoreAccessError: it can't be written.
        """
        ...

    def directories(self) -> Iterator[str]:
        """Yield the names of the directories in the root, in no particular order.

        These are what Triton takes for models, ours or not. Hidden ones are among them.
        """
        ...

    def list(self, prefix: str) -> Iterator[Blob]:
        """Yield every file whose key starts with `prefix`, in the order of the keys.

        The prefix is a plain string, not a directory: ``iris`` also finds ``iris2/…``; callers
        that mean a directory end it with ``/``. Directory markers are among what is yielded
        (on a file system: every directory that is empty). Nothing found: nothing yielded.
        """
        ...

    def read(self, key: str) -> BlobContent:
        """Return a whole small file.

        Raises:
            BlobNotFoundError: there is no such key, or it is a directory.
            StoreError: it is too large to be a small file (`triton_deploy_core.small_files`).
        """
        ...

    def age(self, key: str) -> float:
        """Return how many seconds ago a file was written, by the store's own clock.

        Neither this machine's clock nor the writer's counts. Object stores know whole seconds.

        Raises:
            BlobNotFoundError: there is no such key, or it is a directory.
        """
        ...

    def write(
        self, key: str, data: bytes, *, condition: Condition = None, guard: Guard | None = None
    ) -> str:
        """Write a small file in one atomic step and return its new tag.

        Whoever reads the key at any moment gets the old content or the new, whole. A crash
        leaves the old or the new. A configuration (``<name>/config.pbtxt``) gets a modification
        time later than that of all else in its directory, as Triton reads times there: on object
        stores in whole seconds, so the call may wait for one. Else a load would not notice it.

        A guarded write takes effect only while its guard holds, on every store. Where that can't
        be checked in the same step, the store writes the content to `Guard.staging`, reads the
        guard, and copies it into place: the copy fails once that file is gone. So a writer that
        takes over removes the other's staging file before it changes anything, and each writer
        removes its own at the end. Give either a condition or a guard.

        Raises:
            PreconditionFailedError: the condition does not hold; nothing was written.
            StaleWriterError: the guard does not hold; nothing was written.
        """
        ...

    def transfer(
        self, transfers: Sequence[Transfer], progress: Progress, *, guard: Guard | None = None
    ) -> None:
        """Put many files into the repository, large ones included, each atomically.

        Sources are read in pieces: memory does not grow with their size. Files appear in any
        order, each of them whole; an existing key is replaced. An error leaves some files put and
        others not. `progress` is told of each piece; what it raises then ends the transfer.
        A guard is checked for each file.

        Raises:
            ModelSourceError: a source can't be read, or changed its size while it was read.
            StaleWriterError: the guard does not hold; the files that were not put yet stay out.
        """
        ...

    def delete(
        self,
        keys: Iterable[str],
        *,
        guard: Guard | None = None,
        condition: IfUnchanged | None = None,
    ) -> None:
        """Delete files; a key that does not exist is no error.

        A directory that gets empty by it vanishes with its last file. On an object store a
        marker outlives the files beside it: delete it too, as whoever deletes what is listed does.
        A guard is checked for each batch. A condition is for a single key.

        Raises:
            PreconditionFailedError: the condition does not hold, as where the key is gone; nothing
                was deleted.
            StaleWriterError: the guard does not hold; what was not deleted yet stays.
        """
        ...
