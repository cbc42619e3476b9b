"""What the command line's values may be: found out before anything is touched."""

from __future__ import annotations

import re

import click

from mlflow_triton.command.statuses import WrongRequestError

_ALIAS = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_VERSION_LIKE = re.compile(r"v[0-9]+", re.ASCII | re.IGNORECASE)
_MAX_NAME = 256
_MAX_ALIAS = 255


def registry_name(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """Return a name that MLflow's registry takes, on every store behind it.

    Raises:
        WrongRequestError: it takes no such name: one line, and exit status 2.
    """
    if not value.strip():
        raise WrongRequestError("The model's name is empty. Give one with --model-name.")
    if value in {".", ".."} or any(character in value for character in "/:"):
        raise WrongRequestError(
            f"The model's name {value!r} can't be registered: MLflow takes no '/' or ':' in it, "
            "nor '.' or '..'. Choose another --model-name."
        )
    if not value.isprintable() or value != value.strip() or len(value) > _MAX_NAME:
        raise WrongRequestError(
            f"The model's name {value[:40]!r} can't be registered: it has spaces around it, "
            f"characters that can't be printed, or more than {_MAX_NAME} characters. "
            "Choose another --model-name."
        )
    return value


def alias_names(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    """Return aliases that MLflow's registry takes, each once.

    Raises:
        WrongRequestError: one of them can't be an alias.
    """
    for value in values:
        if (
            _ALIAS.fullmatch(value) is None
            or _VERSION_LIKE.fullmatch(value) is not None
            or value.lower() == "latest"
            or len(value) > _MAX_ALIAS
        ):
            raise WrongRequestError(
                f"{value[:40]!r} can't be an alias: MLflow takes letters, digits, '_' and '-', "
                "and keeps 'latest' and 'v1', 'v2', … to itself. Choose another --alias."
            )
    return tuple(dict.fromkeys(values))


def tag_pairs(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """Return what ``key=value`` says, the last of each key.

    Raises:
        WrongRequestError: one of them has not that form.
    """
    tags = {}
    for value in values:
        key, equals, text = value.partition("=")
        if not equals or not key.strip():
            raise WrongRequestError(f"--tag {value!r} is not of the form key=value.")
        tags[key] = text
    return tags
