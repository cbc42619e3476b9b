"""One writer a name: the lease on it, and in the same file the journal of its holder.

The file is only ever written on condition that it is still what its writer wrote or read last. So
an operation that lost the lease can't write the journal, and one that takes it over gets the
journal with it. All other changes of files that a name's operations share are guarded by it: see
`Guard`.

A lease runs out by the repository's own clock. Whether it has is asked of the store (`age`), since
the clocks of two machines may differ by more than a lease lasts.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from triton_deploy_core.bookkeeping import journal_key
from triton_deploy_core.clock import Clock
from triton_deploy_core.errors import (
    BlobNotFoundError,
    DeployError,
    DeploymentBusyError,
    LeaseLostError,
    PreconditionFailedError,
    StaleWriterError,
    StoreError,
)
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.ports.store import BlobStore, Condition, Guard, IfAbsent, IfUnchanged
from triton_deploy_core.process_identity import is_known_dead, process_identity

LEASE_SECONDS = 60.0
_ATTEMPTS = 5
_MAX_BYTES = 8 << 20
_MAX_SHOWN = 200
_MAX_TIME = 253_402_300_799.0  # the end of the year 9999, the last that can be written as a date
_HELD_HERE: set[str] = set()
"""The tokens of leases that this process holds: others of its own are those of what has ended."""
_LEASE_FIELDS = frozenset({"holder", "operation", "token", "since", "until"})


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """What a lease's file says.

    Attributes:
        holder: the holder's user, machine and process, for people.
        operation: what for.
        token: letters and digits that no other holder ever has; empty once it is released.
        since: when the holder took it, in seconds since the epoch by its own clock; shown only.
        until: when it runs out if it is not renewed, by the same clock; shown only.
        process: the holder as `process_identity` has it, empty where that is not known.
        seconds: how long it lasts if it is not renewed, `LEASE_SECONDS` at most.
        overtook: whether an earlier holder may still be at work.
        journal: the fields of the journal of the operation, None where there is none.
    """

    holder: str
    operation: str
    token: str
    since: float
    until: float
    process: str = ""
    seconds: float = LEASE_SECONDS
    overtook: bool = False
    journal: Mapping[str, Any] | None = field(default=None, hash=False)

    def encode(self) -> bytes:
        """Return the file's content; the token is at its beginning, as a `Guard` needs it."""
        fields = {
            "token": self.token,
            **{name: getattr(self, name) for name in self.__slots__ if name != "token"},
        }
        return json.dumps(fields, indent=1).encode()

    @classmethod
    def decode(cls, data: bytes, name: DeploymentName) -> LeaseRecord:
        """Read a lease's file, which a stranger may have written.

        A journal alone, as earlier releases wrote it, is a released lease.

        Raises:
            StoreError: it is no such file.
        """
        try:
            fields = json.loads(data) if len(data) <= _MAX_BYTES else None
            return cls._of(fields)
        except (
            *(ValueError, KeyError, TypeError),
            *(AttributeError, RecursionError, OverflowError),
        ) as error:
            raise StoreError(
                f"{journal_key(name)} is not a journal that this version can read, so what an "
                f"operation on '{name}' left can't be undone. Another version may have written it: "
                "use that one to finish, or delete the deployment's directory and this file by "
                "hand."
            ) from error

    @classmethod
    def _of(cls, fields: Any) -> LeaseRecord:
        if "phase" in fields and not _LEASE_FIELDS & fields.keys():
            return cls("", "", "", 0.0, 0.0, journal=fields)
        journal, overtook = fields.get("journal"), fields.get("overtook", False)
        since, until = fields["since"], fields["until"]
        seconds = fields.get("seconds", LEASE_SECONDS)
        if not (isinstance(journal, dict | None) and isinstance(overtook, bool)):
            raise TypeError
        if not {type(since), type(until), type(seconds)} <= {int, float}:
            raise TypeError
        if not (0.0 <= since <= until <= _MAX_TIME and seconds >= 0.0):
            raise ValueError
        return cls(
            holder=_shown(fields["holder"]),
            operation=_shown(fields["operation"]),
            token=_shown(fields["token"]),
            since=float(since),
            until=float(until),
            process=_shown(fields.get("process", "")),
            seconds=float(seconds),
            overtook=overtook,
            journal=journal,
        )

    @property
    def is_over(self) -> bool:
        """Whether its holder has surely stopped: it released the lease, or its process ended."""
        if not self.token or is_known_dead(self.process):
            return True
        return self.process == process_identity() and self.token not in _HELD_HERE

    def is_held(self, age: Callable[[], float]) -> bool:
        """Tell whether its holder may still be at work under it.

        Args:
            age: returns the file's age by the store's clock, in seconds; see `BlobStore.age`.
        """
        return not self.is_over and age() < min(self.seconds, LEASE_SECONDS)

    @property
    def described(self) -> str:
        """Who holds it, since when, and until when."""
        return (
            f"{self.holder} has held it since {_time(self.since)}, until {_time(self.until)} "
            "at least"
        )


