"""What ``triton-publish`` does: check, publish, report."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mlflow_triton.layout_check import check_layout
from mlflow_triton.layout_check_tree import read_tree
from mlflow_triton.publish_request import PublishRequest, deployment_name
from triton_deploy_core.errors import DeployError
from triton_publish.progress import shown

if TYPE_CHECKING:
    from mlflow_triton.publishing import Published
    from triton_deploy_core.problems import Problem

_USER_INFO = re.compile(r"://[^/@\s]+@")


def run(request: PublishRequest, *, dry_run: bool, as_json: bool) -> None:
    """Do what was asked, and tell of it.

    Raises:
        click.ClickException: it could not be done: one line, exit status 1.
    """
    _refuse_problems(request, as_json=as_json)
    try:
        if dry_run:
            _tell_dry_run(request, as_json=as_json)
        else:
            _tell_published(request, _publish(request), as_json=as_json)
    except DeployError as error:
        message = without_secrets(str(error))
        if as_json:
            _write_json({"published": False, "error": message})
        raise click.ClickException(message) from error


def _refuse_problems(request: PublishRequest, *, as_json: bool) -> None:
    problems = _problems(request)
    if not problems:
        return
    if as_json:
        _write_json({"published": False, "problems": [asdict(problem) for problem in problems]})
    else:
        for problem in problems:
            click.echo(str(problem), err=True)
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    raise click.ClickException(f"{request.model_directory}: {count}, nothing was published.")


def _problems(request: PublishRequest) -> list[Problem]:
    return check_layout(request.model_directory, request.model_name)


def _publish(request: PublishRequest) -> Published:
    from mlflow_triton.publishing import publish  # noqa: PLC0415 - imports MLflow: seconds

    with shown() as progress:
        return publish(request, progress)


def _tell_dry_run(request: PublishRequest, *, as_json: bool) -> None:
    tree, _ = read_tree(request.model_directory)
    size = sum(file.size for file in tree.files.values())
    if as_json:
        facts = {"published": False, "dry_run": True, "model_name": request.model_name}
        _write_json({**facts, "problems": [], "files": len(tree.files), "bytes": size})
        return
    click.echo(
        f"{request.model_directory} is fit for Triton: {len(tree.files)} files, {size} bytes. "
        f"Nothing was published to {request.model_name!r} (--dry-run)."
    )


def _tell_published(request: PublishRequest, published: Published, *, as_json: bool) -> None:
    uri = f"models:/{request.model_name}/{published.version}"
    command = (
        f"mlflow deployments create -t triton --flavor {request.flavor} "
        f"--name {deployment_name(request.model_name, request.model_directory)} -m {_quoted(uri)}"
    )
    if as_json:
        _write_json(
            {
                "published": True,
                "model_name": request.model_name,
                "version": published.version,
                "run_id": published.run_id,
                "model_uri": uri,
                "logged_uri": published.logged_uri,
                "aliases": list(request.aliases),
                "deploy_command": command,
            }
        )
        return
    click.echo(f"Published {request.model_name!r}, version {published.version} in the registry.")
    click.echo(f"  run        {published.run_id}")
    click.echo(f"  logged as  {published.logged_uri}")
    click.echo(f"  model URI  {uri}")
    click.echo(f"  deploy it  {command}")


def _quoted(text: str) -> str:
    return f"'{text}'" if " " in text else text


def without_secrets(text: str) -> str:
    """Return a text on one line, without the user and password of any URL in it."""
    return _USER_INFO.sub("://", " ".join(text.split()))


def _write_json(value: Mapping[str, Any]) -> None:
    click.echo(json.dumps(value))
