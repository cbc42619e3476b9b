"""Benchmarks run, and what they found can be compared and shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from benchmarks import compare
from benchmarks.__main__ import results
from benchmarks.results import Result, Run, machine
from benchmarks.sizes import TINY


def test_all_but_those_of_a_real_server_run(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "set by benchmarks, and taken back here")
    names = ("uploads", "deployments", "fleet")
    found = list(results(names, [0.0], replace(TINY, rounds=1)))
    assert {result.benchmark for result in found} == set(names)
    for result in found:
        assert result.value > 0
        assert result.ratio > 0
        assert result.way != result.baseline or result.ratio == 1
    assert len({result.key for result in found}) == len(found)


@pytest.fixture
def run() -> Run:
    ours = Result("uploads", "upload", "this project", True, 1.0, "s", 0.5, "alone")
    return Run((ours, replace(ours, way="alone", ours=False, ratio=1.0)), machine(0.0), True)


def test_a_run_is_read_as_it_was_written(run, tmp_path):
    run.write(tmp_path / "run.json")
    assert Run.read(tmp_path / "run.json") == run


@pytest.mark.parametrize(("ratio", "status"), [(0.6, 0), (0.7, 1), (0.1, 0)])
def test_runs_are_compared_by_what_this_project_takes_of_its_baseline(
    run, ratio, status, tmp_path, capsys
):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    run.write(old)
    replace(run, results=(replace(run.results[0], value=9.0, ratio=ratio),)).write(new)
    assert compare.main([str(old), str(new)]) == status
    said = capsys.readouterr().out
    assert said.startswith("uploads: upload: this project")
    assert said.count("\n") == 1
    assert ("worse" in said) is bool(status)


def test_a_case_that_one_run_has_not_is_no_worse(run):
    (change,) = compare.changes(run, Run(()))
    assert (change.old, change.new, change.is_worse(0.0)) == (0.5, None, False)


def test_no_word_of_which_machine(run):
    assert set(run.machine) == {
        *("cores", "memory_gib", "system", "python", "load_before", "load_after", "libraries")
    }
