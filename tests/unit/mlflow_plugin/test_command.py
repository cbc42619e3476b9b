"""The command ``mlflow-triton``: statuses, JSON, settings and completion, on nobody's server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlflow_triton.command.group import main
from triton_deploy_core.testing.world import SimulatedWorld, version_package

NOBODY = "127.0.0.1:1"
EXAMPLE = Path(__file__).parents[3] / "examples" / "onnx_float32_int32_int32"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("TRITON_")]:
        monkeypatch.delenv(name)


def _run(*arguments: object) -> Result:
    done = CliRunner().invoke(main, list(map(str, arguments)), prog_name="mlflow-triton")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def test_every_command_has_help_and_says_its_statuses():
    names = main.list_commands(None)
    helped = _run("--help").stdout
    for name in names:
        assert f"\n  {name} " in helped
        text = " ".join(_run(name, "--help").stdout.split())
        assert "Status: 0" in text or "Exit status: 0" in text


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["list", "--url", NOBODY], 2, "The model repository is unknown"),
        (["list", "--url", NOBODY, "--repo", "{tmp}"], 1, "connection refused"),
        (["list", "-t", f"triton:{NOBODY}", "-C", "triton_model_repo={tmp}"], 1, "refused"),
        (["list", "--url", NOBODY, "--repo", "{tmp}/none"], 2, "is no directory"),
        (["list", "-C", "colour=red"], 2, "there is no such setting"),
        (["list", "-C", "timeout=3"], 2, "a setting of create, update, delete, run-local"),
        (["list", "-C", "timeout"], 2, "not of the form key=value"),
        (["list", "-C", "a=1", "-C", "a=2"], 2, "a is given twice"),
        (["list", "-t", "sagemaker"], 2, "no target of this plugin"),
        (["get", "a/b", "--url", NOBODY, "--repo", "{tmp}"], 2, "Path traversal is not allowed"),
        (["rollback", "a", "--url", NOBODY, "--repo", "{tmp}"], 1, "connection refused"),
        (["rollback", "a", "--version", "-1"], 2, "Invalid value"),
        (["repair", "a", "--timeout", "soon", "--repo", "{tmp}"], 2, "a number of seconds"),
        (["reconcile", "--repo", "{tmp}/none", "--url", NOBODY], 2, "is no directory"),
        (["check", "{tmp}/none"], 1, "{tmp}/none"),
        (["check", "model:/iris/1"], 1, "Did you mean 'models:/iris/1'?"),
        (["update", "x"], 2, "mlflow deployments update -t triton"),
        (["rollbak", "x"], 2, "Did you mean 'rollback'?"),
        (["nothing"], 2, "No such command"),
        (["serve", "{tmp}/none", "-C", "force=maybe"], 2, "true or false"),
        (["unheard-of"], 2, "No such command"),
    ],
)
def test_what_is_wrong_is_one_line_with_a_status(tmp_path, arguments, status, said):
    done = _run(*(word.format(tmp=tmp_path) for word in arguments))
    assert done.exit_code == status, done.output
    assert said.format(tmp=tmp_path) in done.stderr
    assert done.stdout == ""
    assert (
        len([line for line in done.stderr.splitlines() if "Error" in line or "ERROR" in line]) == 1
    )


def test_an_error_as_json_has_its_class(tmp_path):
    done = _run("get", "iris", "--repo", tmp_path, "--url", NOBODY, "--json")
    error = json.loads(done.stdout)["error"]
    assert error["class"] == "DeploymentNotFoundError"
    assert done.stderr == f"Error: {error['message']}\n"


def test_a_directory_that_is_fit():
    done = _run("check", EXAMPLE)
    assert done.exit_code == 0, done.output
    assert "is fit for Triton, as flavor triton" in done.stdout
    assert "1/model.onnx" in done.stdout
    assert 'name: "INPUT0"' in done.stdout
    assert done.stderr == ""


def test_all_that_is_wrong_with_a_directory_is_told_at_once(tmp_path):
    directory = tmp_path / "model"
    shutil.copytree(EXAMPLE, directory)
    (directory / "1" / "model.onnx").unlink()
    (directory / "link").symlink_to("/etc/passwd")
    done = _run("check", directory, "--json")
    facts = json.loads(done.stdout)
    assert done.exit_code == 1
    assert (facts["fit"], facts["name"], facts["flavor"]) == (False, "model", "triton")
    assert [problem["path"] for problem in facts["problems"]] == ["1/model.onnx", "link"]
    assert done.stderr == f"Error: {directory}: 2 problems, it can't be deployed.\n"


def test_all_that_is_wrong_with_a_logged_model_is_told_at_once(tmp_path):
    model = tmp_path / "model"
    shutil.copytree(EXAMPLE, model / "triton")
    (model / "triton" / "1" / "model.onnx").unlink()
    (model / "triton" / "link").symlink_to("/etc/passwd")
    (model / "MLmodel").write_text("flavors:\n  triton:\n    data: triton\n")
    done = _run("check", model)
    assert done.exit_code == 1
    told = done.stderr.splitlines()
    assert [line.partition(":")[0] for line in told] == ["link", "1/model.onnx", "Error"]
    (model / "MLmodel").write_text("flavors:\n  spark: {}\n")
    done = _run("check", model, "--json")
    assert (done.exit_code, json.loads(done.stdout)["flavor"]) == (1, None)
    assert "supported: " in done.stdout


def _log_onnx(directory: Path) -> Path:
    import onnx
    from onnx import TensorProto, helper

    directory.mkdir()
    tensors = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in ("x", "y")
    ]
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])], "g", tensors[:1], tensors[1:]
    )
    onnx.save(helper.make_model(graph), directory / "model.onnx")
    (directory / "MLmodel").write_text("flavors:\n  onnx:\n    data: model.onnx\n")
    return directory


def test_a_logged_model_and_a_chain_of_them(tmp_path):
    model, before = _log_onnx(tmp_path / "iris"), _log_onnx(tmp_path / "scale")
    facts = json.loads(_run("check", model, "--json", "-C", "instance_count=3").stdout)
    assert (facts["fit"], facts["name"], facts["flavor"]) == (True, "iris", "onnx")
    assert [file["path"] for file in facts["files"]] == ["1/model.onnx"]
    assert "count: 3" in facts["config"]
    facts = json.loads(_run("check", model, "--json", "-C", f"preprocess={before}").stdout)
    assert [file["path"] for file in facts["files"]] == [
        "iris.preprocess.1/1/model.onnx",
        "iris.model.1/1/model.onnx",
    ]
    assert "ensemble_scheduling" in facts["config"]
    wrong = _run("check", model, "-C", f"preprocess={EXAMPLE}")
    assert wrong.exit_code == 1
    assert "MLmodel" in wrong.stderr


@pytest.mark.parametrize("how", ["--repo={}", "-Ctriton_model_repo={}", "environment"])
def test_names_are_completed_from_a_local_repository(tmp_path, monkeypatch, how):
    for name in ("iris", "iris2", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mlflow-meta.json").write_text("{}")
    (tmp_path / "iris-of-others").mkdir()
    words = ["mlflow-triton", "rollback"]
    if how == "environment":
        monkeypatch.setenv("TRITON_MODEL_REPO", str(tmp_path))
    else:
        words.append(how.format(tmp_path))
    monkeypatch.setenv("COMP_WORDS", " ".join([*words, "ir"]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    monkeypatch.setenv("_MLFLOW_TRITON_COMPLETE", "bash_complete")
    done = CliRunner().invoke(main, [], prog_name="mlflow-triton", complete_var=None)
    assert done.stdout.split() == ["plain,iris", "plain,iris2"]


def test_help_imports_neither_mlflow_nor_numpy():
    program = """
