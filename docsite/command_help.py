"""What each command says of itself."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from importlib.metadata import entry_points
from unittest import mock

import click
from click.testing import CliRunner
from mlflow.deployments.cli import commands

from mlflow_triton.help_text import help_text
from triton_local_server.__main__ import main as local_server

_VERBS = ("create", "update", "delete", "list", "get", "predict", "run-local", "help")
_DISTRIBUTIONS = {"mlflow-triton", "triton-publish"}
_WIDTH = 100


def verbs() -> str:
    """Return what MLflow says of the verbs that Triton has."""
    return "\n".join(
        f"### {verb}\n\n{_text(_help_of(commands.commands[verb], f'mlflow deployments {verb}'))}"
        for verb in _VERBS
    )


def help_of_target() -> str:
    """Return what ``mlflow deployments help -t triton`` prints."""
    return _text(help_text())


def help_of_programs() -> str:
    """Return a section for each program that is installed, and one for each of its commands."""
    parts = [
        f"{'#' * depth} {name}\n\n{_text(_help_of(command, name))}"
        for program, main in programs().items()
        for depth, name, command in _with_commands(program, main)
    ]
    name = "python -m triton_local_server"
    return "\n".join([*parts, f"## {name}\n\n{_text(_help_of_local_server())}"])


def programs() -> dict[str, click.Command]:
    """Return the programs of this project that are installed: name → command."""
    return {
        entry.name: entry.load()
        for entry in sorted(entry_points(group="console_scripts"), key=lambda entry: entry.name)
        if entry.dist is not None and entry.dist.name in _DISTRIBUTIONS
    }


def _with_commands(program: str, main: click.Command) -> Iterator[tuple[int, str, click.Command]]:
    yield 2, program, main
    if isinstance(main, click.Group):
        context = click.Context(main)
        for name in main.list_commands(context):
            command = main.get_command(context, name)
            if command is not None:
                yield 3, f"{program} {name}", command


def _help_of(command: click.Command, name: str) -> str:
    runner = CliRunner()
    return runner.invoke(command, ["--help"], prog_name=name, terminal_width=_WIDTH).stdout


def _help_of_local_server() -> str:
    printed = io.StringIO()
    with (
        mock.patch.dict(os.environ, {"COLUMNS": str(_WIDTH), "NO_COLOR": "1"}),
        contextlib.redirect_stdout(printed),
        contextlib.suppress(SystemExit),
    ):
        local_server(["--help"])
    return printed.getvalue()


def _text(printed: str) -> str:
    return f"```text\n{printed.strip()}\n```\n"
