"""Which process this is, and whether another one on this machine is still there.

On Linux, from ``/proc`` (``man 5 proc``): the machine's boot and the namespace that process numbers
are of, the process's number, and when it started, since numbers are used again.
"""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")


def process_identity() -> str:
    """Return a text that no other process ever has; empty where the system can't tell."""
    started = _started(os.getpid())
    machine = _machine()
    return f"{machine}/{os.getpid()}/{started}" if machine and started else ""


def is_known_dead(identity: str) -> bool:
    """Tell whether a process is surely gone: False for one that may live on another machine."""
    machine, _, process = identity.rpartition("/")[0].rpartition("/")
    if not process.isdecimal() or not machine or machine != _machine():
        return False
    return _started(int(process)) != identity.rpartition("/")[2]


def _machine() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _started(process: int) -> str:
    """Return when a process started, in the kernel's ticks; empty for one that is gone."""
    try:
        stat = (_PROC / str(process) / "stat").read_text(errors="replace")
    except OSError:
        return ""
    # The second field, the program's name, may hold spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    state, started = fields[0], fields[19]
    return "" if state in {"Z", "X"} else started
