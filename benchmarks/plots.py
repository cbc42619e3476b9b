"""Draws a run: for each benchmark, what each way takes of its baseline."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.results import Result, Run

OURS, OTHERS = "#3d7a35", "#2b6cb0"
INK, SOFT, GRID = "#1f2933", "#52606d", "#cbd2d9"
WIDE = 8.0
"""From this ratio on, the axis is a logarithm's."""
BAR = 0.24
"""Inches. The colours are those of `docsite.drawings`, which makes the dark twins."""


def draw(run: Run, directory: Path) -> None:
    """Write ``<benchmark>.svg`` for each benchmark of a run."""
    directory.mkdir(parents=True, exist_ok=True)
    for benchmark in dict.fromkeys(result.benchmark for result in run.results):
        found = [result for result in run.results if result.benchmark == benchmark]
        path = directory / f"{benchmark}.svg"
        # Else every run would draw other names of clips, and today's date.
        with mpl.rc_context({"svg.hashsalt": benchmark, "svg.fonttype": "none"}):
            _figure(found).savefig(path, transparent=True, metadata={"Date": None, "Creator": None})
        path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")


def _figure(results: list[Result]) -> Figure:
    cases = list(dict.fromkeys(result.case for result in results))
    rows = len(results) + len(cases)
    figure = Figure(figsize=(8.4, 0.9 + BAR * rows), layout="constrained")
    axes = figure.subplots()
    place = 0
    for case in cases:
        axes.text(
            0,
            place,
            case,
            transform=axes.get_yaxis_transform(),
            va="center",
            color=INK,
            fontweight="bold",
            fontsize=9,
        )
        for result in (result for result in results if result.case == case):
            place += 1
            colour = OURS if result.ours else OTHERS
            axes.barh(place, result.ratio, color=colour, height=0.72)
            axes.text(
                result.ratio,
                place,
                f" {result.ratio:.2f} x ({_amount(result)})",
                va="center",
                color=INK,
                fontsize=8,
            )
            axes.text(
                -0.01,
                place,
                result.way,
                transform=axes.get_yaxis_transform(),
                va="center",
                ha="right",
                color=SOFT,
                fontsize=8,
            )
        place += 1
    largest, least = (f(result.ratio for result in results) for f in (max, min))
    if largest > WIDE:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlim(min(0.05, least / 2), largest * 8)
    else:
        axes.set_xlim(0, largest * 1.3)
    axes.set_ylim(place - 0.4, -0.8)
    axes.axvline(1, color=SOFT, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_xlabel(
        "times what the baseline takes in the same run: less is better", color=SOFT, fontsize=8
    )
    axes.set_yticks([])
    axes.tick_params(axis="x", which="both", colors=SOFT, labelsize=8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    return figure


def _amount(result: Result) -> str:
    if result.unit == "MiB":
        return f"{result.value:.0f} MiB"
    return f"{result.value:.2f} s" if result.value >= 1 else f"{1000 * result.value:.3g} ms"