class Lease:
    """A lease that this process holds, renewed by a thread until it is released.

    Args:
        store: the repository.
        name: what it is on.
        record: what its file says.
        etag: the file's tag.
        clock: the time as this process sees it.
        seconds: how long it lasts if it is not renewed.
        expires: when it runs out at the earliest, by the clock's `monotonic`.

    Attributes:
        guard: for changes of files that other operations on the name change, too.
    """

    def __init__(
        self,
        store: BlobStore,
        name: DeploymentName,
        record: LeaseRecord,
        etag: str,
        *,
        clock: Clock,
        seconds: float,
        expires: float,
    ) -> None:
        self.guard = Guard(journal_key(name), record.token)
        self._store = store
        self._name = name
        self._record = record
        self._etag = etag
        self._clock = clock
        self._seconds = seconds
        self._expires = expires
        self._is_lost = False
        self._has_staged = False
        self._lock = threading.RLock()
        self._released = threading.Event()
        self._renewer = threading.Thread(target=self._keep, name=f"lease-{name}", daemon=True)
        self._renewer.start()

    @property
    def journal(self) -> Mapping[str, Any] | None:
        """The fields of the journal: what this operation noted, else what an earlier one left."""
        return self._record.journal

    @property
    def overtook(self) -> bool:
        """Whether an earlier holder may still be at work: see `LeaseRecord.overtook`."""
        return self._record.overtook

    def note(self, journal: Mapping[str, Any]) -> None:
        """Write the journal, which renews the lease.

        Raises:
            LeaseLostError: another operation holds the lease now.
        """
        with self._lock:
            self._renew(journal)

    def forget(self) -> None:
        """Have no journal any more. That is written with what comes next: a note, or the end."""
        with self._lock:
            self._record = replace(self._record, journal=None)

    def verify(self) -> None:
        """Make sure that the lease is still ours as far as this process knows.

        Only where it has run out by this machine's own clock the store is asked.

        Raises:
            LeaseLostError: another operation holds it now.
        """
        with self._lock:
            if self._is_lost:
                raise self._lost()
            if self._clock.monotonic() >= self._expires:
                # Nobody has taken it over if its file is still the one that we wrote.
                self._renew(self._record.journal)

    def confirm(self) -> None:
        """Make sure that the lease is still ours, by what its file says now.

        Raises:
            LeaseLostError: another operation holds it now.
        """
        with self._lock:
            self.verify()
            if not self._holds():
                raise self._lost()

    @contextmanager
    def fencing(self) -> Iterator[Guard]:
        """Yield the guard for changes within the context.

        Raises:
            LeaseLostError: the guard did not hold.
        """
        self.verify()
        self._has_staged = not self._store.capabilities.atomic_guards
        try:
            yield self.guard
        except StaleWriterError as error:
            raise self._lost() from error

    def release(self) -> None:
        """Give the lease back; the journal stays where there is one.

        Raises:
            LeaseLostError: another operation has held it since, or may have.
        """
        self._released.set()
        self._renewer.join()
        if self._is_lost:
            self._unstage()
            raise self._lost()
        try:
            self._release()
        except LeaseLostError:
            self._unstage()
            raise
        except StoreError as error:
            # What can't be given back runs out by itself, unless it has done so already.
            if self._clock.monotonic() >= self._expires:
                raise self._lost() from error

    def _release(self) -> None:
        if self._has_staged:
            self._store.delete([self.guard.staging])
        try:
            _give_up(self._store, self._record, IfUnchanged(self._etag), self.guard.key)
        except PreconditionFailedError as error:
            if not self._holds():
                raise self._lost() from error
            _give_up(self._store, self._record, IfUnchanged(self._etag), self.guard.key)

    def _unstage(self) -> None:
        """Remove what was staged after another operation had done so: no other ever uses it."""
        if self._has_staged:
            with suppress(StoreError):
                self._store.delete([self.guard.staging])

    def _keep(self) -> None:
        while not self._released.wait(self._seconds / 3):
            with self._lock:
                try:
                    self._renew(self._record.journal)
                except LeaseLostError:
                    return
                except StoreError:
                    # The next attempt may succeed, and `verify` stops the work when none did
                    # before the lease ran out.
                    continue

    def _renew(self, journal: Mapping[str, Any] | None) -> None:
        now, sent = self._clock.now(), self._clock.monotonic()
        renewed = replace(self._record, until=now + self._seconds, journal=journal)
        renewed = replace(renewed, since=min(renewed.since, now))
        try:
            self._etag = self._replace(renewed)
        except PreconditionFailedError as error:
            raise self._lost() from error
        self._record = renewed
        self._expires = sent + self._seconds

    def _replace(self, renewed: LeaseRecord) -> str:
        key, data = self.guard.key, renewed.encode()
        try:
            return self._store.write(key, data, condition=IfUnchanged(self._etag))
        except PreconditionFailedError:
            if not self._holds():
                raise
            return self._store.write(key, data, condition=IfUnchanged(self._etag))

    def _holds(self) -> bool:
        """Tell whether the file is still ours, be it by a write whose answer was lost."""
        try:
            found = self._store.read(self.guard.key)
        except BlobNotFoundError:
            return False
        if not self.guard.holds(found.data):
            return False
        self._etag = found.etag
        return True

    def _lost(self) -> LeaseLostError:
        self._is_lost = True
        now_held = None
        with suppress(StoreError):
            now_held = LeaseRecord.decode(self._store.read(self.guard.key).data, self._name)
        if now_held is None or not now_held.token or now_held.token == self._record.token:
            what = "another operation may have changed it since"
            holder, until = self._record.holder, self._record.until
        else:
            what = f"another is at work on it now: {now_held.operation}, {now_held.described}"
            holder, until = now_held.holder, now_held.until
        return LeaseLostError(
            f"This {self._record.operation} of '{self._name}' was paused, or cut off from the "
            f"repository, for longer than its lease lasts, and {what}. It changed nothing after "
            "that, and nothing needs to be cleaned up.",
            holder=holder,
            expires_at=until,
        )


