"""One writer a name: a lease that is taken by a conditional write and runs out by itself."""

from __future__ import annotations

import getpass
import json
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from triton_deploy_core.bookkeeping import lease_key
from triton_deploy_core.clock import Clock
from triton_deploy_core.errors import (
    BlobNotFoundError,
    DeploymentBusyError,
    PreconditionFailedError,
    StoreError,
)
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.ports.store import BlobStore, Condition, IfAbsent, IfUnchanged
from triton_deploy_core.process_identity import is_known_dead, process_identity

LEASE_SECONDS = 60.0
_ATTEMPTS = 5
_MAX_LEASE_BYTES = 64 * 1024
_MAX_SHOWN = 200
# No lease is given for longer than a minute; more is the difference of two clocks, or a forgery.
_MAX_AHEAD_SECONDS = 3600.0
_MAX_TIME = 253_402_300_799.0  # the end of the year 9999, the last that can be written as a date


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """What a lease's file says. Times are in seconds since the epoch.

    `process` is the holder as `process_identity` has it, empty where that is not known.
    """

    holder: str
    operation: str
    token: str
    since: float
    until: float
    process: str = ""

    def encode(self) -> bytes:
        """Return the file's content."""
        fields = {field: getattr(self, field) for field in self.__slots__}
        return json.dumps(fields, indent=1).encode()

    @classmethod
    def decode(cls, data: bytes) -> LeaseRecord:
        """Read a lease's file, which anybody may have written.

        One that nobody can read has run out already, and so has one that would hold for longer
        than any lease does.
        """
        try:
            fields = json.loads(data) if len(data) <= _MAX_LEASE_BYTES else {}
            since, until = float(fields["since"]), float(fields["until"])
            read = cls(
                holder=_shown(fields["holder"]),
                operation=_shown(fields["operation"]),
                token=_shown(fields["token"]),
                since=since,
                until=until,
                process=_shown(fields.get("process", "")),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
            return cls("somebody", "an operation", "", 0.0, 0.0)
        possible = 0.0 <= since <= until <= _MAX_TIME
        return read if possible else replace(read, since=0.0, until=0.0)

    def is_held(self, now: float) -> bool:
        """Tell whether somebody may still be at work under it. `now` is since the epoch."""
        return now < self.until <= now + _MAX_AHEAD_SECONDS and not is_known_dead(self.process)

    @property
    def described(self) -> str:
        """Who holds it, since when, and until when."""
        return (
            f"{self.holder} has held it since {_time(self.since)}, until {_time(self.until)} "
            "at least"
        )


class Lease:
    """A lease that this process holds, renewed by a thread until it is released."""

    def __init__(
        self,
        store: BlobStore,
        name: DeploymentName,
        record: LeaseRecord,
        etag: str,
        *,
        clock: Clock,
        seconds: float,
    ) -> None:
        self._store = store
        self._name = name
        self._record = record
        self._etag = etag
        self._clock = clock
        self._seconds = seconds
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._renewer = threading.Thread(target=self._keep, name=f"lease-{name}", daemon=True)
        self._renewer.start()

    def verify(self) -> None:
        """Make sure that the lease is still ours, before each step that changes something.

        Raises:
            DeploymentBusyError: it ran out while this process was stuck, and may be another's now.
        """
        with self._lock:
            if self._clock.now() < self._record.until:
                return
            try:
                # Nobody has taken it over if its file is still the one that we wrote.
                self._renew()
            except (PreconditionFailedError, BlobNotFoundError) as error:
                raise DeploymentBusyError(
                    f"The lease on '{self._name}' ran out while this process was stuck, and "
                    "another is at work on it now. Run the command again when that is over.",
                    holder=self._record.holder,
                    expires_at=self._record.until,
                ) from error

    def release(self) -> None:
        """Give the lease back. One that ran out is left to whoever has it now."""
        self._released.set()
        self._renewer.join()
        _give_back(self._store, self._name, self._record.token)

    def _keep(self) -> None:
        while not self._released.wait(self._seconds / 3):
            with self._lock:
                try:
                    self._renew()
                except StoreError:
                    # Not fatal yet: the next attempt may succeed, and verify() stops the work
                    # when none did before the lease ran out.
                    continue

    def _renew(self) -> None:
        renewed = replace(self._record, until=self._clock.now() + self._seconds)
        key = lease_key(self._name)
        try:
            etag = self._store.write(key, renewed.encode(), condition=IfUnchanged(self._etag))
        except PreconditionFailedError:
            # It may be our own write of which only the answer was lost.
            found = self._store.read(key)
            if LeaseRecord.decode(found.data).token != self._record.token:
                raise
            etag = self._store.write(key, renewed.encode(), condition=IfUnchanged(found.etag))
        self._etag = etag
        self._record = renewed


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
    """
    now = clock.now()
    record = LeaseRecord(
        holder=_holder(),
        operation=operation,
        token=uuid.uuid4().hex,
        since=now,
        until=now + seconds,
        process=process_identity(),
    )
    try:
        etag = _acquire(store, name, record, clock)
    except StoreError:
        _give_back(store, name, record.token)
        raise
    lease = Lease(store, name, record, etag, clock=clock, seconds=seconds)
    try:
        yield lease
    finally:
        lease.release()


def require_free(store: BlobStore, name: DeploymentName, *, clock: Clock) -> None:
    """Make sure that nobody is at work on a name, without keeping others from it.

    Raises:
        DeploymentBusyError: an operation holds its lease.
    """
    with suppress(BlobNotFoundError):
        found = LeaseRecord.decode(store.read(lease_key(name)).data)
        if found.is_held(clock.now()):
            raise _busy(name, found)


def _acquire(store: BlobStore, name: DeploymentName, record: LeaseRecord, clock: Clock) -> str:
    key = lease_key(name)
    condition: Condition = IfAbsent()
    for _ in range(_ATTEMPTS):
        try:
            return store.write(key, record.encode(), condition=condition)
        except PreconditionFailedError:
            pass
        try:
            found = store.read(key)
        except BlobNotFoundError:
            condition = IfAbsent()
            continue
        other = LeaseRecord.decode(found.data)
        if other.token == record.token:
            # The answer to our own write was lost and the library sent it again.
            return found.etag
        if other.is_held(clock.now()):
            raise _busy(name, other)
        condition = IfUnchanged(found.etag)
    raise DeploymentBusyError(
        f"Several operations on '{name}' are starting at once. Try again in a moment.",
        holder="several",
        expires_at=clock.now(),
    )


def _give_back(store: BlobStore, name: DeploymentName, token: str) -> None:
    """Remove a lease if it is the one with this token."""
    key = lease_key(name)
    # One that can't be given back runs out by itself: the operation's own outcome counts.
    with suppress(StoreError):
        if LeaseRecord.decode(store.read(key).data).token == token:
            store.delete([key])


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
