"""The command line of ``triton-publish``.

Nothing but click is imported until there is something to do: ``--help`` has to be quick, and
MLflow takes seconds to import.
"""

from __future__ import annotations

from pathlib import Path

import click

from triton_publish.arguments import alias_names, registry_name, tag_pairs

_EPILOG = """\
Exit status: 0 published (or, with --dry-run, ready to be); 1 not published, and nothing is left in
the registry; 2 an option is missing, unknown or wrong.
"""


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EPILOG, no_args_is_help=True
)
@click.option(
    "--model-name",
    "--model_name",
    "model_name",
    required=True,
    metavar="NAME",
    callback=registry_name,
    help="Name in MLflow's model registry; it is made if there is none.",
)
@click.option(
    "--model-directory",
    "--model_directory",
    "model_directory",
    required=True,
    type=click.Path(path_type=Path),
    help="The model's directory, with config.pbtxt and version directories in it.",
)
@click.option(
    "--flavor",
    type=click.Choice(["triton"]),
    default="triton",
    show_default=True,
    help="Flavor of the MLflow model.",
)
@click.option(
    "--tracking-uri",
    metavar="URI",
    help="MLflow's tracking server.  [default: MLFLOW_TRACKING_URI, else MLflow's own]",
)
@click.option(
    "--registry-uri",
    metavar="URI",
    help="MLflow's model registry.  [default: MLFLOW_REGISTRY_URI, else the tracking server]",
)
@click.option(
    "--experiment",
    metavar="NAME",
    help="Experiment of the run; it is made if there is none.  [default: MLflow's own]",
)
@click.option("--run-name", metavar="NAME", help="Name of the run.")
@click.option(
    "--alias",
    "aliases",
    multiple=True,
    metavar="ALIAS",
    callback=alias_names,
    help="Alias for the new version, such as champion. Can be given more than once.",
)
@click.option(
    "--tag",
    "tags",
    multiple=True,
    metavar="KEY=VALUE",
    callback=tag_pairs,
    help="Tag for the run and the new version. Can be given more than once.",
)
@click.option("--description", metavar="TEXT", help="Description of the new version.")
@click.option("--dry-run", is_flag=True, help="Check the directory, publish nothing.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object to standard output.")
@click.version_option(package_name="triton-publish")
def main(
    *,
    model_name: str,
    model_directory: Path,
    flavor: str,
    tracking_uri: str | None,
    registry_uri: str | None,
    experiment: str | None,
    run_name: str | None,
    aliases: tuple[str, ...],
    tags: dict[str, str],
    description: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Publish a directory in Triton's layout to MLflow's model registry.

    The directory is checked first, as Triton would read it. All problems are listed at once, and
    nothing is published if there is one.
    """
    from mlflow_triton.publish_request import PublishRequest  # noqa: PLC0415 - see the module
    from triton_publish.command import run  # noqa: PLC0415 - see the module

    request = PublishRequest(
        model_name=model_name,
        model_directory=model_directory,
        flavor=flavor,
        tracking_uri=tracking_uri,
        registry_uri=registry_uri,
        experiment=experiment,
        run_name=run_name,
        aliases=aliases,
        tags=tags,
        description=description,
    )
    run(request, dry_run=dry_run, as_json=as_json)


if __name__ == "__main__":
    main()
