"""Whether this machine can run the server's binary at all."""

from __future__ import annotations

import platform
import sys

from triton_local_server.errors import UnsupportedPlatformError


def require_supported_platform(system: str | None = None, machine: str | None = None) -> None:
    """Checks the operating system and the processor.

    Args:
        system: As `sys.platform`; this machine's where left out.
        machine: As `platform.machine()`; this machine's where left out.

    Raises:
        UnsupportedPlatformError: The server is built for Linux on x86-64 only.
    """
    system = sys.platform if system is None else system
    machine = platform.machine() if machine is None else machine
    if system != "linux" or machine.lower() not in {"x86_64", "amd64"}:
        raise UnsupportedPlatformError(
            f"The local Triton server runs on Linux x86-64 only, and this is {system} on "
            f"{machine}: use a Triton on another machine, or the official container image."
        )
