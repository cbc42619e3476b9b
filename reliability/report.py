"""``docs/reliability.md``, made from what the sweeps saw: ``python -m reliability.report``."""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

Row: TypeAlias = Mapping[str, Any]

_HEAD = """\
# What happens when the plug is pulled

`nox -s crash` made this page: edit `reliability/report.py` instead.

Each row is a step of an operation on the deployment `iris`, in a repository that a real Triton
reads. Right before that step something went wrong. Then, each time, a second Triton was started
from the repository with `--load-model=*`, and both servers were asked what they serve: *old*,
*new* or *nothing*; anything else, such as a mixture of files, would stand in **bold**. Then another
process ran the next operation, which had to make its own model serve, leave the server ready, leave
no file of ours behind, and never touch the neighbour `iris2`.

A process that was paused (`SIGSTOP`) continued (`SIGCONT`) after another one had taken over its
lease, which then counted as expired, and had deployed *other*. It had to fail with the error that
it lost its lease, and *other* had to stay as it was.

Of a package that Triton refuses (*update-refused*), a server that is started between the commit and
the end of the undo serves nothing: what does not load shows when it is loaded (ADR 2, Limits).

A cell says what the server that ran on served, then what the server served that was started.
Steps of one kind are in one row; *n* is how many there were, on all stores together. An empty cell:
there is no such step on that store, or not every step was tried.
"""
_FAULTS = {
    "death": "The process is killed (`kill -9`)",
    "pause": "The process is paused, and another one takes its lease over and deploys *other*",
    "no-repository": "The repository can't be reached any more",
    "no-server": "The server can't be reached any more",
}
_STEPS = (
    (r"unload .*explicit-mode", "ask whether the server takes requests"),
    (r"write \..*@journal", "take the lease, or write the journal"),
    (r"write \..*@digests", "write down digests"),
    (r"transfer iris/\.deploy/.*", "save a copy of an old file"),
    (r"transfer .*", "transfer a file"),
    (r"write iris/config.pbtxt", "write `config.pbtxt`"),
    (r"write iris/mlflow-meta.json", "write the record"),
    (r"load iris", "load"),
    (r"load a tiny model as iris", "load a tiny model that heals readiness"),
    (r"load a tiny model as iris, in the middle", "be in the middle of that load"),
    (r"load iris, in the middle", "be in the middle of the load"),
    (r"unload iris", "unload"),
    (r"delete \..*@journal", "give back the lease"),
    (r"delete \..*@digests", "remove the digests"),
    (r"delete iris/config.pbtxt", "remove `config.pbtxt`"),
    (r"delete .*", "remove a file"),
)

# An answer names all that the model is made of: the files, and a configuration by itself.
_WHOLE = {"old": "old", "new": "new", "other": "other", "old+same": "old", "new+same": "new"}


def report(seen: Iterable[Row]) -> str:
    """Return the page for the rows of all sweeps."""
    rows = list(seen)
    wrong = sum(bool(row["wrong"]) for row in rows)
    parts = [_HEAD, f"{len(rows)} faults; {wrong} of them with something wrong.\n"]
    for fault, title in _FAULTS.items():
        chosen = [row for row in rows if row["fault"] == fault]
        if chosen:
            wrong = sum(bool(row["wrong"]) for row in chosen)
            count = f"`--fault {fault}`: {len(chosen)} faults; {wrong} with something wrong.\n"
            parts += [f"## {title}\n", count, *_sections(chosen)]
    return "\n".join(parts)


def _sections(rows: list[Row]) -> Iterable[str]:
    stores = list(dict.fromkeys(row["store"] for row in rows))
    for scenario in dict.fromkeys(row["scenario"] for row in rows):
        yield f"### {scenario}\n"
        yield _table([row for row in rows if row["scenario"] == scenario], stores)


def _table(rows: list[Row], stores: list[str]) -> str:
    by_store = {store: _stages(row for row in rows if row["store"] == store) for store in stores}
    stages = list(dict.fromkeys(stage for found in by_store.values() for stage in found))
    lines = [
        f"| before it could | n | {' | '.join(stores)} |",
        f"|---|---|{'---|' * len(stores)}",
    ]
    for stage in sorted(stages, key=lambda stage: _place(stage, by_store)):
        found = [by_store[store].get(stage, []) for store in stores]
        count = sum(map(len, found))
        lines.append(f"| {stage[0]} | {count} | {' | '.join(map(_cell, found))} |")
    return "\n".join(lines) + "\n"


def _place(
    stage: tuple[str, int], by_store: Mapping[str, Mapping[tuple[str, int], list[Row]]]
) -> float:
    """How far into the operation a stage is, from 0 to 1, where it is seen first."""
    return min(
        found[stage][0]["number"] / max(1, *(row["number"] for row in _rows(found)))
        for found in by_store.values()
        if stage in found
    )


def _rows(found: Mapping[tuple[str, int], list[Row]]) -> Iterable[Row]:
    return itertools.chain.from_iterable(found.values())


def _stages(rows: Iterable[Row]) -> dict[tuple[str, int], list[Row]]:
    """Runs of steps of one kind, in order: (kind, how often it was there before) → rows."""
    stages: dict[tuple[str, int], list[Row]] = {}
    for kind, run in itertools.groupby(rows, key=lambda row: _kind(row["step"])):
        stages[kind, sum(name == kind for name, _ in stages)] = list(run)
    return stages


def _kind(step: str) -> str:
    return next((text for pattern, text in _STEPS if re.fullmatch(pattern, step)), step)


def _cell(rows: list[Row]) -> str:
    texts = dict.fromkeys(f"{_served(row, 'running')}, {_served(row, 'started')}" for row in rows)
    faults = dict.fromkeys(fault for row in rows for fault in row["wrong"])
    return "; ".join([*texts, *(f"**{fault}**" for fault in faults)])


def _served(row: Row, which: str) -> str:
    answers = row[which]
    if len(answers) > 1 or any(answer not in _WHOLE for answer in answers):
        return f"**{' and '.join(answers)}**"
    return _WHOLE[answers[0]] if answers else "nothing"


def main(target: str, *sources: str) -> None:
    """Write the page from the files that the sweeps wrote."""
    rows = [row for source in sources for row in json.loads(Path(source).read_text())]
    Path(target).write_text(report(rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
