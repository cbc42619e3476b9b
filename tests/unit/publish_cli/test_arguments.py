from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlflow_triton.publish_request import deployment_name
from triton_publish.cli import main
from triton_publish.command import without_secrets

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "onnx_float32_int32_int32"


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def _dry(*arguments: str, name: str = "iris") -> Result:
    return _run("--model-name", name, "--model-directory", str(EXAMPLE), "--dry-run", *arguments)


@pytest.mark.parametrize(
    "spelling",
    ["--model-name {n} --model-directory {d}", "--model_name {n} --model_directory {d}"],
)
def test_both_spellings_are_taken(spelling: str) -> None:
    arguments = spelling.format(n="iris", d=EXAMPLE).split()
    result = _run(*arguments, "--flavor", "triton", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "is fit for Triton: 2 files" in result.stdout


@pytest.mark.parametrize(
    "name", ["", "  ", ".", "..", "a/b", "a:b", "a\nb", " a", "a" * 257, "models:/a"]
)
def test_a_name_that_the_registry_would_refuse_is_one_line(name: str) -> None:
    result = _dry(name=name)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Error: The model's name ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["iris", "my model", "Ü.x-1", "a" * 256])
def test_other_names_are_taken(name: str) -> None:
    assert _dry(name=name).exit_code == 0


@pytest.mark.parametrize("alias", ["latest", "v1", "V23", "a b", "a/b", ""])
def test_an_alias_that_the_registry_would_refuse_is_one_line(alias: str) -> None:
    result = _dry("--alias", alias)
    assert result.exit_code == 2
    assert "can't be an alias" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("tag", ["team", "=a", " =a"])
def test_a_tag_without_a_key_or_a_value_is_one_line(tag: str) -> None:
    result = _dry("--tag", tag)
    assert result.exit_code == 2
    assert result.stderr == f"Error: --tag {tag!r} is not of the form key=value.\n"


def test_all_options_are_taken() -> None:
    options = "--alias champion --alias prod --tag team=a --tag empty= --description text"
    more = "--experiment e --run-name r --tracking-uri sqlite:///x.db --registry-uri sqlite:///x.db"
    assert _dry(*options.split(), *more.split()).exit_code == 0
    assert not Path("x.db").exists()


@pytest.mark.parametrize(
    "arguments", [["--model-name", "x"], ["--flavor", "onnx"], ["--unknown"], ["more"]]
)
def test_a_wrong_command_line_has_a_status_of_its_own(arguments: list[str]) -> None:
    result = _run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: ")


def test_the_dry_run_as_json() -> None:
    result = _dry("--json")
    size = sum(path.stat().st_size for path in EXAMPLE.rglob("*") if path.is_file())
    assert json.loads(result.stdout) == {
        "published": False,
        "dry_run": True,
        "model_name": "iris",
        "problems": [],
        "files": 2,
        "bytes": size,
    }
    assert result.stderr == ""


def _bad(tmp_path: Path) -> Path:
    (tmp_path / "2tmp").mkdir()
    (tmp_path / "config.pbtxt").write_text('name: "b"\nbackend: "python"\n', encoding="utf-8")
    (tmp_path / "out").symlink_to("/etc")
    return tmp_path


def test_all_problems_are_listed_each_with_its_file_and_remedy(tmp_path: Path) -> None:
    result = _run("--model-name", "x", "--model-directory", str(_bad(tmp_path)))

    assert result.exit_code == 1
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert [line.partition(":")[0] for line in lines[:-1]] == ["2tmp/", "config.pbtxt", "out"]
    assert lines[-1] == f"Error: {tmp_path}: 3 problems, nothing was published."


def test_all_problems_as_json(tmp_path: Path) -> None:
    result = _run("--model-name", "x", "--model-directory", str(_bad(tmp_path)), "--json")

    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["published"] is False
    assert [set(problem) for problem in document["problems"]] == [{"path", "message", "remedy"}] * 3


def test_a_directory_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    result = _run("--model-name", "x", "--model-directory", str(tmp_path / "nothing"))
    assert result.exit_code == 1
    assert "not a directory" in result.stderr
    assert "1 problem, nothing was published" in result.stderr


def test_help_and_dry_run_import_no_mlflow() -> None:
    program = (
        "import sys\n"
        "from triton_publish.cli import main\n"
        "assert not {'mlflow', 'numpy', 'google.protobuf', 'yaml'} & set(sys.modules)\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "except SystemExit as done:\n"
        "    assert not done.code, done.code\n"
        "assert 'mlflow' not in sys.modules\n"
    )
    dry = ["--model-name", "x", "--model-directory", str(EXAMPLE), "--dry-run"]
    for arguments in (["--help"], ["--version"], dry):
        subprocess.run([sys.executable, "-c", program, *arguments], check=True, timeout=60)


def test_help_names_every_option() -> None:
    text = _run("--help").output
    for option in [
        "--model-name",
        "--model-directory",
        "--flavor",
        "--tracking-uri",
        "--registry-uri",
        "--experiment",
        "--run-name",
        "--alias",
        "--tag",
        "--description",
        "--dry-run",
        "--json",
        "--version",
    ]:
        assert option in text


def test_the_proposed_deployment_name_is_one_that_triton_serves(tmp_path: Path) -> None:
    assert deployment_name("iris", tmp_path) == "iris"
    assert deployment_name("my model (new)", tmp_path) == "my-model-new"
    assert deployment_name("模型", tmp_path) == "model"
    (tmp_path / "config.pbtxt").write_text('name: "own"\n', encoding="utf-8")
    assert deployment_name("iris", tmp_path) == "own"


def test_messages_hold_no_secrets_and_one_line() -> None:
    text = "can't reach http://me:secret@host:5000/api\n  (refused)"
    assert without_secrets(text) == "can't reach http://host:5000/api (refused)"
