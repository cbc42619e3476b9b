"""Compares ways to do one thing, in one run, one after another in every round."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Way:
    """A way to do it.

    Attributes:
        name: the first is what all are compared with, the one in `best` is what to come up to.
        act: does it, and is what is measured.
        before: makes what it needs.
        rounds: of a slow one, fewer are enough.
    """

    name: str
    act: Callable[[], object]
    before: Callable[[], object] = lambda: None
    rounds: int = 99


def compare(title: str, ways: list[Way], *, best: str, rounds: int) -> None:
    """Measure all, and print the best round of each.

    Beside the time on the clock stands that of the processor: where others use the same machine,
    it says more.
    """
    seconds: dict[str, list[tuple[float, float]]] = {way.name: [] for way in ways}
    for number in range(rounds):
        for way in ways:
            if number < way.rounds:
                way.before()
                seconds[way.name].append(_measure(way.act))
    clock = {name: min(taken for taken, _ in found) for name, found in seconds.items()}
    processor = {name: min(taken for _, taken in found) for name, found in seconds.items()}
    first = clock[ways[0].name]
    print(f"\n| {title} | time | processor | against one by one | against the fastest library |")
    print("|---|---|---|---|---|")
    for name, taken in clock.items():
        print(
            f"| {name} | {taken:.2f} s | {processor[name]:.2f} s | {first / taken:.1f} x | "
            f"{clock[best] / taken:.0%} |",
            flush=True,
        )


def _measure(act: Callable[[], object]) -> tuple[float, float]:
    used, began = os.times(), time.perf_counter()
    act()
    taken, now = time.perf_counter() - began, os.times()
    return taken, now.user + now.system - used.user - used.system
