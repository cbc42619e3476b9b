"""The sweep that pulls the plug, at some of its steps; ``nox -s crash`` takes all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SECONDS = 240


def run(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("scenario", ["update-tree"])
def test_killed_at_some_steps_all_is_old_or_new(tmp_path, scenario):
    seen = tmp_path / "seen.json"
    said = run(
        *("reliability", "--store=local", "--fault=death", f"--scenario={scenario}"),
        *("--every=5", f"--seen={seen}"),
    )
    assert "0 with something wrong" in said
    deaths = json.loads(seen.read_text())
    assert len(deaths) >= 3
    assert [death["number"] for death in deaths] == list(range(0, 5 * len(deaths), 5))
    assert deaths[0]["started"] == ["old"]
    assert deaths[-1]["started"] == ["new"]
    run("reliability.report", tmp_path / "page.md", seen)
    page = (tmp_path / "page.md").read_text()
    assert "| transfer a file |" in page
    assert "new, new" in page


@pytest.mark.parametrize(("store", "every"), [("local", 6), ("s3", 8), ("gs", 8)])
def test_paused_at_some_steps_and_overtaken_it_changes_nothing(tmp_path, store, every):
    """Stopped by a signal, and let go on when another process has deployed its own model."""
    seen = tmp_path / "seen.json"
    said = run(
        *("reliability", f"--store={store}", "--fault=pause", "--scenario=update"),
        *(f"--every={every}", f"--seen={seen}"),
    )
    assert "0 with something wrong" in said
    pauses = json.loads(seen.read_text())
    assert len(pauses) >= 2
    assert [pause["running"] for pause in pauses[1:]] == [["other"]] * (len(pauses) - 1)
