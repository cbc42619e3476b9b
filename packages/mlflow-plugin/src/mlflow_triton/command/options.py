"""Options that commands of this project have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from mlflow_triton.settings import Settings, Use

_Command = TypeVar("_Command", bound=Callable[..., Any])

CONTEXT = {"help_option_names": ["-h", "--help"]}
_RECORD = "mlflow-meta.json"


@dataclass(frozen=True, slots=True)
class Given:
    """Settings as the command line gives them.

    Attributes:
        target: a target URI, as ``mlflow deployments -t`` takes it.
        config: key → value, as its ``-C`` does.
    """

    target: str
    config: dict[str, str]

    def settings(self, use: Use) -> Settings:
        """Return them with those of the environment.

        Raises:
            InvalidSettingError: one is unknown, or has no such value.
        """
        from mlflow_triton.settings import read_settings  # noqa: PLC0415 (slow)

        return read_settings(use, target_uri=self.target, config=self.config)


def _target(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if value.partition("?")[0].partition(":")[0] != "triton":
        raise click.BadParameter(
            f"{value!r} is no target of this plugin. Give triton, triton:URL or triton://host:port."
        )
    return value


def _pairs(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for value in values:
        key, equals, text = value.partition("=")
        if not equals or not key.strip():
            raise click.BadParameter(f"{value!r} is not of the form key=value.")
        if key in pairs:
            raise click.BadParameter(f"{key} is given twice.")
        pairs[key] = text
    return pairs


_TARGET = click.option(
    "-t",
    "--target",
    default="triton",
    metavar="URI",
    callback=_target,
    help="Target URI, as `mlflow deployments` takes it: triton, triton:URL, "
    "triton://host:port?key=value.",
)
_CONFIG = click.option(
    "-C",
    "--config",
    "pairs",
    multiple=True,
    metavar="KEY=VALUE",
    callback=_pairs,
    help="A setting; goes before the target URI, and that before the environment. "
    "`mlflow deployments help -t triton` lists all.",
)
_URL = click.option("--url", help="Where Triton answers, several with commas (TRITON_URL).")
_REPO = click.option("--repo", help="The model repository (TRITON_MODEL_REPO).")
_TIMEOUT = click.option("--timeout", help="Seconds that one load or unload may take (default 900).")
_SHORT = {"url": "triton_url", "repo": "triton_model_repo", "timeout": "timeout"}

as_json = click.option(
    "--json", "as_json", is_flag=True, help="Write JSON to standard output, for programs."
)


def given_settings(*, server: bool = True, loads: bool = True) -> Callable[[_Command], _Command]:
    """Give a command the options for settings; it gets them as ``given``.

    Args:
        server: whether it needs a server and a repository.
        loads: whether it has the server load anything.
    """
    options = [_TARGET, _CONFIG]
    if server:
        options += [_URL, _REPO, *([_TIMEOUT] if loads else [])]

    def decorate(command: _Command) -> _Command:
        from functools import wraps  # noqa: PLC0415

        @wraps(command)
        def wrapped(*, target: str, pairs: dict[str, str], **options: Any) -> Any:
            short = {key: options.pop(option, None) for option, key in _SHORT.items()}
            own = {key: text for key, text in short.items() if text is not None}
            return command(given=Given(target, {**pairs, **own}), **options)

        result: Any = wrapped
        for option in reversed(options):
            result = option(result)
        return result  # type: ignore[no-any-return]

    return decorate


def complete_names(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return deployments for a shell to complete, where the repository is a local directory.

    Stores and servers are not asked: a key press should not wait for a network.
    """
    import os  # noqa: PLC0415

    from click.shell_completion import CompletionItem  # noqa: PLC0415

    pairs = context.params.get("pairs") or {}
    named = context.params.get("repo") or pairs.get("triton_model_repo")
    root = Path((named or os.environ.get("TRITON_MODEL_REPO", "")).removeprefix("file://"))
    try:
        found = sorted(
            entry.name
            for entry in root.iterdir()
            if entry.name.startswith(incomplete) and (entry / _RECORD).is_file()
        )
    except OSError:
        return []
    return [CompletionItem(name) for name in found]


name_argument = click.argument("name", metavar="NAME", shell_complete=complete_names)