@contextmanager
def holding(
    store: BlobStore,
    name: DeploymentName,
    operation: str,
    *,
    clock: Clock,
    seconds: float = LEASE_SECONDS,
) -> Iterator[Lease]:
    """Hold the lease on a name for as long as the context lasts.

    Raises:
        DeploymentBusyError: another operation holds it.
        LeaseLostError: another operation has taken it over within the context.
        StoreError: the file of the lease can't be read.
    """
    now = clock.now()
    record = LeaseRecord(
        holder=_holder(),
        operation=operation,
        token=uuid.uuid4().hex,
        since=now,
        until=now + seconds,
        process=process_identity(),
        seconds=seconds,
    )
    _HELD_HERE.add(record.token)
    try:
        with _held(store, name, record, clock=clock, seconds=seconds) as lease:
            yield lease
    finally:
        _HELD_HERE.discard(record.token)


@contextmanager
def _held(
    store: BlobStore, name: DeploymentName, record: LeaseRecord, *, clock: Clock, seconds: float
) -> Iterator[Lease]:
    expires = clock.monotonic() + seconds
    try:
        record, etag, earlier = _acquire(store, name, record, clock)
    except StoreError:
        _give_back(store, name, record.token)
        raise
    lease = Lease(store, name, record, etag, clock=clock, seconds=seconds, expires=expires)
    try:
        if earlier and not store.capabilities.atomic_guards:
            _fence_off(store, lease.guard)
        yield lease
    except DeployError as error:
        try:
            lease.release()
        except LeaseLostError as lost:
            # What failed may have failed since another operation was at work, too.
            if not isinstance(error, LeaseLostError):
                raise lost from error
        raise
    except BaseException:
        with suppress(LeaseLostError):
            lease.release()
        raise
    lease.release()


