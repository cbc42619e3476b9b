"""docs/errors.md has every class of error, and what to do of each."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from triton_deploy_core import errors
from triton_local_server import errors as local_errors

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "collect_errors.py"


@pytest.fixture(scope="module")
def collecting():
    spec = importlib.util.spec_from_file_location("collect_errors", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_has_the_classes_that_there_are(collecting):
    headings = re.findall(r"^### `(\w+)`$", collecting.PAGE.read_text(), re.MULTILINE)
    named = [
        kind.__name__ for module in (errors, local_errors) for kind in collecting.classes(module)
    ]
    assert headings[: len(named)] == named
    assert set(collecting.WHAT_TO_DO) == {kind.__name__ for kind in collecting.classes(errors)}


def test_the_tree_in_the_docstring_has_them_too(collecting):
    drawn = set(re.findall(r"\b\w+Error\b", errors.__doc__))
    assert {kind.__name__ for kind in collecting.classes(errors)} <= drawn


def test_a_message_is_shown_as_it_is_written(collecting):
    path = "packages/core/src/triton_deploy_core/rolling_back.py"
    lines = (ROOT / path).read_text().splitlines()
    line = next(at for at, text in enumerate(lines, 1) if "has no previous version" in text)
    places = [("NoPreviousVersionError", path, line, "whatever a test provoked")]
    (message,) = collecting.messages(places)["NoPreviousVersionError"]
    assert message.startswith("'<name>' has no previous version <number> in the repository")
    assert "whatever" not in message


def test_one_that_is_made_elsewhere_is_shown_without_what_differs(collecting):
    text = "http://127.0.0.1:4711/v2 said 'no' of /tmp/x/y after 3.5 s (id 0123abcd99)"
    places = [("ServerError", "noxfile.py", 1, text)]
    (message,) = collecting.messages(places)["ServerError"]
    assert message == "<url> said '<…>' of <path> after <n> s (id <id>)"
