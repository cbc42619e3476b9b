"""Whether an address is of the machine that this process runs on."""

from __future__ import annotations

import ipaddress
import socket


def is_this_machine(host: str, port: int) -> bool:
    """Tell whether every address of a host is this machine's own. Nothing is sent there.

    What answers there may be a container or a tunnel all the same.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        return bool(found) and all(_is_own(family, address) for family, _, _, _, address in found)
    except OSError:
        return False


def _is_own(family: int, address: tuple[object, ...]) -> bool:
    ip = ipaddress.ip_address(str(address[0]).partition("%")[0])
    if ip.is_loopback:
        return True
    # What is sent to an address of one's own comes from that same address.
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect(address)
        return bool(sock.getsockname()[0] == sock.getpeername()[0])
