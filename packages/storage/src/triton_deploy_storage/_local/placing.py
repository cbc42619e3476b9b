"""How a file gets to its key: made beside it, then put there under the repository's lock."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from triton_deploy_core.errors import PreconditionFailedError
from triton_deploy_core.guards import stale_writer
from triton_deploy_core.keys import enclosing
from triton_deploy_core.ports.store import GUARD_BYTES, Condition, Guard, IfAbsent, IfUnchanged
from triton_deploy_core.shown import shown
from triton_deploy_storage._local import tree
from triton_deploy_storage._local.locking import exclusive
from triton_deploy_storage._local.os_errors import while_stale
from triton_deploy_storage._local.staging import StagedFile, create, discard
from triton_deploy_storage._local.tags import tag_of

_ATTEMPTS = 100


@contextmanager
def staged_for(root: str, key: str, mode: int) -> Iterator[StagedFile]:
    """Make a file beside its key's place; an error takes back the directories made for it.

    Args:
        root: the repository's directory.
        key: the place.
        mode: permissions, of which the umask takes its part.
    """
    made: list[str] = []
    try:
        staged = _create(root, next(enclosing(key), ""), mode, made)
        try:
            yield staged
        finally:
            discard(staged)
    except BaseException:
        tree.remove_new(made)
        raise


def place(
    root: str,
    staged: StagedFile,
    target: str,
    condition: Condition = None,
    guard: Guard | None = None,
) -> str:
    """Put a finished file in its place if condition and guard hold, and return its tag.

    Raises:
        PreconditionFailedError: the condition does not hold.
        StaleWriterError: the guard does not hold.
    """
    with exclusive(root):
        require(target, condition)
        require_guard(root, guard)
        if not isinstance(condition, IfAbsent):
            staged.replace(target)
        elif not staged.appear(target):
            raise _exists(target)
    return tag_of(os.fstat(staged.descriptor))


def require(target: str, condition: Condition) -> None:
    """Do nothing if the condition holds.

    Raises:
        PreconditionFailedError: it does not hold.
    """
    if tree.is_directory(target):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), target)
    if isinstance(condition, IfAbsent) and os.path.lexists(target):
        raise _exists(target)
    if isinstance(condition, IfUnchanged) and _tag_at(target) != condition.etag:
        raise PreconditionFailedError(
            f"{shown(target)} is not what it was when it was read: somebody else has changed or "
            "deleted it; read it again"
        )


def require_guard(root: str, guard: Guard | None) -> None:
    """Do nothing if the guard holds. The caller has the repository's lock.

    The file is opened, since on NFS that is when a change by another machine becomes visible.

    Raises:
        StaleWriterError: it does not hold.
    """
    if guard is None:
        return
    path = os.path.join(root, guard.key)
    try:
        beginning = while_stale(lambda: _beginning(path))
    except FileNotFoundError:
        beginning = b""
    if not guard.holds(beginning):
        raise stale_writer(guard, root)


def _beginning(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read(GUARD_BYTES)


def _exists(target: str) -> PreconditionFailedError:
    return PreconditionFailedError(
        f"{shown(target)} exists already: somebody else has made it; read it"
    )


def _tag_at(target: str) -> str | None:
    try:
        return tag_of(os.stat(target))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _create(root: str, directory: str, mode: int, made: list[str]) -> StagedFile:
    for _ in range(_ATTEMPTS):
        try:
            return create(os.path.join(root, directory), mode)
        except FileNotFoundError:
            # Nobody has made the directory yet, or somebody has just removed it as empty.
            if not directory:
                raise
        made += tree.make_directories(root, directory)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), directory)
