"""Writing a deployment's files so that every moment of it can be undone or finished.

What a server serves that is started in the middle, when the writer has died:

- *create*, *delete*: nothing. `layout.UNFINISHED_CONFIG` is the first file of a create and the
  last of a delete, so that Triton refuses the model until all of it is there.
- *update*: the old model until one write of ``config.pbtxt`` commits, then the new one. Files of a
  fresh version are invisible until then. Where files that are in use are replaced (a package that
  its user laid out, labels, a policy that names only versions that serve), copies of them serve
  while that goes on: see `stand_in`.
- ``configs/<name>.pbtxt``, which servers started for some hardware read in place of
  ``config.pbtxt``, comes after it and goes before it: see `named_configs`.
- *undo*: the new model or the old one, by the same means in the other direction.

A server that runs on serves the old version until the new one does, in each of these cases.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace

from triton_deploy_core import layout, noted_parts
from triton_deploy_core.behind import Behind
from triton_deploy_core.bookkeeping import (
    OWN_DIRECTORY,
    SAVED,
    behind_key,
    digests_key,
    journal_key,
    lease_key,
    own_prefix,
    parts_key,
)
from triton_deploy_core.digests import Digests
from triton_deploy_core.errors import BlobNotFoundError, StoreError, StoreUnavailableError
from triton_deploy_core.holdings import Holdings, is_tritons
from triton_deploy_core.journal import Journal, Phase
from triton_deploy_core.keys import displaced, is_marker
from triton_deploy_core.lease import Lease
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import CONFIG_FILE
from triton_deploy_core.package_files import OWN_FILES
from triton_deploy_core.plan import Plan
from triton_deploy_core.ports.progress import Progress
from triton_deploy_core.ports.store import Blob, BlobStore, Content, Source, StoredBlob, Transfer
from triton_deploy_core.records import RECORD_FILE
from triton_deploy_core.snapshot import Snapshot

_INLINE_BYTES = 64 * 1024
_INLINE_FILES = 32


class Files:
    """The files of one name, written under a lease."""

    def __init__(
        self, store: BlobStore, name: DeploymentName, lease: Lease, progress: Progress
    ) -> None:
        self._store = store
        self._name = name
        self._lease = lease
        self._progress = progress
        self._prefix = layout.prefix(name)

    def snapshot(self) -> Snapshot:
        """Return what there is at the moment."""
        return Snapshot.take(self._store, self._name)

    @property
    def name(self) -> DeploymentName:
        """Whose files these are."""
        return self._name

    def is_unfinished(self) -> bool:
        """See the function of this name."""
        return is_unfinished(self._store, self._name)

    def journal(self) -> Journal | None:
        """Return what an interrupted operation left, None where there is nothing."""
        try:
            data = self._store.read(journal_key(self._name)).data
        except BlobNotFoundError:
            return None
        return Journal.decode(data, self._name)

    def note(self, journal: Journal) -> None:
        """Write down what to do should this process die now."""
        self._lease.verify()
        self._store.write(journal_key(self._name), journal.encode())

    def forget(self) -> None:
        """The operation is over: nothing is left to undo or to finish."""
        self._lease.verify()
        self._store.delete([journal_key(self._name)])

    def holdings(self, now: Snapshot) -> Holdings:
        """Return what is known of the bytes that there are."""
        return read_holdings(self._store, now)

    def remember(self, digests: Digests) -> None:
        """Write down what is known of the bytes that there are."""
        self._lease.verify()
        self._store.write(digests_key(self._name), digests.encode())

    def behind(self) -> Behind:
        """Return the servers that missed something under the name."""
        return read_behind(self._store, self._name)

    def note_behind(self, behind: Behind) -> None:
        """Write down which servers missed something under the name; forget it where none did."""
        self._lease.verify()
        key = behind_key(self._name)
        if behind:
            self._store.write(key, behind.encode())
        else:
            self._store.delete([key])

    def verify(self) -> None:
        """Make sure that the name is still ours: see `Lease.verify`."""
        self._lease.verify()

    def parts(self) -> tuple[DeploymentName, ...]:
        """Return the parts of an ensemble whose fate an operation left open."""
        try:
            data = self._store.read(parts_key(self._name)).data
        except StoreUnavailableError:
            raise
        except StoreError:
            return ()  # none, or far too large
        return noted_parts.decode(data, self._name)

    def note_parts(self, parts: Collection[DeploymentName]) -> None:
        """Write down whose fate is open; forget it where nobody's is."""
        self._lease.verify()
        key = parts_key(self._name)
        if parts:
            self._store.write(key, noted_parts.encode(parts))
        else:
            self._store.delete([key])

    def draft(
        self,
        now: Snapshot,
        plan: Plan,
        *,
        was_ready: bool,
        servers: str = "",
        fleet: frozenset[str] = frozenset(),
    ) -> Journal:
        """Return how to put back what the plan is going to replace or remove. Writes nothing."""
        copies = {} if plan.stand_in is None else dict(plan.stand_in.copies)
        inlined_always = OWN_FILES | now.named.keys()
        touched = plan.files.keys() | plan.removed | inlined_always
        touched = touched & now.files.keys() - copies.keys()
        small = sorted(path for path in touched if now.files[path].size <= _INLINE_BYTES)
        inlined = {*small[:_INLINE_FILES], *(touched & inlined_always), *filter(is_marker, touched)}
        return Journal(
            phase=Phase.UNDO,
            before={path: blob.etag for path, blob in now.files.items()},
            inline={path: self.content(path) for path in sorted(inlined)},
            copies=copies | {path: SAVED + path for path in touched - inlined},
            hiding=plan.hiding,
            stand_in=None if plan.stand_in is None else plan.stand_in.config,
            coming=plan.serves,
            was_ready=was_ready,
            servers=servers,
            fleet=fleet,
        )

    def standing(self, now: Snapshot, *, coming: frozenset[int] = frozenset()) -> Journal:
        """Return how to get back to the files that there are, while none of them changes.

        Args:
            now: what there is.
            coming: versions that servers are told to load meanwhile.
        """
        own = sorted((OWN_FILES | now.named.keys()) & now.files.keys())
        return Journal(
            phase=Phase.UNDO,
            before={path: blob.etag for path, blob in now.files.items()},
            inline={path: self.content(path) for path in own},
            coming=coming,
        )

    def keep(self, journal: Journal, now: Snapshot, *, early: Collection[str] = ()) -> None:
        """Write the journal, and copies of what it does not hold itself.

        Args:
            journal: how to put everything back.
            now: what there is.
            early: see `NamedConfigs.early`.
        """
        self.note(replace(journal, copies={}, stand_in=None))
        self._delete(early)
        if journal.copies:
            if journal.hiding is not None:
                self._set_config(journal.hiding)
            copies = journal.copies.items()
            self._put({place: self._copy_of(path, now.files[path]) for path, place in copies})
            self.note(journal)

    def write(self, plan: Plan) -> None:
        """Write what the plan says; the configuration, whose write is the commit, comes last."""
        before = plan.hiding if plan.stand_in is None else plan.stand_in.config
        if before is not None:
            self._set_config(before)
        in_the_way = displaced(plan.removed, plan.files)
        self._delete(in_the_way)
        self._put(plan.files)
        self._delete(plan.removed - in_the_way)
        self._set_config(plan.commit.config)
        self._delete(plan.named.removed - plan.named.early)
        for path, commit in plan.named.commits.items():
            self._replace(path, commit.config or b"")

    def touch(self) -> None:
        """Give the configuration and the record newer times, so that a load brings all up again.

        Triton loads every version anew where a file beside them is newer than at the last load,
        and none where just the configuration is (seen on Triton 2.51). A configuration is written
        in a later second than all else: the record then is too.
        """
        for path in (CONFIG_FILE, RECORD_FILE):
            with suppress(BlobNotFoundError):
                self._write(path, self.content(path))

    def undo(self, journal: Journal) -> None:
        """Put everything back as it was before the operation. May be done again and again.

        What is as it was already is not written: Triton would load it again.
        """
        present = self.present()
        lost = self._lost(journal, present)
        named = {path: lost.pop(path) for path in sorted(lost) if layout.is_named_config(path)}
        others = {path for path in present if layout.is_named_config(path)}
        copies = present.keys() & journal.copies.values()
        added = present.keys() - journal.before.keys() - copies - {CONFIG_FILE} - others
        if lost or added:
            # Whoever reads one of these falls back to config.pbtxt until all is back.
            named |= {
                path: Content(journal.inline[path]) for path in others & journal.inline.keys()
            }
        self._delete(path for path in others if path in named or path not in journal.before)
        config = journal.inline.get(CONFIG_FILE)
        hiding = config if journal.hiding is None else journal.hiding
        if present:
            mixed = copies and (lost or not all(map(is_tritons, added)))
            stand_in = journal.stand_in if mixed else None
            self._set_config(hiding if stand_in is None else stand_in)
        self._delete(added)
        self._put(lost)
        if copies:
            # What they stand for is back. Should this die now, they are not to be looked at again.
            self._set_config(hiding)
            self.note(replace(journal, copies={}, stand_in=None))
            self._delete(copies)
        self._set_config(config)
        self._put(named)

    def _lost(self, journal: Journal, present: Mapping[str, Blob]) -> dict[str, Source]:
        """Return what is to be put back, and from where."""

        def is_back(path: str) -> bool:
            return path in present and present[path].etag == journal.before.get(path)

        lost: dict[str, Source] = {
            path: Content(data)
            for path, data in journal.inline.items()
            if path != CONFIG_FILE
            and not is_back(path)
            and (path not in present or self.content(path) != data)
        }
        for path, place in journal.copies.items():
            # A copy is removed when all is put back: one that is gone is not needed any more.
            if place in present and not is_back(path):
                lost[path] = self._copy_of(place, present[place])
        return lost

    def settle(self, journal: Journal) -> None:
        """Remove what nobody serves any more, then write the user's own configuration.

        May be done again and again. Old versions go with what Triton put into them itself, as its
        python backend does (``1/__pycache__/``).
        """
        old = layout.versions(journal.garbage)
        self._delete(
            path
            for path in self.present()
            if path in journal.garbage or layout.version_of(path) in old or path.startswith(SAVED)
        )
        if journal.settles:
            self._set_config(journal.settled)
        for path, config in journal.named.items():
            self._replace(path, config)

    def sweep(self) -> bool:
        """Remove what is left though no journal needs it; tell whether there was anything.

        Saved copies, and bookkeeping files of a name that has no directory any more, but who is
        behind. Not for a name whose operation is under way.
        """
        present = self.present()
        left = [self._prefix + path for path in present if path.startswith(OWN_DIRECTORY)]
        if not present:
            own = (blob.key for blob in self._store.list(own_prefix(self._name)))
            kept = {lease_key(self._name), behind_key(self._name), parts_key(self._name)}
            left = [key for key in own if "/" not in key and key not in kept]
        if left:
            self._lease.verify()
            self._store.delete(left)
        return bool(left)

    def record(self, record: bytes | None) -> None:
        """Write the record of what serves now, where there is one to write.

        Not before it serves: a changed record would make Triton reload an old version that has to
        go on serving after a failure.
        """
        if record is not None:
            self._replace(RECORD_FILE, record)

    def remove_all(self) -> None:
        """Remove every file of the name; a server that starts meanwhile loads none of them."""
        present = self.present()
        if present:
            self._delete(filter(layout.is_named_config, present))
            self._set_config(layout.UNFINISHED_CONFIG)
            self._delete(present.keys() - {CONFIG_FILE})
            self._delete([CONFIG_FILE])
        self._store.delete([digests_key(self._name)])

    def lend(self, version: int, to: int, now: Snapshot, config: bytes) -> None:
        """Put a copy of a version under another number, with a configuration that serves it.

        For a short time: the journal in force knows how to undo it, see `making_room`.
        """
        self._delete(now.named)
        lent = f"{version}/"
        copies = {
            f"{to}/{path.removeprefix(lent)}": self._copy_of(path, blob)
            for path, blob in now.files.items()
            if path.startswith(lent)
        }
        self._delete({path for path in now.files if path.startswith(f"{to}/")} - copies.keys())
        self._put(copies)
        self._set_config(config)

    def making_room(self, journal: Journal, to: int, now: Snapshot) -> Journal:
        """Return the journal that is in force while a number is lent.

        A number that has files, of a version that was kept, gets them back: copies of them wait.
        What it has does not serve, and may not go with the configuration that does.

        Args:
            journal: how to put back what there is.
            to: the number.
            now: what there is.
        """
        own = {path for path in now.files if path.startswith(f"{to}/")}
        if not own:
            return journal
        room = replace(
            journal,
            before={path: blob.etag for path, blob in now.files.items()},
            inline={**journal.inline, **dict.fromkeys(filter(is_marker, own), b"")},
            copies={path: SAVED + path for path in own if not is_marker(path)},
            stand_in=None,
        )
        self.keep(room, now)
        return room

    def _copy_of(self, path: str, blob: Blob) -> Source:
        return Content(b"") if is_marker(path) else StoredBlob(self._prefix + path, blob.size)

    def present(self) -> dict[str, Blob]:
        """Return what files there are: path inside the model's directory → file."""
        return {blob.key[len(self._prefix) :]: blob for blob in self._store.list(self._prefix)}

    def content(self, path: str) -> bytes:
        """Return the bytes of a small file that is there."""
        return b"" if is_marker(path) else self._store.read(self._prefix + path).data

    def _content_or_none(self, path: str) -> bytes | None:
        try:
            return self.content(path)
        except BlobNotFoundError:
            return None

    def _put(self, files: Mapping[str, Source]) -> None:
        if not files:
            return
        self._lease.verify()
        self._progress.total(sum(source.size for source in files.values()))
        transfers = [Transfer(self._prefix + path, files[path]) for path in sorted(files)]
        self._store.transfer(transfers, self._progress)

    def _set_config(self, config: bytes | None) -> None:
        """Make this the configuration, none for None; one that is in force already stays."""
        if config == self._content_or_none(CONFIG_FILE):
            return
        if config is None:
            self._delete([CONFIG_FILE])
        else:
            self._write(CONFIG_FILE, config)

    def _replace(self, path: str, data: bytes) -> None:
        if data != self._content_or_none(path):
            self._write(path, data)

    def _write(self, path: str, data: bytes) -> None:
        self._lease.verify()
        self._store.write(self._prefix + path, data)

    def _delete(self, paths: Iterable[str]) -> None:
        keys = [self._prefix + path for path in sorted(paths)]
        if keys:
            self._lease.verify()
            self._store.delete(keys)


def is_unfinished(store: BlobStore, name: DeploymentName) -> bool:
    """Tell whether an operation on a name left anything to do, or is under way; of parts too."""
    return any(store.list(journal_key(name)))


def read_holdings(store: BlobStore, now: Snapshot) -> Holdings:
    """Return what is known of the bytes that there are under a name."""
    try:
        data = store.read(digests_key(now.name)).data if now.exists else b""
    except StoreError:
        # Lost, or far too large: nobody depends on it.
        data = b""
    return Holdings(now, Digests.decode(data))


def read_behind(store: BlobStore, name: DeploymentName) -> Behind:
    """Return the servers that missed something under a name."""
    try:
        return Behind.decode(store.read(behind_key(name)).data)
    except StoreUnavailableError:
        raise
    except StoreError:
        # None, or far too large: what the servers serve tells most of it.
        return Behind()
