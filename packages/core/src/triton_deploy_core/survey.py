"""What a repository holds under every name, by one walk over it that reads no file but fences.

On an object store that is a request for each thousand files, however many deployments they make.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, groupby

from triton_deploy_core import layout
from triton_deploy_core.bookkeeping import (
    OWN_DIRECTORY,
    fence_key,
    journal_key,
    name_of,
    parts_key,
)
from triton_deploy_core.errors import StoreAccessError
from triton_deploy_core.fence import Fence
from triton_deploy_core.holdings import is_tritons
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.ports.store import Blob, BlobStore
from triton_deploy_core.records import RECORD_FILE


@dataclass(frozen=True, slots=True)
class Sight:
    """What a walk saw of one name.

    Attributes:
        tag: of the paths, sizes and tags of all files that a load may read, which the record is
            not; empty where there is no file.
        record: the tag of the record, empty where there is none.
        is_unfinished: whether an operation on the name is under way, was interrupted, or has
            brought files too late.
        versions: those that have a directory.
    """

    tag: str = ""
    record: str = ""
    is_unfinished: bool = False
    versions: frozenset[int] = frozenset()

    @property
    def has_record(self) -> bool:
        """Whether it is a deployment of ours."""
        return bool(self.record)


def survey(store: BlobStore) -> Mapping[DeploymentName, Sight]:
    """Look at every name that has files, or bookkeeping of ours.

    Raises:
        StoreError: the repository can't be listed.
    """
    try:
        return _sights(store, store.list(""))
    except StoreAccessError:
        # A directory of somebody else's that may not be read (lost+found) hides no other.
        return _sights(store, chain(store.list("."), _readable(store)))


def _readable(store: BlobStore) -> Iterator[Blob]:
    for directory in filter(DeploymentName.is_valid, store.directories()):
        with suppress(StoreAccessError):
            yield from list(store.list(f"{directory}/"))


def _sights(store: BlobStore, blobs: Iterable[Blob]) -> Mapping[DeploymentName, Sight]:
    """Put together what belongs to each name. A directory's files come one after another."""
    own = set()
    found = {}
    for directory, files in groupby(blobs, key=_directory):
        if not directory:
            own |= {blob.key for blob in files}
        elif DeploymentName.is_valid(directory):
            name = DeploymentName(directory)
            found[name] = _sight(name, files)
    # A long name's bookkeeping can't be told from its key, so it is looked for as well.
    names = sorted({*found, *filter(None, map(name_of, own))})
    return {name: _marked(store, name, found.get(name, Sight()), own) for name in names}


def _directory(blob: Blob) -> str:
    directory, slash, _ = blob.key.partition("/")
    return directory if slash else ""


def _marks(name: DeploymentName) -> set[str]:
    return {journal_key(name), parts_key(name)}


def _marked(store: BlobStore, name: DeploymentName, sight: Sight, own: set[str]) -> Sight:
    is_unfinished = sight.is_unfinished or not own.isdisjoint(_marks(name))
    if not is_unfinished and fence_key(name) in own and sight.versions:
        is_unfinished = not sight.versions.isdisjoint(Fence.read(store, name).arriving)
    return replace(sight, is_unfinished=is_unfinished)


def _sight(name: DeploymentName, files: Iterable[Blob]) -> Sight:
    digest = hashlib.blake2b(digest_size=16)
    record, is_unfinished, paths = "", False, set[str]()
    start = len(layout.prefix(name))
    for blob in files:
        path = blob.key[start:]
        paths.add(f"{path.partition('/')[0]}/" if "/" in path else "")
        if path == RECORD_FILE:
            record = blob.etag
        elif path.startswith(OWN_DIRECTORY):
            is_unfinished = True
        elif not is_tritons(path):
            digest.update(f"{path}\0{blob.size}\0{blob.etag}\n".encode())
    return Sight(digest.hexdigest(), record, is_unfinished, layout.versions(paths))
