"""Every command and every line of Python in the pages does what its page says."""

from __future__ import annotations

import ast
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from docsite.blocks import CLASSIFIED, WAYS, blocks, pages
from tests.e2e.docs.parsing import check
from tests.e2e.docs.preparing import PREPARATIONS, clear
from tests.e2e.docs.running import PageRun, agree
from tests.e2e.plugin.conftest import clean_environment

from triton_local_server import LocalTriton

ROOT = Path(__file__).parents[3]
SECONDS = 240
ALL = {path.relative_to(ROOT).as_posix(): list(blocks(path, ROOT)) for path in pages(ROOT)}
RUN = [page for page, found in ALL.items() if any(block.way == "run" for block in found)]
EVERY = [block for found in ALL.values() for block in found]


def test_every_block_says_how_it_is_tested():
    for block in EVERY:
        if block.language in CLASSIFIED:
            assert block.way in WAYS, (
                f"{block.where}: nobody has said how this block is tested. "
                "Write <!-- block: run --> above it, or another way of docsite/blocks.py"
            )
        assert block.language or not block.text.lstrip().startswith("$ "), (
            f"{block.where}: a block of console has to say so: ```console"
        )
        assert set(block.before) <= PREPARATIONS.keys(), block.where


def test_what_is_not_run_is_read_by_its_own_parser():
    for found in ALL.values():
        environment: dict[str, str] = {}
        for block in found:
            if block.language in {"shell", "console"} and block.way != "run":
                script = "\n".join(command for command, _ in block.commands())
                try:
                    environment = check(script, environment)
                except Exception as error:
                    raise AssertionError(f"{block.where}: {error}") from error


def test_python_that_is_not_run_is_compiled_and_its_imports_are_there():
    for block in EVERY:
        if block.language == "python" and block.way in {"compiled", "seen", "file"}:
            for node in ast.walk(ast.parse(block.text, block.where)):
                if isinstance(node, ast.ImportFrom):
                    module = importlib.import_module(str(node.module))
                    assert all(hasattr(module, name.name) for name in node.names), block.where
                elif isinstance(node, ast.Import):
                    for name in node.names:
                        importlib.import_module(name.name)


def test_tests_that_are_said_to_see_a_block_are_there():
    for block in EVERY:
        if block.way == "seen":
            path, _, name = block.arguments[0].partition("::")
            assert f"def {name}(" in (ROOT / path).read_text(), block.where


def test_documents_can_be_read():
    tomllib = pytest.importorskip("tomllib")
    for block in EVERY:
        if block.language == "json":
            json.loads(block.text)
        elif block.language == "toml":
            tomllib.loads(block.text)


def test_what_is_shown_is_compared():
    assert agree(["a: …", "c"], "a: b\nc\n")
    assert agree(["a", "…", "d"], "\na\nb\nc\nd\n")
    assert agree(["b", "a"], "a\nb", any_order=True)
    assert agree(["2026-01-02T03:04:05.678Z x"], "2027-01-02T03:04:05.678Z x")
    assert not agree(["a"], "a\nb")
    assert not agree(["a.c"], "abc")
    assert not agree([], "b")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """One server, one repository and one registry for all pages."""
    directory = tmp_path_factory.mktemp("pages")
    repository = directory / "repository"
    repository.mkdir()
    environment = clean_environment() | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{directory / 'mlflow.db'}",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    log = [sys.executable, str(Path(__file__).with_name("log_models.py")), str(directory / "empty")]
    with (
        subprocess.Popen(
            log, cwd=directory, env=environment, stderr=subprocess.PIPE, text=True
        ) as logging,
        LocalTriton(
            repository, exit_timeout=0, backends=["fil"], disable_auto_complete=True
        ) as triton,
    ):
        _, errors = logging.communicate(timeout=SECONDS)
        assert logging.returncode == 0, errors
        yield environment | {
            "TRITON_URL": triton.http_url,
            "TRITON_MODEL_REPO": str(repository),
            "EMPTY": str(directory / "empty"),
        }


@pytest.fixture
def page_run(real, tmp_path) -> Iterator[PageRun]:
    """A shell that knows nothing of the server yet; no deployment is left behind."""
    run = PageRun(tmp_path, real)
    yield run
    with run.here():
        clear()


@pytest.mark.parametrize("page", RUN)
def test_pages_do_what_they_say(page_run, page):
    for block in ALL[page]:
        with page_run.here():
            for name in block.before:
                PREPARATIONS[name](page_run)
        if block.way == "run":
            page_run.run(block)
        elif block.way == "file":
            page_run.save(block)
        elif block.way == "server":
            page_run.serve(block)
