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
    fence_key,
    journal_key,
    own_keys,
    own_prefix,
    parts_key,
)
from triton_deploy_core.digests import Digests
from triton_deploy_core.errors import (
    BlobNotFoundError,
    PreconditionFailedError,
    StoreError,
    StoreUnavailableError,
)
from triton_deploy_core.fence import Fence
from triton_deploy_core.holdings import Holdings, is_tritons
from triton_deploy_core.journal import Journal, Phase
from triton_deploy_core.keys import displaced, is_marker
from triton_deploy_core.lease import Lease
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import CONFIG_FILE
from triton_deploy_core.package_files import OWN_FILES
from triton_deploy_core.plan import Plan
from triton_deploy_core.ports.progress import Progress
from triton_deploy_core.ports.store import (
    Blob,
    BlobStore,
    Condition,
    Content,
    IfAbsent,
    IfUnchanged,
    Source,
    StoredBlob,
    Transfer,
)
from triton_deploy_core.records import RECORD_FILE
from triton_deploy_core.snapshot import Snapshot

_INLINE_BYTES = 64 * 1024
_INLINE_FILES = 32
_NO_RECORD = b"{}\n"
_FENCE_SECONDS = 30 * 24 * 3600.0


class Files:
    """The files of one name, written under a lease.

    Attributes:
        has_committed: whether a plan's configuration was written.
        has_told_servers: whether a load or unload request was sent, or was about to be.
    """

    def __init__(
        self, store: BlobStore, name: DeploymentName, lease: Lease, progress: Progress
    ) -> None:
        self.has_committed = False
        self.has_told_servers = False
        self._private: frozenset[int] = frozenset()
        self._fence: Fence | None = None
        self._digests: Condition = None
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

    def waiting_parts(self) -> bool:
        """Tell whether an operation left open what becomes of parts; looks for a fence, too."""
        own = {blob.key for blob in self._store.list(own_prefix(self._name))}
        if fence_key(self._name) not in own:
            self._fence = Fence()
        return parts_key(self._name) in own

    def journal(self) -> Journal | None:
        """Return what this operation noted, or an interrupted one left; None where none did."""
        fields = self._lease.journal
        return None if fields is None else Journal.of(fields, self._name)

    def note(self, journal: Journal) -> None:
        """Write down what to do should this process die now."""
        self._lease.note(journal.fields())
        self._private = journal.reserved

    def forget(self) -> None:
        """The operation is over: nothing is left to undo or to finish."""
        self._lease.forget()

    def fence(self) -> Fence:
        """Return the version numbers that must not be given to anything."""
        if self._fence is None:
            self._fence = Fence.read(self._store, self._name)
        return self._fence

    def fence_off(self, journal: Journal) -> None:
        """See that no package gets a number that an overtaken operation may still write to.

        Args:
            journal: what that operation left.
        """
        if self._lease.overtook and not self._store.capabilities.atomic_guards:
            known, numbers = self.fence(), journal.fenced(layout.versions(self.present()))
            arriving = journal.reserved if journal.phase is Phase.UNDO else frozenset[int]()
            self._set_fence(Fence(known.versions | numbers, known.arriving | arriving))

    def remove_late(self) -> None:
        """Remove what an overtaken operation has brought too late."""
        if not self.fence().versions:
            return
        self._delete(self._late(self.present()))
        if not self._is_recent(fence_key(self._name)):
            self._set_fence(Fence())

    def _late(self, present: Collection[str]) -> set[str]:
        """Return what an overtaken operation has brought: what is not ours is none of it."""
        late = self.fence().late(present)
        is_ours = RECORD_FILE in present or late.issuperset(present)
        return late if is_ours else set()

    def lift_fence(self, versions: frozenset[int]) -> None:
        """Let a package have numbers that are its user's to choose."""
        known = self.fence()
        self._set_fence(Fence(known.versions - versions, known.arriving - versions))

    def _set_fence(self, fence: Fence) -> None:
        if fence == self._fence:
            return
        if fence.versions:
            self._write_own(fence_key(self._name), fence.encode())
        else:
            self._delete_keys([fence_key(self._name)])
        self._fence = fence

    def holdings(self, now: Snapshot) -> Holdings:
        """Return what is known of the bytes that there are."""
        holdings, self._digests = _read_holdings(self._store, now)
        return holdings

    def remember(self, digests: Digests) -> None:
        """Write down what is known of the bytes that there are."""
        try:
            self._store.write(
                digests_key(self._name), digests.encode(), condition=self._digests or IfAbsent()
            )
        except PreconditionFailedError:
            self._lease.confirm()
            self._write_own(digests_key(self._name), digests.encode())

    def behind(self) -> Behind:
        """Return the servers that missed something under the name."""
        return read_behind(self._store, self._name)

    def note_behind(self, behind: Behind) -> None:
        """Write down which servers missed something under the name; forget it where none did."""
        key = behind_key(self._name)
        if behind:
            self._write_own(key, behind.encode())
        else:
            self._delete_keys([key])

    def verify(self) -> None:
        """Make sure that the name is still ours, as far as this process knows: `Lease.verify`."""
        self._lease.verify()

    def confirm(self) -> None:
        """Make sure that the name is still ours, by what the store says: see `Lease.confirm`.

        Call it right before each load or unload request.
        """
        self._lease.confirm()
        self.has_told_servers = True

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
        key = parts_key(self._name)
        if parts:
            self._write_own(key, noted_parts.encode(parts))
        else:
            self._delete_keys([key])

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
            reserved=(
                plan.serves | layout.versions(plan.files) | layout.versions(copies.values())
            ).difference(now.versions),
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
            reserved=coming - now.versions,
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
        self.has_committed = True
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
        if config is not None and self.fence().arriving & journal.reserved:
            config = hiding  # it must not show what an overtaken operation may still bring
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

        Saved copies, what an overtaken operation brought too late, and bookkeeping files of a name
        that has no directory any more, but who is behind and the fence, which lasts for a month;
        also those of older releases.
        Not for a name whose operation is under way.
        """
        present = self.present()
        late = self._late(present)
        left = {path for path in present if path.startswith(OWN_DIRECTORY)} | late
        self._delete(left)
        swept = bool(left)
        kept = {*own_keys(self._name), self._lease.guard.staging}
        if not present.keys() - left:
            kept.remove(digests_key(self._name))
            if not self._is_recent(fence_key(self._name)):
                kept.remove(fence_key(self._name))
        own = (blob.key for blob in self._store.list(own_prefix(self._name)))
        keys = [key for key in own if "/" not in key and key not in kept]
        self._delete_keys(keys)
        return swept or bool(keys)

    def _is_recent(self, key: str) -> bool:
        try:
            return self._store.age(key) < _FENCE_SECONDS
        except BlobNotFoundError:
            return False

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
            tag = self._set_config(layout.UNFINISHED_CONFIG)
            self._delete(present.keys() - OWN_FILES)
            if RECORD_FILE in present:
                self._remove(RECORD_FILE)
            self._remove(CONFIG_FILE, tag)
        self._delete_keys([digests_key(self._name)])

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
        """Put files: those that only this operation writes at once, others under guard."""
        if not files:
            return
        self._lease.verify()
        progress = _WhileHeld(self._progress, self._lease)
        progress.total(sum(source.size for source in files.values()))
        # A guard that costs nothing keeps all of them out when they come too late.
        is_free = self._store.capabilities.atomic_guards
        own = [path for path in files if not is_free and layout.version_of(path) in self._private]
        shared = files.keys() - own
        for paths, is_guarded in ((own, False), (shared, True)):
            transfers = [Transfer(self._prefix + path, files[path]) for path in sorted(paths)]
            if transfers:
                with self._lease.fencing() as guard:
                    self._store.transfer(transfers, progress, guard=guard if is_guarded else None)

    def _set_config(self, config: bytes | None) -> str:
        """Make this the configuration, none for None; one that is in force already stays.

        Returns:
            Its tag, empty for none.
        """
        try:
            found = self._store.read(self._prefix + CONFIG_FILE)
        except BlobNotFoundError:
            return "" if config is None else self._write(CONFIG_FILE, config)
        if found.data == config:
            return found.etag
        if config is None:
            self._remove(CONFIG_FILE)
            return ""
        return self._write(CONFIG_FILE, config)

    def _replace(self, path: str, data: bytes) -> None:
        if data != self._content_or_none(path):
            self._write(path, data)

    def _write(self, path: str, data: bytes) -> str:
        return self._write_own(self._prefix + path, data)

    def _write_own(self, key: str, data: bytes) -> str:
        with self._lease.fencing() as guard:
            return self._store.write(key, data, guard=guard)

    def _remove(self, path: str, tag: str = "") -> None:
        """Remove a file that the next operation may put there again, with the same content.

        Where a guard can't be checked in one step with a delete, it gets a content first that no
        operation leaves, and goes on condition that it still has that.

        Args:
            path: the file.
            tag: its tag, where it has such a content already.
        """
        if self._store.capabilities.atomic_guards:
            self._delete([path])
            return
        key = self._prefix + path
        nothing = layout.UNFINISHED_CONFIG if path == CONFIG_FILE else _NO_RECORD
        tag = tag or self._write(path, nothing)
        try:
            self._store.delete([key], condition=IfUnchanged(tag))
        except PreconditionFailedError:
            self._lease.confirm()
            if self._content_or_none(path) is not None:
                raise

    def _delete(self, paths: Iterable[str]) -> None:
        self._delete_keys([self._prefix + path for path in sorted(paths)])

    def _delete_keys(self, keys: Collection[str]) -> None:
        if keys:
            with self._lease.fencing() as guard:
                self._store.delete(keys, guard=guard)


class _WhileHeld:
    """Progress of a transfer that ends when the lease is known to be lost."""

    def __init__(self, progress: Progress, lease: Lease) -> None:
        self.step = progress.step
        self._progress = progress
        self._lease = lease
        self._has_total = False

    def total(self, size: int) -> None:
        """See `Progress.total`. Only the first counts, which is that of all transfers."""
        if not self._has_total:
            self._has_total = True
            self._progress.total(size)

    def advance(self, size: int) -> None:
        """See `Progress.advance`."""
        self._lease.verify()
        self._progress.advance(size)


def is_unfinished(store: BlobStore, name: DeploymentName) -> bool:
    """Tell whether an operation on a name left anything to do, or is under way; of parts too."""
    return any(store.list(journal_key(name)))


def read_holdings(store: BlobStore, now: Snapshot) -> Holdings:
    """Return what is known of the bytes that there are under a name."""
    return _read_holdings(store, now)[0]


def _read_holdings(store: BlobStore, now: Snapshot) -> tuple[Holdings, Condition]:
    """Return that, and the condition that it is still what is written down."""
    try:
        found = store.read(digests_key(now.name)) if now.exists else None
    except StoreError:
        found = None  # lost, or far too large: no operation depends on it
    if found is None:
        return Holdings(now, Digests()), None
    return Holdings(now, Digests.decode(found.data)), IfUnchanged(found.etag)


def read_behind(store: BlobStore, name: DeploymentName) -> Behind:
    """Return the servers that missed something under a name."""
    try:
        return Behind.decode(store.read(behind_key(name)).data)
    except StoreUnavailableError:
        raise
    except StoreError:
        # None, or far too large: what the servers serve tells most of it.
        return Behind()
