"""The name to propose for a deployment."""

from __future__ import annotations

import re
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
