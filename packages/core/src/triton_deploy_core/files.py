"""Writing a deployment's files so that every moment of it can be undone or finished."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from triton_deploy_core import layout
from triton_deploy_core.bookkeeping import journal_key
from triton_deploy_core.errors import BlobNotFoundError
from triton_deploy_core.journal import Journal, Phase
from triton_deploy_core.lease import Lease
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import CONFIG_FILE
from triton_deploy_core.planning import Plan
from triton_deploy_core.ports.progress import Progress
from triton_deploy_core.ports.store import Blob, BlobStore, Content, Source, StoredBlob, Transfer
from triton_deploy_core.records import RECORD_FILE, Record
from triton_deploy_core.snapshot import Snapshot

SAVED = ".deploy/saved/"
"""Where copies of replaced files wait, inside the model: no version, so Triton ignores it."""

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

    @property
    def name(self) -> DeploymentName:
        """Whose files these are."""
        return self._name

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

    def save(self, now: Snapshot, plan: Plan) -> Journal:
        """Keep what the plan is going to replace or remove, and journal how to put it back."""
        own = {CONFIG_FILE, RECORD_FILE}
        touched = (frozenset(plan.files) | plan.removed | own) & frozenset(now.files)
        small = sorted(path for path in touched if now.files[path].size <= _INLINE_BYTES)
        inlined = frozenset(small[:_INLINE_FILES]) | (touched & own)
        journal = Journal(
            phase=Phase.UNDO,
            before=frozenset(now.files),
            inline={path: self._content(path) for path in sorted(inlined)},
            copied=touched - inlined,
        )
        self.note(replace(journal, copied=frozenset()))
        if journal.copied:
            self._put(
                {
                    SAVED + path: StoredBlob(self._prefix + path, now.files[path].size)
                    for path in sorted(journal.copied)
                }
            )
            self.note(journal)
        return journal

    def write(self, plan: Plan, *, had_config: bool) -> None:
        """Write what the plan says; the configuration, whose write is the commit, comes last."""
        if plan.hiding is not None:
            self._write(CONFIG_FILE, plan.hiding)
        self._put(plan.files)
        self._delete(plan.removed)
        if plan.config is not None:
            self._write(CONFIG_FILE, plan.config)
        elif had_config:
            self._delete([CONFIG_FILE])

    def undo(self, journal: Journal) -> None:
        """Put everything back as it was before the operation. May be done again and again."""
        config = journal.inline.get(CONFIG_FILE)
        restored: dict[str, Source] = {
            path: Content(data) for path, data in journal.inline.items() if path != CONFIG_FILE
        }
        present = {blob.key[len(self._prefix) :]: blob for blob in self._listing()}
        for path in journal.copied:
            restored[path] = StoredBlob(self._prefix + SAVED + path, present[SAVED + path].size)
        self._put(restored)
        if config is not None:
            self._write(CONFIG_FILE, config)
        elif CONFIG_FILE in present:
            self._delete([CONFIG_FILE])
        self._delete(path for path in sorted(present) if path not in journal.before)

    def settle(self, journal: Journal) -> None:
        """Remove what nobody serves any more, then write the user's own configuration.

        May be done again and again.
        """
        present = [blob.key[len(self._prefix) :] for blob in self._listing()]
        self._delete(path for path in present if path in journal.garbage or path.startswith(SAVED))
        if journal.settled is not None:
            self._write(CONFIG_FILE, journal.settled)

    def record(self, record: Record) -> None:
        """Write the record of what serves now.

        Not before it serves: a changed record would make Triton reload an old version that has to
        go on serving after a failure.
        """
        self._write(RECORD_FILE, record.encode())

    def remove_all(self) -> None:
        """Remove every file of the name."""
        self._lease.verify()
        self._store.delete([blob.key for blob in self._listing()])

    def lend(self, version: int, to: int, now: Snapshot, config: bytes) -> None:
        """Put a copy of a version under another number, with a configuration that serves it.

        For a short time: the journal in force knows how to undo it.
        """
        lent = f"{version}/"
        self._put(
            {
                f"{to}/{path.removeprefix(lent)}": self._copy_of(path, blob)
                for path, blob in now.files.items()
                if path.startswith(lent)
            }
        )
        self._write(CONFIG_FILE, config)

    def _copy_of(self, path: str, blob: Blob) -> Source:
        return Content(b"") if path.endswith("/") else StoredBlob(self._prefix + path, blob.size)

    def _listing(self) -> list[Blob]:
        return list(self._store.list(self._prefix))

    def _content(self, path: str) -> bytes:
        return b"" if path.endswith("/") else self._store.read(self._prefix + path).data

    def _put(self, files: Mapping[str, Source]) -> None:
        if not files:
            return
        self._lease.verify()
        self._progress.total(sum(source.size for source in files.values()))
        transfers = [Transfer(self._prefix + path, files[path]) for path in sorted(files)]
        self._store.transfer(transfers, self._progress)

    def _write(self, path: str, data: bytes) -> None:
        self._lease.verify()
        self._store.write(self._prefix + path, data)

    def _delete(self, paths: Iterable[str]) -> None:
        keys = [self._prefix + path for path in paths]
        if keys:
            self._lease.verify()
            self._store.delete(keys)
