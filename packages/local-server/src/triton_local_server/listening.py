"""Which ports a process itself listens on, as the kernel tells it.

An answer on a port does not tell whose it is: another server may have taken the port first.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LISTEN = "0A"  # enum TCP_LISTEN of the kernel's net/tcp_states.h, as /proc/net/tcp prints it


def listening_ports(pid: int) -> frozenset[int]:
    """Returns the TCP ports that process `pid` listens on; none when it has ended."""
    own = set(_socket_inodes(pid))
    return frozenset(port for inode, port in _listeners(pid) if inode in own)


def _socket_inodes(pid: int) -> Iterator[str]:
    try:
        descriptors = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return
    for descriptor in descriptors:
        try:
            target = str(descriptor.readlink())
        except OSError:  # closed meanwhile
            continue
        if target.startswith("socket:["):
            yield target[len("socket:[") : -1]


def _listeners(pid: int) -> Iterator[tuple[str, int]]:
    # The process's own tables: it may be in another network namespace.
    for table in (Path(f"/proc/{pid}/net/tcp"), Path(f"/proc/{pid}/net/tcp6")):
        try:
            lines = table.read_text(encoding="ascii").splitlines()
        except OSError:  # there is no such protocol, or the process has ended
            continue
        for line in lines[1:]:
            # sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode …
            fields = line.split()
            if fields[3] == _LISTEN:
                yield fields[9], int(fields[1].rpartition(":")[2], 16)
