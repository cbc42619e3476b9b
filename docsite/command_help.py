"""What each command says of itself."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
from pathlib import Path
from unittest import mock

from click.testing import CliRunner
from mlflow.deployments.cli import commands

from mlflow_triton.help_text import help_text

_VERBS = ("create", "update", "delete", "list", "get", "predict", "run-local", "help")
_PROGRAMS = {"triton_publish.cli": "triton-publish"}
_WIDTH = 100


def verbs() -> str:
    """Return what MLflow says of the verbs that Triton has."""
    return "\n".join(
        f"### {verb}\n\n{_text(CliRunner().invoke(commands, [verb, '--help']).stdout)}"
        for verb in _VERBS
    )


def help_of_target() -> str:
    """Return what ``mlflow deployments help -t triton`` prints."""
    return _text(help_text())


def help_of_programs(root: Path) -> str:
    """Return a section for each other command.

    Args:
        root: the repository.
    """
    return "\n".join(
        f"## {program_of(module)}\n\n{_text(_help_of(module))}" for module in programs(root)
    )


def programs(root: Path) -> list[str]:
    """Return the modules that are commands for users: with a parser and a ``__main__`` guard."""
    found = []
    for path in sorted((root / "packages").glob("*/src/*/*.py")):
        if path.stem.startswith("testing"):
            continue
        source = path.read_text()
        if '__name__ == "__main__"' in source and (
            "@click.command" in source or "ArgumentParser(" in source
        ):
            name = "" if path.stem == "__main__" else f".{path.stem}"
            found.append(path.parent.name + name)
    return sorted(found, key=lambda module: (module not in _PROGRAMS, module))


def program_of(module: str) -> str:
    """Return how a module is called on the command line."""
    return _PROGRAMS.get(module, f"python -m {module}")


def _help_of(module: str) -> str:
    path = module if "." in module else f"{module}.__main__"
    main = importlib.import_module(path).main
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        if hasattr(main, "params"):
            main(["--help"], prog_name=program_of(module), terminal_width=_WIDTH)
        else:
            with mock.patch.dict(os.environ, {"COLUMNS": str(_WIDTH), "NO_COLOR": "1"}):
                main(["--help"])
    return printed.getvalue()


def _text(printed: str) -> str:
    return f"```text\n{printed.strip()}\n```\n"
