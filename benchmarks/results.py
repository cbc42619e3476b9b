"""What a run found, kept so that it can be compared with another run, also of another machine.

Seconds say nothing there, so each result has its ratio to a baseline of the same run: what the
libraries take alone, or what the smallest case takes.
"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

LIBRARIES = ("boto3", "obstore", "tritonclient", "mlflow", "numpy")


@dataclass(frozen=True)
class Result:
    """One way to do one thing.

    Attributes:
        benchmark: which one.
        case: what was done.
        way: how.
        ours: whether this project does it so.
        value: what it took, in `unit`.
        unit: ``s`` or ``MiB``.
        ratio: to the baseline of the same case and run; below 1 is less.
        baseline: what that is.
    """

    benchmark: str
    case: str
    way: str
    ours: bool
    value: float
    unit: str
    ratio: float
    baseline: str

    @property
    def key(self) -> tuple[str, str, str]:
        """By what it is known in another run."""
        return self.benchmark, self.case, self.way


@dataclass(frozen=True)
class Run:
    """All results of a run, and what it ran on: the kind of machine, not which one."""

    results: tuple[Result, ...]
    machine: dict[str, Any] = field(default_factory=dict)
    quick: bool = False

    def write(self, path: Path) -> None:
        """Write the run as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> Run:
        """Read what `write` wrote."""
        document = json.loads(path.read_text())
        results = tuple(Result(**result) for result in document.pop("results"))
        return cls(results=results, **document)


def machine(load_before: float) -> dict[str, Any]:
    """Describe the kind of machine.

    Args:
        load_before: what `load` said before the benchmarks made some themselves.
    """
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_before": round(load_before, 1),
        "load_after": round(load(), 1),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def load() -> float:
    """Return how many processes wanted to run, on average of the last five minutes."""
    return os.getloadavg()[1]
