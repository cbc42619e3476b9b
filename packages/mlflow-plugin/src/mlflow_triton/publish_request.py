"""What somebody wants to publish, and under which name it could be deployed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from triton_deploy_core.errors import InvalidPackageError
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import CONFIG_FILE
from triton_deploy_transport.pbtxt import parse

_UNFIT = re.compile(r"[^A-Za-z0-9._~-]+")


def deployment_name(model_name: str, model_directory: Path) -> str:
    """Return a name that Triton would serve the model under.

    A name in ``config.pbtxt`` leaves no choice; else it is the registry's, as far as it is fit.
    """
    try:
        named = parse((model_directory / CONFIG_FILE).read_bytes()).name
    except (InvalidPackageError, OSError):
        named = ""
    for candidate in (named, model_name, _UNFIT.sub("-", model_name).strip("-")):
        if DeploymentName.is_valid(candidate):
            return candidate
    return "model"


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """What is to be published, and as what.

    Attributes:
        model_name: the name in the registry.
        model_directory: the directory in Triton's layout.
        flavor: the MLflow model's flavor.
        tracking_uri: MLflow's tracking server; None: as the environment says.
        registry_uri: MLflow's registry; None: as the environment says.
        experiment: the run's experiment; None: MLflow's default.
        run_name: the run's name; None: MLflow makes one up.
        aliases: for the new version.
        tags: for the run and the new version.
        description: of the new version.
    """

    model_name: str
    model_directory: Path
    flavor: str
    tracking_uri: str | None
    registry_uri: str | None
    experiment: str | None
    run_name: str | None
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    description: str | None
