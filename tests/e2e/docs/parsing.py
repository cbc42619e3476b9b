"""Reads commands of the pages with the parsers of the programs themselves, and runs nothing."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click
from mlflow.deployments.cli import commands as deployments

from mlflow_triton.settings import Use, read_settings
from mlflow_triton.written_config import fields_of_config
from triton_local_server.__main__ import _parse as parse_local_server

ROOT = Path(__file__).parents[3]

FOREIGN = {"aws", "docker", "du", "gcloud", "gcp-storage-emulator", "kubectl", "uv"}
"""Programs that are not here: their syntax is the shell's, and the files they name are there."""

SHELL = {"cat", "cd", "eval", "export", "kill", "ls", "mkdir", "source"}
TRITON_OPTIONS = {"--model-repository", "--model-control-mode"}
_USES = {"create": Use.DEPLOY, "update": Use.DEPLOY | Use.UPDATE, "delete": Use.DELETE}
_OPERATORS = {"&&", "||", "|", ";", "&"}


def check(script: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Read a script, and return what it leaves in the environment.

    Raises:
        AssertionError: a command is unknown, or is not as its parser wants it.
    """
    done = subprocess.run(["bash", "-n", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    left = dict(environment)
    for words in simple_commands(script):
        _check_command(words, left)
    return left


def simple_commands(script: str) -> list[list[str]]:
    """Return the words of each command: continued lines are one, and operators are between two."""
    found: list[list[str]] = []
    for line in script.replace("\\\n", " ").splitlines():
        found.append([])
        for word in shlex.split(line, comments=True):
            if word in _OPERATORS:
                found.append([])
            else:
                found[-1].append(word)
    return [words for words in found if words]


def _check_command(words: list[str], environment: dict[str, str]) -> None:
    program, *arguments = words
    if program == "export":
        environment.update(pair.split("=", 1) for pair in arguments)
        read_settings(Use.DEPLOY | Use.REQUEST, environment=environment)
    elif program in {"python", "python3"}:
        _check_python(arguments, environment)
    elif program in FOREIGN:
        _check_paths(arguments)
    elif program in _PROGRAMS:
        _PROGRAMS[program](arguments, environment)
    else:
        assert program in SHELL, f"nobody knows how to check {shlex.join(words)!r}"


def _check_python(arguments: list[str], environment: Mapping[str, str]) -> None:
    if arguments[0] != "-m":
        assert arguments[0].endswith(".py"), arguments
        return
    module, *rest = arguments[1:]
    if module in _MODULES:
        _MODULES[module](rest, environment)
    elif module.startswith("mlflow_triton."):
        _check_click(importlib.import_module(module).main, rest)
    else:
        assert module == "venv", f"nobody knows how to check python -m {module}"


def _check_deployments(arguments: list[str], environment: Mapping[str, str]) -> None:
    verb, *rest = arguments
    context = _check_click(deployments.commands[verb], rest)
    pairs = (pair.partition("=") for pair in context.params.get("config") or ())
    config = {key: value for key, _, value in pairs}
    config = {key: value for key, value in config.items() if not _is_of_config(key)}
    read_settings(
        _USES.get(verb, Use.REQUEST),
        target_uri=context.params["target"],
        config=config,
        environment=environment,
    )


def _is_of_config(key: str) -> bool:
    return key.partition(".")[0] == "config" or key in fields_of_config()


def _check_mlflow(arguments: list[str], environment: Mapping[str, str]) -> None:
    command, *rest = arguments
    if command == "deployments":
        _check_deployments(rest, environment)
    else:
        mlflow = importlib.import_module("mlflow.cli").cli  # of seconds, which not all workers need
        _check_click(mlflow.commands[command], rest)


def _check_click(command: click.Command, arguments: list[str]) -> click.Context:
    try:
        return command.make_context(command.name, list(arguments))
    except click.ClickException as error:
        raise AssertionError(f"{arguments}: {error.format_message()}") from error


def _check_pip(arguments: list[str], _: Mapping[str, str]) -> None:
    for argument in arguments:
        if argument.startswith("./"):
            folder, _, extra = argument.rstrip("]").partition("[")
            project = (ROOT / folder / "pyproject.toml").read_text()
            assert not extra or re.search(rf"^{extra} = ", project, re.MULTILINE), argument


def _check_nox(arguments: list[str], _: Mapping[str, str]) -> None:
    sessions = {
        node.name
        for node in ast.parse((ROOT / "noxfile.py").read_text()).body
        if isinstance(node, ast.FunctionDef) and node.decorator_list
    }
    assert arguments[0] == "-s", arguments
    named = arguments[1 : arguments.index("--") if "--" in arguments else None]
    assert set(named) <= sessions, arguments


def _check_paths(arguments: Sequence[str]) -> None:
    for argument in arguments:
        if argument.startswith(("deploy/", "docs/", "packages/")):
            assert (ROOT / argument).exists(), argument


def _check_tritonserver(arguments: list[str], _: Mapping[str, str]) -> None:
    for argument in arguments:
        assert argument.partition("=")[0] in TRITON_OPTIONS, argument


def _check_publish(arguments: list[str], _: Mapping[str, str]) -> None:
    _check_click(importlib.import_module("triton_publish.cli").main, arguments)


def _check_mlflow_triton(arguments: list[str], _: Mapping[str, str]) -> None:
    verb, *rest = arguments
    group = importlib.import_module("mlflow_triton.command.group").main
    command = group.get_command(click.Context(group), verb)
    assert command is not None, f"there is no mlflow-triton {verb}"
    _check_click(command, rest)


def _check_compare(arguments: list[str], _: Mapping[str, str]) -> None:
    old, new = arguments
    assert (ROOT / old).exists(), old
    assert new.endswith(".json"), new


def _check_benchmarks(arguments: list[str], _: Mapping[str, str]) -> None:
    assert importlib.import_module("benchmarks.__main__").parsed(arguments)


_Check = Callable[[list[str], Mapping[str, str]], None]
_PROGRAMS: dict[str, _Check] = {
    "mlflow": _check_mlflow,
    "mlflow-triton": _check_mlflow_triton,
    "triton-publish": _check_publish,
    "pip": _check_pip,
    "nox": _check_nox,
    "tritonserver": _check_tritonserver,
}
_MODULES: dict[str, _Check] = {
    "pip": _check_pip,
    "nox": _check_nox,
    "triton_local_server": lambda arguments, _: parse_local_server(arguments) and None,
    "benchmarks": _check_benchmarks,
    "benchmarks.compare": _check_compare,
}