def require_free(store: BlobStore, name: DeploymentName) -> None:
    """Make sure that no operation holds the lease on a name, without keeping others from it.

    Raises:
        DeploymentBusyError: one does.
        StoreError: the file of the lease can't be read.
    """
    key = journal_key(name)
    with suppress(BlobNotFoundError):
        found = LeaseRecord.decode(store.read(key).data, name)
        if found.is_held(lambda: store.age(key)):
            raise _busy(name, found)


def _acquire(
    store: BlobStore, name: DeploymentName, record: LeaseRecord, clock: Clock
) -> tuple[LeaseRecord, str, str]:
    """Return the lease, its tag, and the token of a holder that it was taken over from."""
    key = journal_key(name)
    mine, earlier = record, ""
    condition: Condition = IfAbsent()
    for _ in range(_ATTEMPTS):
        try:
            return mine, store.write(key, mine.encode(), condition=condition), earlier
        except PreconditionFailedError:
            pass
        try:
            found = store.read(key)
            other = LeaseRecord.decode(found.data, name)
            if other.token == record.token:
                # The answer to our own write was lost and the library sent it again.
                return mine, found.etag, earlier
            if other.is_held(lambda: store.age(key)):
                raise _busy(name, other)
        except BlobNotFoundError:
            mine, earlier, condition = record, "", IfAbsent()
            continue
        overtook = other.overtook or not other.is_over
        mine, earlier = replace(record, journal=other.journal, overtook=overtook), other.token
        condition = IfUnchanged(found.etag)
    raise DeploymentBusyError(
        f"Several operations on '{name}' are starting at once. Try again in a moment.",
        holder="several",
        expires_at=clock.now(),
    )


def _fence_off(store: BlobStore, guard: Guard) -> None:
    """Remove what earlier holders have staged: so none of their writes takes effect any more."""
    staged = [blob.key for blob in store.list(f"{guard.key}.") if blob.key != guard.staging]
    if staged:
        store.delete(staged)


def _give_back(store: BlobStore, name: DeploymentName, token: str) -> None:
    """Give a lease back that this process may hold, though no answer said so."""
    guard = Guard(journal_key(name), token)
    # One that can't be given back runs out by itself.
    with suppress(StoreError):
        found = store.read(guard.key)
        record = LeaseRecord.decode(found.data, name)
        if record.token == token:
            _give_up(store, record, IfUnchanged(found.etag), guard.key)


def _give_up(store: BlobStore, record: LeaseRecord, condition: IfUnchanged, key: str) -> None:
    """Release a lease: remove its file, or leave the journal in it for the next operation.

    Raises:
        PreconditionFailedError: it is not what the condition says.
    """
    if record.journal is None:
        store.delete([key], condition=condition)
    else:
        store.write(key, replace(record, token="").encode(), condition=condition)


def _busy(name: DeploymentName, other: LeaseRecord) -> DeploymentBusyError:
    return DeploymentBusyError(
        f"Another {other.operation} of '{name}' is under way: {other.described}. Try again when it "
        "is over; if it was killed on another machine, after that time.",
        holder=other.holder,
        expires_at=other.until,
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def _shown(text: object) -> str:
    """Return a text that is fit for a message: on one line, and not too long."""
    if not isinstance(text, str):
        raise TypeError(type(text))
    return "".join(char if char.isprintable() else "?" for char in text[:_MAX_SHOWN])


def _holder() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        # A container may run under a number that has no name.
        user = f"uid {os.getuid()}" if hasattr(os, "getuid") else "somebody"
    return f"{user}@{socket.gethostname()} (process {os.getpid()})"
