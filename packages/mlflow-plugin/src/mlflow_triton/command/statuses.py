"""Exit statuses, the same for all commands of this project, and errors as these."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from triton_deploy_core.errors import DeployError

DONE = 0
LEFT = 1
"""It failed, or something is left to do."""
WRONG = 2
"""What was asked for can't be: an option, a setting, a name, the repository, the server's mode."""

HELP = (
    "Exit status: 0 done; 1 it failed, or something is left to do; 2 an option, a setting or a "
    "name is wrong, the repository does not exist, or the server is not in EXPLICIT mode."
)


class CommandError(click.ClickException):
    """What goes to a terminal as one line; the status is `LEFT`."""

    exit_code = LEFT


class WrongRequestError(CommandError):
    """Likewise; the status is `WRONG`."""

    exit_code = WRONG


def status_of(error: DeployError) -> int:
    """Return the exit status of a command that an error ended."""
    from triton_deploy_core.errors import (  # noqa: PLC0415 (a probe needs no core)
        ControlModeError,
        InvalidPackageError,
        InvalidRequestError,
        RepositoryNotFoundError,
    )

    if isinstance(error, InvalidPackageError):
        return LEFT
    wrong = isinstance(error, InvalidRequestError | RepositoryNotFoundError | ControlModeError)
    return WRONG if wrong else LEFT


@contextmanager
def errors_reported(*, as_json: bool = False) -> Iterator[None]:
    """Turn the core's errors into one line on stderr, an exit status and, if asked for, JSON.

    Raises:
        CommandError: for every `DeployError`.
    """
    from triton_deploy_core.errors import DeployError  # noqa: PLC0415 (a probe needs no core)

    try:
        yield
    except DeployError as error:
        from mlflow_triton.command.json_forms import write_json  # noqa: PLC0415 (as it is needed)
        from mlflow_triton.descriptions import sentence  # noqa: PLC0415 (likewise)

        message = sentence(str(error))
        if as_json:
            write_json({"error": {"class": type(error).__name__, "message": message}})
        kind = WrongRequestError if status_of(error) == WRONG else CommandError
        raise kind(message) from error
