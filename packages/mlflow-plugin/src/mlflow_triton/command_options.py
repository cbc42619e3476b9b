"""Options of the commands that ``python -m mlflow_triton.…`` has beside MLflow's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])

CONTEXT = {"help_option_names": ["-h", "--help"]}

_OPTIONS = (
    click.option("--url", help="Where Triton answers (default: TRITON_URL)."),
    click.option("--repo", help="The model repository (default: TRITON_MODEL_REPO)."),
    click.option("--timeout", help="Seconds that one load or unload may take (default 900)."),
)


def server_and_repository(command: _Command) -> _Command:
    """Give a command the options that say which server and which repository."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def config_of(url: str | None, repo: str | None, timeout: str | None) -> dict[str, str]:
    """Return the settings that these options give, as ``-C`` has them."""
    given = {"triton_url": url, "triton_model_repo": repo, "timeout": timeout}
    return {key: text for key, text in given.items() if text is not None}
