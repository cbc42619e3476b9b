"""Makes docs/errors.md: every message of this project's errors that the tests provoke.

``nox -s errors`` runs the tests with this file as a plugin of pytest (``-p collect_errors``), which
writes down where each error is made, and then this file as a program, which makes the page of that.
A message is shown as it is written in the source, so that the page does not depend on what the
tests put into it; what is not written where it is raised is shown without its volatile parts.
"""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from triton_deploy_core import errors
from triton_local_server import errors as local_errors

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "errors.md"
SEEN = "ERRORS_SEEN"
"""The variable that names the directory where what was seen is written to."""

_INTRODUCTION = """\
# Errors

Every error is one line that says what happened, where, and what to do. These are the messages that the tests of this
project provoke, by class; `<…>` stands for what differs from time to time. Made by `nox -s errors`: do not edit.

In Python the plugin raises `mlflow_triton.exceptions.TritonDeploymentError`, an `MlflowException` with the code that is
named here; the class is that of its `__cause__`. `mlflow-triton … --json` tells the class as `error.class`, and ends
with the status that is named here; MLflow's own command ends with 1. The core raises the classes themselves.
"""

WHAT_TO_DO = {
    "DeployError": "The base of all below: catch it to catch them all.",
    "InvalidRequestError": "Change what was asked for, as the message says.",
    "InvalidNameError": "Choose another name for the deployment.",
    "InvalidPackageError": "Mend the model or its `config.pbtxt`, and log it again; `mlflow-triton check` lists all "
    "problems at once. Where Triton is to decide: `-C check=off`.",
    "InvalidInputError": "Give the inputs that the model takes: `mlflow-triton get NAME` lists them.",
    "InvalidOptionsError": "Correct `params` of the request.",
    "InvalidSettingError": "Correct the setting: `-C`, the target URI or the environment, as the message says. "
    "`mlflow deployments help -t triton` has all of them.",
    "DeploymentNotFoundError": "Look at `mlflow-triton list`: the name, or the repository, is another one.",
    "NoPreviousVersionError": "Update with the URI of the model that is to serve. With `-C keep_versions=N` the next "
    "updates keep more to go back to.",
    "DeploymentExistsError": "Update it, delete it first, or choose another name.",
    "NotOursError": "Something else put it there. Choose another name, or remove it by hand if nobody needs it.",
    "DamagedRecordError": "Restore the file from a backup, or remove the directory by hand and create the deployment "
    "again.",
    "PartOfEnsembleError": "Update or delete the deployment that the message names, or choose another name.",
    "DeploymentBusyError": "Wait for the other operation. The lease of one that was killed expires within a minute.",
    "LeaseLostError": "Nothing needs to be cleaned up. See what is deployed now, and run the command again if you want "
    "your own change instead.",
    "ModelSourceError": "Correct the model's URI, `MLFLOW_TRACKING_URI` or `MLFLOW_REGISTRY_URI`, or the access to the "
    "place where its files are.",
    "StoreError": "The model repository did not do what was asked; the next operation on the name puts in order what is "
    "left.",
    "RepositoryNotFoundError": "Create it, or correct `TRITON_MODEL_REPO`.",
    "StoreAccessError": "Give this user the rights that the message names.",
    "StoreUnavailableError": "Try again; look after the network, the service or the disk that the message names.",
    "BlobNotFoundError": "Somebody removed a file meanwhile: `mlflow-triton repair NAME`, or deploy again.",
    "PreconditionFailedError": "Somebody wrote at the same time: try again.",
    "StaleWriterError": "Another writer has taken over: start the operation again.",
    "ServerError": "See what Triton says, in the message and in its log.",
    "ServerUnreachableError": "Start the server, or correct `TRITON_URL`.",
    "AnswerLostError": "It may have been done: look (`mlflow-triton get NAME`) before you try again.",
    "ServerTimeoutError": "Raise `request_timeout` or `timeout`, or see why the server is slow.",
    "LoadTimeoutError": "It may yet end well: `mlflow-triton get NAME`. Raise `timeout` for models that take longer.",
    "NotSettledError": "Wait, and try again: a model was still on its way.",
    "NotTritonError": "Correct `TRITON_URL`: the port, or `http://` for `grpc://`.",
    "ControlModeError": "Start Triton with `--model-control-mode=explicit`.",
    "LoadFailedError": "Triton's own reason is in the message; what served before goes on.",
    "ModelNotServedError": "`mlflow-triton get NAME` says why; `mlflow-triton repair NAME` loads it.",
    "RequestRefusedError": "The server's own words are in the message.",
}

