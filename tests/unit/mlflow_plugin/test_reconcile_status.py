"""The status file, and what a probe makes of it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from mlflow_triton import reconcile
from mlflow_triton.reconcile_status import Status, StatusError, complaint
from triton_deploy_core.reconciling import DEFAULT_PARALLELISM


def _probe(*arguments: str):
    done = CliRunner().invoke(reconcile.main, ["--probe", *arguments])
    return done.exit_code, done.output.strip()


def test_what_was_written_is_read(tmp_path):
    status = Status(reconciled=True, why="", round=3, time=5.5)
    status.write(tmp_path / "status")
    status.write(tmp_path / "status")
    assert Status.read(tmp_path / "status") == status
    assert [path.name for path in tmp_path.iterdir()] == ["status"]


def test_a_probe_believes_a_status_that_is_not_too_old(tmp_path):
    path = tmp_path / "status"
    assert _probe("--status-file", str(path)) == (1, "not reconciled: no round has ended yet")
    Status(reconciled=True, why="x failed", round=3, time=100.0).write(path)
    assert _probe("--status-file", str(path)) == (0, "reconciled")
    status, said = _probe("--status-file", str(path), "--max-age", "60")
    assert (status, said[:35]) == (1, "not reconciled: the last round ende")
    assert complaint(path, max_age=60, now=160.0) is None
    assert complaint(path, max_age=60, now=161.0) == (
        "the last round ended 61 s ago, which is more than 60 s"
    )


def test_a_probe_says_why_a_server_is_not_reconciled(tmp_path):
    path = tmp_path / "status"
    Status(reconciled=False, why="not served: iris", round=3, time=100.0).write(path)
    assert _probe("--status-file", str(path)) == (1, "not reconciled: not served: iris")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"reconciled": 1}', '"x"', "1" * 10**5])
def test_what_is_no_status_file_is_not_believed(tmp_path, content):
    path = tmp_path / "status"
    path.write_text(content)
    with pytest.raises(StatusError, match="is not a status file"):
        Status.read(path)
    with pytest.raises(StatusError, match="can't be read"):
        Status.read(tmp_path)


def test_only_true_is_true(tmp_path):
    path = tmp_path / "status"
    path.write_text('{"reconciled": "no", "why": "", "round": 1, "time": 1}')
    assert not Status.read(path).reconciled


@pytest.mark.parametrize(
    "arguments",
    [
        ["--probe"],
        ["--max-age", "3"],
        ["--probe", "--max-age", "0"],
        ["--watch", "0"],
        ["--parallelism", "0"],
        ["--wait", "-1"],
        ["--no-such-option"],
    ],
)
def test_wrong_usage_has_a_status_of_its_own(arguments):
    assert CliRunner().invoke(reconcile.main, arguments).exit_code == 2


def test_the_default_that_help_shows_is_the_one_of_the_core():
    (option,) = (known for known in reconcile.main.params if known.name == "parallelism")
    assert option.default == DEFAULT_PARALLELISM


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("reconcile", {"numpy", "mlflow", "triton_deploy_core", "tritonclient"}),
        ("reconcile_run", {"mlflow", "onnx", "pandas", "boto3", "yaml"}),
    ],
)
def test_neither_a_probe_nor_a_sidecar_imports_what_it_does_not_need(module, heavy):
    """A probe runs every few seconds, and a sidecar's memory is paid for on every server."""
    program = (
        f"import sys, mlflow_triton.{module}; print(*{{m.split('.')[0] for m in sys.modules}})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert heavy.isdisjoint(done.stdout.split())