import sys
from mlflow_triton.command.group import main
for arguments in (["--help"], ["rollback", "--help"]):
    main(arguments, standalone_mode=False)
print(sorted({"mlflow", "numpy", "pandas", "onnx", "tritonclient"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_what_json_says_of_a_deployment():
    from mlflow_triton.command.deployment_table import table
    from mlflow_triton.command.json_forms import deployment_form

    world = SimulatedWorld()
    world.service.create("iris", version_package(b"a", 1))
    (found,) = world.service.list()
    form = deployment_form(found)
    assert form.keys() == {
        *("name", "state", "version", "versions", "reason", "flavor", "mlflow_model_uri"),
        *("triton_model_path", "deployed_to", "servers", "differences", "repairable"),
    }
    assert (form["state"], form["version"], form["versions"]) == ("READY", 1, [1])
    assert json.loads(json.dumps(form)) == form
    assert table([found], "/models").splitlines()[1].split()[:3] == ["iris", "READY", "1"]


def test_a_server_that_is_down_is_told_of_once(warnings_told):
    from mlflow_triton.command.deployment_table import table
    from mlflow_triton.descriptions import describe, told_once

    world = SimulatedWorld(fleet_of=2)
    for name in ("a", "b"):
        world.service.create(name, version_package(b"x", 1))
    world.servers[1].kill()
    found = world.service.list()
    told_once(found)
    (told,) = warnings_told()
    assert told.startswith(f"{world.servers[1].url} does not answer: ")
    shown = [describe(one, is_silence_told=True)["servers"] for one in found]
    assert all(text.endswith("does not answer") for text in shown)
    assert table(found, "/models").count("does not answer") == 2


def test_a_check_of_a_python_model_says_what_the_server_needs(tmp_path):
    model = tmp_path / "model"
    saved = """\
import sys, mlflow
class Upper(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: list[str]) -> list[str]:
        return [text.upper() for text in model_input]
mlflow.pyfunc.save_model(sys.argv[1], python_model=Upper(), pip_requirements=["emoji==2.0"])
"""
    subprocess.run([sys.executable, "-c", saved, str(model)], check=True, capture_output=True)
    told = _run("check", model).stdout
    assert "It needs, in the Python of the server's python backend: " in told
    assert "emoji==2.0" in told
    assert "-C env=pack deploys them with the model." in told
    assert json.loads(_run("check", model, "--json").stdout)["needs"] != []
    assert json.loads(_run("check", EXAMPLE, "--json").stdout)["needs"] == []
    (model / "requirements.txt").rename(tmp_path / "elsewhere.txt")
    assert json.loads(_run("check", model, "--json").stdout)["needs"] == []
    elsewhere = ("-C", "env=server:/opt/env.tar.gz")
    assert json.loads(_run("check", model, "--json", *elsewhere).stdout)["needs"] == []


def test_an_empty_repository_is_named():
    from mlflow_triton.command.deployment_table import table

    assert table([], "s3://models/a") == "There are no deployments in s3://models/a."


@pytest.mark.parametrize("word", ["update", "rollbak", "nothing"])
def test_a_shell_that_completes_is_told_no_errors(word):
    from click.shell_completion import BashComplete

    completed = BashComplete(main, {}, "mlflow-triton", "_MLFLOW_TRITON_COMPLETE")
    assert "list" in [item.value for item in completed.get_completions([word], "")]