_LOCAL = "triton_local_server"
_PLACEHOLDER = "<…>"
_TELLING = 20
"""So many characters of a text have to be written down for it to be known again."""
_ALIKE = 24
"""Messages from one place that begin with so many characters in common are one."""
_SHORTEST = 12
"""What is shorter is what a test raised to see it come through."""


# What runs inside pytest.


def pytest_configure() -> None:
    """Note each error when it is made."""
    seen: set[tuple[str, str, int, str]] = set()
    for base in (errors.DeployError, local_errors.LocalTritonError):
        _watch(base, seen)
    _Seen.places = seen


class _Seen:
    places: set[tuple[str, str, int, str]]


def pytest_sessionfinish() -> None:
    """Write down what was seen, one file for each process of pytest."""
    place = Path(os.environ[SEEN]) / f"{os.getpid()}.json"
    place.write_text(json.dumps(sorted(_Seen.places)))


def _watch(base: type[Exception], seen: set[tuple[str, str, int, str]]) -> None:
    before = base.__init__

    def noted(self: Exception, *arguments: Any, **options: Any) -> None:
        before(self, *arguments, **options)
        where = _origin(self, sys._getframe(1))  # noqa: SLF001 (there is no other way)
        if where is not None and arguments:
            seen.add((_key(type(self)), *where, str(arguments[0])))

    base.__init__ = noted  # type: ignore[method-assign]


def _key(kind: type[Exception]) -> str:
    """Return the name of a class; the local server has some of the same names."""
    is_local = kind.__module__.startswith(_LOCAL)
    return f"{_LOCAL}.{kind.__name__}" if is_local else kind.__name__


def _origin(error: Exception, frame: FrameType | None) -> tuple[str, int] | None:
    """Return the file and line of ours where an error was made; None where that is not ours."""
    while frame is not None and frame.f_locals.get("self") is error:
        frame = frame.f_back
    if frame is None:
        return None
    path = Path(frame.f_code.co_filename)
    if not path.is_relative_to(ROOT / "packages") or any("testing" in part for part in path.parts):
        return None
    return str(path.relative_to(ROOT)), frame.f_lineno


# What makes the page.


def main(seen: str) -> None:
    """Write the page."""
    places = {
        tuple(place) for file in Path(seen).glob("*.json") for place in json.loads(file.read_text())
    }
    PAGE.write_text(page(messages(places)))


def messages(places: Iterable[Any]) -> dict[str, list[str]]:
    """Return the messages of each class."""
    written: dict[str, set[str]] = defaultdict(set)
    told: dict[tuple[str, str, int], set[str]] = defaultdict(set)
    for kind, path, line, text in places:
        template = _template(path, line) or _that_fits(path, text)
        if template is not None and template.strip(f"{_PLACEHOLDER} :.;,") != "":
            written[kind].add(template)
        else:
            told[kind, path, line].add(_without_volatile(text))
    for (kind, _, _), texts in told.items():
        shortest_last = sorted(texts, key=lambda text: (-len(text), text))
        alike = {text[:_ALIKE]: text for text in shortest_last if len(text) >= _SHORTEST}
        written[kind] |= set(alike.values())
    return {kind: sorted(texts) for kind, texts in written.items()}


def page(found: dict[str, list[str]]) -> str:
    """Return the text of the page."""
    parts = [_INTRODUCTION]
    for kind in classes(errors):
        parts += _section(kind, found.pop(_key(kind), []), _facts(kind))
    parts += [
        "## Of the local Triton\n",
        "`triton_local_server.errors`; `serve` tells them alike.\n",
    ]
    for kind in classes(local_errors):
        parts += _section(kind, found.pop(_key(kind), []), [])
    parts.append("## Of parts\n")
    for name in sorted(found):
        parts += [f"### `{name}`\n", *_listed(found[name])]
    return "\n".join(parts).rstrip() + "\n"


def classes(module: Any) -> list[type[Exception]]:
    """Return the errors that a module defines, in their order there."""
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Exception)
        and value.__module__ == module.__name__
    ]


def _section(kind: type[Exception], found: list[str], facts: list[str]) -> list[str]:
    meaning = (kind.__doc__ or "").strip().splitlines()[0]
    return [f"### `{kind.__name__}`\n", " ".join([meaning, *facts]), "", *_listed(found)]


