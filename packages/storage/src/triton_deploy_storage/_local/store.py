"""The local adapter itself: the port's methods, made of the pieces beside it."""

from __future__ import annotations

import errno
import itertools
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager

from triton_deploy_core.errors import BlobNotFoundError
from triton_deploy_core.keys import (
    check_file_key,
    check_key,
    check_transfer,
    enclosing,
    is_marker,
)
from triton_deploy_core.ports.progress import Progress
from triton_deploy_core.ports.store import (
    Blob,
    BlobContent,
    Capabilities,
    Condition,
    Guard,
    IfUnchanged,
    Transfer,
)
from triton_deploy_core.shown import shown
from triton_deploy_core.small_files import check_small
from triton_deploy_storage._local import listing, placing, tree
from triton_deploy_storage._local.locking import exclusive, give_way, now_on
from triton_deploy_storage._local.os_errors import FULL, MISSING, store_errors, while_stale
from triton_deploy_storage._local.paths import changing_path, check_not_reserved, reading_path
from triton_deploy_storage._local.probing import probe
from triton_deploy_storage._local.sources import open_source
from triton_deploy_storage._local.staging import StagedFile, sweep, write_all
from triton_deploy_storage._local.tags import tag_of

_DELETED_AT_ONCE = 500


class LocalStore:
    """A `BlobStore` in a directory.

    Files are written beside their place and renamed, so a reader (Triton among them) sees the old
    content or the new, and are on the disk before a call returns. Of conditional writes by any
    number of threads and processes exactly one succeeds; a plain file ``.triton-deploy.lock`` in
    the root serves for that. New files and directories have the permissions that the umask
    leaves; an executable file stays one.

    The directory itself may be a symbolic link. Below it, a link is read as long as it stays
    within the directory, listed as a file, and deleted as the link that it is; nothing is written
    or deleted behind one.

    Args:
        path: the directory. It has to exist when it is used; it is never created.
        location: how its user calls it, for messages; `path` if not given.
    """

    def __init__(self, path: str | os.PathLike[str], *, location: str | None = None) -> None:
        self._root = os.path.abspath(path)
        self._location = os.fspath(path) if location is None else location

    @property
    def location(self) -> str:
        """See `BlobStore.location`."""
        return self._location

    @property
    def capabilities(self) -> Capabilities:
        """See `BlobStore.capabilities`."""
        return Capabilities(
            conditional_writes=True, copies_from=frozenset({"file"}), atomic_guards=True
        )

    def check(self) -> None:
        """See `BlobStore.check`."""
        with store_errors(self._root, "write to", self._root):
            probe(self._root)

    def directories(self) -> Iterator[str]:
        """See `BlobStore.directories`."""
        with store_errors(self._root, "list", self._root):
            yield from listing.directories(self._root)

    def list(self, prefix: str) -> Iterator[Blob]:
        """See `BlobStore.list`.

        What writers who died have left unfinished on the way is removed: who asks for a
        deployment's files is about to work on it.
        """
        unfinished: set[str] = set()
        with store_errors(self._root, "list", os.path.join(self._root, prefix)):
            yield from listing.walk(self._root, prefix, unfinished)
        for directory in unfinished:
            sweep(directory)

    def read(self, key: str) -> BlobContent:
        """See `BlobStore.read`."""
        check_key(key)
        check_not_reserved(key)
        with self._errors("read", key):
            try:
                if is_marker(key):
                    raise _missing(key)
                return while_stale(lambda: self._read(key))
            except OSError as error:
                raise self._missing_or(error, key) from error

    def age(self, key: str) -> float:
        """See `BlobStore.age`. Both times are the file system's, also on NFS."""
        check_file_key(key)
        with self._errors("read", key):
            try:
                status = while_stale(lambda: os.stat(reading_path(self._root, key)))
                if not stat.S_ISREG(status.st_mode):
                    raise _missing(key)
            except OSError as error:
                raise self._missing_or(error, key) from error
            return max(0.0, now_on(self._root) - status.st_ctime)

    def write(
        self, key: str, data: bytes, *, condition: Condition = None, guard: Guard | None = None
    ) -> str:
        """See `BlobStore.write`."""
        check_file_key(key)
        check_not_reserved(key)
        target = changing_path(self._root, key)
        with self._errors("write", key):
            placing.require(target, condition)
            sweep(os.path.dirname(target))
            with placing.staged_for(self._root, key, 0o666) as staged:
                self._fill(staged, data)
                tag = placing.place(self._root, staged, target, condition, guard)
            self._sync(key)
        return tag

    def _fill(self, staged: StagedFile, data: bytes) -> None:
        """Write a small file, on a full disk into the space that is reserved for such."""
        try:
            write_all(staged.descriptor, data)
            staged.finish()
        except OSError as error:
            if error.errno not in FULL or not give_way(self._root):
                raise
            os.ftruncate(staged.descriptor, 0)
            os.lseek(staged.descriptor, 0, os.SEEK_SET)
            write_all(staged.descriptor, data)
            staged.finish()

    def transfer(
        self, transfers: Sequence[Transfer], progress: Progress, *, guard: Guard | None = None
    ) -> None:
        """See `BlobStore.transfer`."""
        for item in transfers:
            check_transfer(item)
            check_not_reserved(item.key)
            changing_path(self._root, item.key)
        progress.total(sum(item.source.size for item in transfers))
        for directory in {next(enclosing(item.key), "") for item in transfers}:
            sweep(os.path.join(self._root, directory))
        put: list[str] = []
        try:
            for item in transfers:
                with self._errors("write", item.key):
                    self._put(item, progress, guard)
                put.append(item.key)
        finally:
            self._sync(*put)

    def delete(
        self,
        keys: Iterable[str],
        *,
        guard: Guard | None = None,
        condition: IfUnchanged | None = None,
    ) -> None:
        """See `BlobStore.delete`."""
        remaining = iter(keys)
        while batch := list(itertools.islice(remaining, _DELETED_AT_ONCE)):
            for key in batch:
                check_key(key)
                check_not_reserved(key)
                changing_path(self._root, key)
            with self._errors("delete", batch[0]), exclusive(self._root):
                placing.require_guard(self._root, guard)
                if condition is not None:
                    placing.require(changing_path(self._root, batch[0]), condition)
                gone = [key for key in batch if self._delete_one(key)]
                emptied = {next(enclosing(key), "") for key in gone} - {""}
                for directory in sorted(emptied, key=len, reverse=True):
                    tree.prune(self._root, directory)
            self._sync(*gone)

    def _put(self, item: Transfer, progress: Progress, guard: Guard | None) -> None:
        if is_marker(item.key):
            with exclusive(self._root):
                placing.require_guard(self._root, guard)
                tree.make_directories(self._root, item.key)
            return
        target = changing_path(self._root, item.key)
        with open_source(self._root, item.source) as source:
            placing.require(target, None)
            with placing.staged_for(self._root, item.key, source.mode) as staged:
                source.copy_to(staged.descriptor, progress.advance)
                staged.finish()
                placing.place(self._root, staged, target, guard=guard)

    def _read(self, key: str) -> BlobContent:
        path = reading_path(self._root, key)
        # Opening a named pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise _missing(path)
            check_small(shown(key), status.st_size, self._location)
            with open(descriptor, "rb", closefd=False) as file:
                return BlobContent(file.read(status.st_size), tag_of(status))
        finally:
            os.close(descriptor)

    def _missing_or(self, error: OSError, key: str) -> Exception:
        """Return the error that says that there is no such file, if that is what it is."""
        if error.errno not in MISSING or not os.path.isdir(self._root):
            return error
        return BlobNotFoundError(
            f"there is no file {shown(key)} in the model repository {self._location}"
        )

    def _delete_one(self, key: str) -> bool:
        path = changing_path(self._root, key)
        with self._errors("delete", key):
            if is_marker(key):
                return tree.is_directory(path) and tree.remove_empty(path)
            try:
                os.unlink(path)
            except OSError as error:
                if error.errno in MISSING or tree.is_directory(path):
                    return False
                raise
        return True

    def _sync(self, *keys: str) -> None:
        """Make the entries of these keys last, and those of the directories around them."""
        directories = {directory for key in keys for directory in enclosing(key)}
        with self._errors("write", ""):
            for directory in [*directories, ""] if keys else []:
                tree.sync_directory(os.path.join(self._root, directory))

    def _errors(self, action: str, key: str) -> AbstractContextManager[None]:
        return store_errors(self._root, action, os.path.join(self._root, key))


def _missing(path: str) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
