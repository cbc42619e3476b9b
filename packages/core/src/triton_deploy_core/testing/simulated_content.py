"""What a model version's files make the simulated Triton do when it loads them.

The first line of a file steers the load of the version that it is in:

- ``broken REASON``: the load fails with the reason ``Internal: REASON``;
- ``needs THING``: the load fails on a server that has no such thing;
- ``hang``: the load never ends;
- ``slow SECONDS``: the load takes so long, also one that fails by another file;
- anything else is good content.

A version needs a file; an ensemble's may be an empty directory (a marker).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from triton_deploy_core.keys import is_marker
from triton_deploy_core.testing.simulated_ensemble import is_ensemble


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a load ends: after so many seconds, with a reason if it fails."""

    seconds: float = 0.0
    failure: str | None = None


def outcome_of(
    version: int,
    files: Mapping[str, bytes],
    config: Mapping[str, Any],
    has: Collection[str] = (),
) -> Outcome:
    """Tell how the load of a version ends that consists of these files.

    Args:
        version: its number.
        files: path inside the model's directory → content, of this version alone.
        config: the model's configuration.
        has: what the server has that models may need.
    """
    own = {path: data for path, data in files.items() if path.startswith(f"{version}/")}
    if not is_ensemble(config) and all(is_marker(path) for path in own):
        # `2tmp` counts as version 2, but its files are looked for in `2`.
        return Outcome(failure=f"Internal: no model file in version directory {version}")
    lines = [_first_line(data) for _, data in sorted(own.items())]
    for line in lines:
        word, _, rest = line.partition(" ")
        if word.startswith("broken"):
            return Outcome(sum(map(_seconds, lines)), f"Internal: {rest or 'broken'}")
        if word == "needs" and rest.strip() not in has:
            return Outcome(sum(map(_seconds, lines)), f"Internal: there is no {rest.strip()} here")
    if any(line.startswith("hang") for line in lines):
        return Outcome(math.inf)
    return Outcome(sum(_seconds(line) for line in lines))


def _first_line(data: bytes) -> str:
    return data.partition(b"\n")[0].decode(errors="replace").rstrip("\r")


def _seconds(line: str) -> float:
    word, _, rest = line.partition(" ")
    try:
        return float(rest) if word == "slow" else 0.0
    except ValueError:
        return 0.0
