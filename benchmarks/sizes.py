"""How much the benchmarks do: all of it, or what takes some minutes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """How much.

    Attributes:
        files: small files of an upload.
        megabytes: of the large file of an upload.
        deployments: that are listed and deleted.
        memory: sizes of the files, in bytes, whose upload's memory is measured.
        seconds: for each row of predictions.
        commands: pairs of commands that are compared.
        rounds: of which the best counts.
    """

    files: int
    megabytes: int
    deployments: int
    memory: tuple[int, ...]
    seconds: float
    commands: int
    rounds: int


WHOLE = Size(2000, 200, 1000, (1_000, 200_000_000, 2_000_000_000), 5.0, 8, 3)
QUICK = Size(500, 50, 200, (1_000, 200_000_000), 1.0, 2, 3)
TINY = Size(5, 1, 3, (1_000,), 0.01, 1, 1)
"""To see that they run at all."""
