"""Compares ways to do one thing, in one run, one after another in every round."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.results import Result


@dataclass(frozen=True)
class Way:
    """A way to do it.

    Attributes:
        name: what it is called.
        act: does it, and is what is measured.
        before: makes what it needs.
        rounds: of a slow one, fewer are enough.
        ours: whether this project does it so.
    """

    name: str
    act: Callable[[], object]
    before: Callable[[], object] = lambda: None
    rounds: int = 99
    ours: bool = False


def compare(
    benchmark: str, case: str, ways: list[Way], *, baseline: str, rounds: int
) -> list[Result]:
    """Measure all, and return the best round of each, with its ratio to one of them."""
    seconds: dict[str, list[float]] = {way.name: [] for way in ways}
    for number in range(rounds):
        for way in ways:
            if number < way.rounds:
                way.before()
                began = time.perf_counter()
                way.act()
                seconds[way.name].append(time.perf_counter() - began)
    best = {name: min(taken) for name, taken in seconds.items()}
    return [
        Result(
            benchmark=benchmark,
            case=case,
            way=way.name,
            ours=way.ours,
            value=best[way.name],
            unit="s",
            ratio=best[way.name] / best[baseline],
            baseline=baseline,
        )
        for way in ways
    ]
