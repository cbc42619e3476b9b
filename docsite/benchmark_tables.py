"""Plots, tables and the kind of machine of the benchmarks, made from what a run left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_TITLES = {
    "uploads": "Uploads",
    "deployments": "Listing and deleting",
    "memory": "Memory of an upload",
    "fleet": "Fleets",
    "predictions": "Predictions",
}


def machine(path: Path) -> str:
    """Return a sentence about what the run ran on."""
    run = json.loads(path.read_text())
    kind = run["machine"]
    libraries = ", ".join(f"{name} {version}" for name, version in kind["libraries"].items())
    how = "`--quick`" if run["quick"] else "all of it"
    return (
        f"{kind['system']}, {kind['cores']} cores, {kind['memory_gib']} GiB, Python "
        f"{kind['python']}; {libraries}. Run with {how}. Before it began, {kind['load_before']} "
        f"processes wanted to run on those cores (average of five minutes), at its end "
        f"{kind['load_after']}: what is above the number of cores waited for others."
    )


def plots_and_tables(path: Path) -> str:
    """Return a section for each benchmark: the plot, and the figures below it.

    Raises:
        KeyError: a benchmark that nobody has a title for.
    """
    results = json.loads(path.read_text())["results"]
    parts = []
    for name in dict.fromkeys(result["benchmark"] for result in results):
        rows = [_row(result) for result in results if result["benchmark"] == name]
        parts += [
            f"## {_TITLES[name]}\n",
            f"![{_TITLES[name]}: the figures of the table below](images/benchmarks/{name}.svg)\n",
            "| | | took | ratio | baseline |\n|---|---|---|---|---|",
            *rows,
            "",
        ]
    return "\n".join(parts)


def _row(result: dict[str, Any]) -> str:
    value = result["value"]
    if result["unit"] == "MiB":
        took = f"{value:.0f} MiB"
    else:
        took = f"{value:.2f} s" if value >= 1 else f"{1000 * value:.3g} ms"
    way = f"**{result['way']}**" if result["ours"] else result["way"]
    return f"| {result['case']} | {way} | {took} | {result['ratio']:.2f} | {result['baseline']} |"
