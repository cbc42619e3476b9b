"""The file by which a probe learns whether a server serves what is recorded.

Written by ``mlflow-triton reconcile`` and read by its ``--probe``: this module is all
that a probe needs, so that it takes no more than the start of an interpreter.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

_MAX_BYTES = 64 * 1024


class StatusError(Exception):
    """There is no such file, or it is none of these; the message says which."""


@dataclass(frozen=True, slots=True)
class Status:
    """What is known at the end of a round, or when the server was found to have lost all.

    Attributes:
        reconciled: whether the server has served all that is recorded since it came up.
        why: why not, or what the last round could not do; empty where all is well.
        round: how many rounds there were.
        time: when this was written, in seconds since the epoch.
    """

    reconciled: bool
    why: str
    round: int
    time: float

    def write(self, path: Path) -> None:
        """Replace the file in one step: whoever reads it gets the old status or this one.

        Raises:
            OSError: it can't be written.
        """
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w") as file:
                json.dump(asdict(self), file)
            Path(name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise

    @classmethod
    def read(cls, path: Path) -> Status:
        """Read the file.

        Raises:
            StatusError: there is none, or it can't be read.
        """
        try:
            with path.open("rb") as file:
                fields = json.loads(file.read(_MAX_BYTES))
            return cls(
                reconciled=fields["reconciled"] is True,
                why=str(fields["why"]),
                round=int(fields["round"]),
                time=float(fields["time"]),
            )
        except FileNotFoundError:
            raise StatusError("no round has ended yet") from None
        except OSError as error:
            raise StatusError(f"{path} can't be read ({error.strerror})") from error
        except (ValueError, TypeError, KeyError, RecursionError):
            raise StatusError(f"{path} is not a status file") from None


def complaint(path: Path, *, max_age: float | None, now: float) -> str | None:
    """Return why a server is not to be called reconciled; None where it is.

    Args:
        path: the status file.
        max_age: seconds after which nobody believes it any more; None: never.
        now: seconds since the epoch.
    """
    try:
        status = Status.read(path)
    except StatusError as error:
        return str(error)
    age = now - status.time
    if max_age is not None and age > max_age:
        return f"the last round ended {age:.0f} s ago, which is more than {max_age:g} s"
    return None if status.reconciled else status.why or "not everything that is recorded is served"
