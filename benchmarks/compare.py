"""Compares two runs by their ratios: ``python -m benchmarks.compare OLD.json NEW.json``.

The status is 1 where this project takes more of its baseline than before, by more than the
tolerance.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.results import Run


@dataclass(frozen=True)
class Change:
    """What became of one result of this project.

    Attributes:
        what: benchmark and case.
        old: ratio to the baseline before; None where that run has no such case.
        new: likewise, in the other run.
    """

    what: str
    old: float | None
    new: float | None

    def is_worse(self, tolerance: float) -> bool:
        """Tell whether it takes more by more than a share."""
        return None not in (self.old, self.new) and self.new > self.old * (1 + tolerance)  # type: ignore[operator]


def changes(old: Run, new: Run) -> Iterator[Change]:
    """Yield what became of every result of this project that either run has."""
    before, after = (
        {result.key: result.ratio for result in run.results if result.ours} for run in (old, new)
    )
    for key in dict.fromkeys([*before, *after]):
        yield Change(": ".join(key), before.get(key), after.get(key))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--tolerance", type=float, default=0.25, help="a share (%(default)s)")
    options = parser.parse_args(arguments)
    found = list(changes(Run.read(options.old), Run.read(options.new)))
    for change in found:
        worse = "  worse" if change.is_worse(options.tolerance) else ""
        print(f"{change.what:70} {_number(change.old)} -> {_number(change.new)}{worse}")
    return int(any(change.is_worse(options.tolerance) for change in found))


def _number(ratio: float | None) -> str:
    return "      -" if ratio is None else f"{ratio:7.2f}"


if __name__ == "__main__":
    sys.exit(main())