def _facts(kind: type[Exception]) -> list[str]:
    from mlflow.exceptions import ErrorCode  # noqa: PLC0415 (slow)

    from mlflow_triton.command.statuses import status_of  # noqa: PLC0415
    from mlflow_triton.exceptions import code_of  # noqa: PLC0415

    error = kind.__new__(kind)
    code = ErrorCode.Name(code_of(error))
    return [WHAT_TO_DO[kind.__name__], f"(`{code}`; status {status_of(error)})"]


def _listed(found: list[str]) -> list[str]:
    return [*(f"- {_as_code(text)}" for text in found), ""] if found else []


def _as_code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    space = " " if "`" in text else ""
    return f"{fence}{space}{text}{space}{fence}"


_VOLATILE = (
    (re.compile(r"(?:[a-z][a-z0-9+]*://)[^\s'\",;)]+"), "<url>"),
    (re.compile(r"\b(?:localhost|\d+\.\d+\.\d+\.\d+|\[::1?\])(?::\d+)?"), "<host>"),
    (re.compile(r"(?<![\w<])/[\w./~@-]+"), "<path>"),
    (re.compile(r"(?<!\w)b?'[^']*'(?!\w)|\"[^\"]*\""), "'<…>'"),
    (re.compile(r"\b[0-9a-f]{8,}\b"), "<id>"),
    (re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?"), "<n>"),
    (re.compile(r"(?:<n>(?:, | x |\.)?){2,}"), "<n>"),
)


def _without_volatile(text: str) -> str:
    shown = " ".join(text.split())
    for pattern, placeholder in _VOLATILE:
        shown = pattern.sub(placeholder, shown)
    return shown


@cache
def _tree(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


@cache
def _template(path: str, line: int) -> str | None:
    """Return the message that is written at a place of the source; None where none is."""
    covering = [
        node
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Call) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    made = [node for node in covering if node.args and _makes_an_error(node)]
    if not made:
        return None
    innermost = max(made, key=lambda node: (node.lineno, node.col_offset))
    text = _text(innermost.args[0], path, line)
    return None if text is None else " ".join(text.split())


def _that_fits(path: str, text: str) -> str | None:
    """Return the text in a module that a message was made of, in a function beside its error."""
    shown = " ".join(text.split())
    fitting = [
        template for pattern, template in _patterns(path) if pattern.fullmatch(shown) is not None
    ]
    return max(fitting, key=len, default=None)


@cache
def _patterns(path: str) -> list[tuple[re.Pattern[str], str]]:
    found = []
    for node in ast.walk(_tree(path)):
        if not isinstance(node, ast.JoinedStr):
            continue
        constants = [part.value for part in node.values if isinstance(part, ast.Constant)]
        if len("".join(map(str, constants))) < _TELLING:
            continue
        pattern = "".join(
            re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".*"
            for part in node.values
        )
        template = _text(node, path, node.lineno)
        if template is not None:
            found.append((re.compile(pattern, re.DOTALL), " ".join(template.split())))
    return found


def _makes_an_error(node: ast.Call) -> bool:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name.endswith("Error")


def _text(node: ast.expr, path: str, line: int) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_part(value, path, line) for value in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            parts = _text(left, path, line), _text(right, path, line)
            return None if None in parts else f"{parts[0]}{parts[1]}"
        case ast.Name(id=name):
            assigned = _assigned(name, path, line)
            return None if assigned is None else _text(assigned, path, assigned.lineno)
    return None


def _part(value: ast.expr, path: str, line: int) -> str:
    if isinstance(value, ast.Constant):
        return str(value.value)
    inner = value.value if isinstance(value, ast.FormattedValue) else value
    if isinstance(inner, ast.Name) and inner.id.isupper():
        return _text(inner, path, line) or _PLACEHOLDER
    if isinstance(inner, ast.Name | ast.Attribute):
        name = inner.id if isinstance(inner, ast.Name) else inner.attr
        return f"<{name.strip('_').replace('_', ' ')}>"
    return _PLACEHOLDER


def _assigned(name: str, path: str, line: int) -> ast.expr | None:
    """Return what a name was given last before a line, in the same function or in the module."""
    tree = _tree(path)
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    for scope in (*sorted(around, key=lambda node: -node.lineno), tree):
        found = [
            node
            for node in (ast.walk(scope) if scope is not tree else tree.body)
            if isinstance(node, ast.Assign)
            and any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
        ]
        before = [node for node in found if node.lineno < line or scope is tree]
        if len(before) == 1 or (before and scope is not tree):
            return max(before, key=lambda node: node.lineno).value
    return None


if __name__ == "__main__":
    main(sys.argv[1])
