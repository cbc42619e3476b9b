"""The command ``mlflow-triton`` itself: each of its commands is imported when it is called."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

import click

from mlflow_triton.command.options import CONTEXT
from mlflow_triton.command.statuses import HELP

_COMMANDS = {
    "check": ("mlflow_triton.command.check", "Say what would be deployed, and what is wrong."),
    "get": ("mlflow_triton.command.get", "Show one deployment."),
    "list": ("mlflow_triton.command.list", "Show every deployment."),
    "reconcile": ("mlflow_triton.reconcile", "Keep one server at what is deployed."),
    "repair": ("mlflow_triton.repair", "Finish what was interrupted, load what is deployed."),
    "rollback": ("mlflow_triton.command.rollback", "Go back to a version that served before."),
    "serve": ("mlflow_triton.command.serve", "Serve a model by a Triton on this machine."),
}
"""Name → module with the command as ``main``, and its line in the help, which imports none."""


_MLFLOWS = ("create", "update", "delete", "predict", "run-local")
_SHELLS = 'Completion: eval "$(_MLFLOW_TRITON_COMPLETE=bash_source mlflow-triton)", or zsh or fish.'


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(_COMMANDS[cmd_name][0]).main
        command.name = cmd_name
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in _COMMANDS and not ctx.resilient_parsing:  # a shell that completes asks too
            if name in _MLFLOWS:
                ctx.fail(f"That is MLflow's: mlflow deployments {name} -t triton …")
            if close := get_close_matches(name, _COMMANDS, n=1):
                ctx.fail(f"There is no command {name!r}. Did you mean {close[0]!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.command(
    cls=_Commands,
    name="mlflow-triton",
    context_settings=CONTEXT,
    no_args_is_help=True,
    epilog=f"{_SHELLS} {HELP}",
)
@click.version_option(package_name="mlflow-triton")
def main() -> None:
    """Look after what `mlflow deployments … -t triton` deploys.

    Settings are the same: -C key=value, then the target URI, then the environment (TRITON_URL,
    TRITON_MODEL_REPO). With --json a command writes JSON.
    """


if __name__ == "__main__":
    main()
