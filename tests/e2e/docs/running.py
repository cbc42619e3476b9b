"""Runs the blocks of a page as its reader would, from top to bottom, in a directory of its own."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner
from docsite.blocks import Block
from mlflow.deployments.cli import commands as deployments
from tests.e2e.docs.parsing import check, simple_commands

from mlflow_triton.command.group import main as group
from triton_publish.cli import main as publish

SECONDS = 240
LOGS = {"reconcile"}
"""Names of commands whose log is what they print."""
_VARIES = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "TIME"),
    (re.compile(r"\bseconds=\d+\.\d+"), "seconds=SECONDS"),
    (re.compile(r"\b(m-)?[0-9a-f]{32}\b"), "ID"),
    (re.compile(r"\b(127\.0\.0\.1|localhost):\d+"), "HOST:PORT"),
)
"""What two runs do not have in common, whoever runs it."""


class PageRun:
    """One page, the directory that its reader works in, and the environment of its shell.

    The tests' server and repository stand for the page's: `models` in the directory is the
    repository, and where the page exports an address, or an absolute path that is not below
    `$PWD`, the real one is set.
    """

    def __init__(self, directory: Path, real: Mapping[str, str]) -> None:
        self.directory = directory
        self.names: dict[str, Any] = {}
        self.path: list[str] = []
        self._environment = dict(real)
        self._real = real

    def run(self, block: Block) -> None:
        """Run a block, and compare what it prints."""
        if block.language == "python":
            with self.here():
                exec(compile(block.text, block.where, "exec"), self.names)
            return
        status = next((int(a[7:]) for a in block.arguments if a.startswith("status=")), 0)
        for command, shown in block.commands():
            printed = self._run_line(command, status, block.where)
            if block.language == "console":
                any_order = "any-order" in block.arguments
                assert agree(shown, printed, any_order=any_order), (
                    f"{block.where}: $ {command}\nprinted:\n{printed}"
                )

    def save(self, block: Block) -> None:
        """Save a block as the file that the page says."""
        (name,) = block.arguments
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)

    def serve(self, block: Block) -> None:
        """Let the tests' server stand for the one that a block starts."""
        check(block.text, self._environment)
        models = self.directory / "models"
        if not models.exists():
            models.symlink_to(self._real["TRITON_MODEL_REPO"])

    def _run_line(self, line: str, status: int, where: str) -> str:
        line = line.replace("$PWD", str(self.directory))
        if not re.search(r"[|<>$*]", line):
            printed = "".join(
                self._run_words(words, status, where) for words in simple_commands(line)
            )
        else:
            printed = self._run_program(["bash", "-c", line], status, where)
        return printed

    def _run_words(self, words: list[str], status: int, where: str) -> str:
        printed = ""
        match words:
            case ["export", *pairs]:
                for pair in pairs:
                    self._export(*pair.split("=", 1))
            case ["cd", name]:
                self.directory /= name
            case _ if command := _in_process(words):
                printed = self._click(*command, status, where)
            case _:
                printed = self._run_program(words, status, where)
        return printed

    def _export(self, name: str, value: str) -> None:
        path = Path(value)
        is_place = name != "TRITON_MODEL_REPO" or (
            path.is_absolute() and not path.is_relative_to(self.directory)
        )
        if name.startswith("TRITON_") and is_place and name in self._real:
            value = self._real[name]
        if name == "MLFLOW_TRACKING_URI":
            database = self.directory / value.removeprefix("sqlite:///")
            shutil.copy(self._real["EMPTY"], database)  # saves the seconds that its tables take
            value = f"sqlite:///{database}"
        self._environment[name] = value

    def _click(self, command: click.Command, arguments: list[str], status: int, where: str) -> str:
        """Run a command in this process, which saves the seconds that MLflow takes to start."""
        with self.here():
            done = CliRunner().invoke(command, arguments)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == status, f"{where}: {shlex.join(arguments)}\n{done.output}"
        # What is for people, not for pipes, goes to stderr: errors, and the log of reconcile.
        return done.output if status or command.name in LOGS else done.stdout

    def _run_program(self, words: list[str], status: int, where: str) -> str:
        done = subprocess.run(
            words,
            cwd=self.directory,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == status, f"{where}: {shlex.join(words)}\n{done.stderr}"
        return done.stdout

    @contextlib.contextmanager
    def here(self) -> Iterator[None]:
        """This process as the page's shell has it."""
        before, directory, path = dict(os.environ), Path.cwd(), list(sys.path)
        try:
            sys.path += self.path
            os.chdir(self.directory)
            os.environ.clear()
            os.environ.update(self._environment)
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)
            os.chdir(directory)
            sys.path[:] = path


def _in_process(words: list[str]) -> tuple[click.Command, list[str]] | None:
    """Return the command that words call, and its arguments, where it is one of this project's."""
    match words:
        case ["mlflow", "deployments", *arguments]:
            return deployments, arguments
        case ["mlflow-triton", name, *arguments]:
            command = group.get_command(click.Context(group), name)
            return (command, arguments) if command is not None else None
        case ["triton-publish", *arguments]:
            return publish, arguments
        case ["python", "-m", module, *arguments] if module.startswith("mlflow_triton."):
            main = importlib.import_module(module).main
            main.name = module.rpartition(".")[2]
            return main, arguments
    return None


def agree(shown: list[str], printed: str, *, any_order: bool = False) -> bool:
    """Tell whether a page shows what was printed.

    In what is shown, ``…`` stands for anything within a line, and in a line of its own for any
    number of lines. Empty lines at the ends do not count.
    """
    wanted, got = _varied("\n".join(shown)), _varied(printed)
    if any_order:
        wanted, got = ("\n".join(sorted(text.splitlines())) for text in (wanted, got))
    pattern = re.escape(wanted).replace("\\\n…\\\n", "\n(?:.*\n)*").replace("…", ".*")
    return re.fullmatch(pattern, got) is not None


def _varied(text: str) -> str:
    for pattern, word in _VARIES:
        text = pattern.sub(word, text)
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
