"""Where the Python packages of a model come from when Triton serves it.

Triton's python backend (``src/pb_env.cc``, ``src/stub_launcher.cc``) unpacks an archive that
``EXECUTION_ENV_PATH`` names into a directory of its own, sources its ``bin/activate``, and starts
the stub in that shell. The stub is linked to one version of Python and built for some versions of
numpy: where those will not do, the model runs in a process of its own, under an interpreter that
the server has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import yaml

from mlflow_triton.environment_interpreter import interpreter_with
from mlflow_triton.environment_packing import pack_environment
from mlflow_triton.flavors.pyfunc import ENVIRONMENT, INTERPRETER, ON_SERVER, PACKED
from mlflow_triton.model_files import read_small
from triton_deploy_core.errors import InvalidPackageError, InvalidSettingError
from triton_deploy_core.ports.store import LocalFile, Source

if TYPE_CHECKING:
    from mlflow_triton.flavors.packaging import FlavorInput
    from triton_deploy_core.ports.source import ModelFiles

REQUIREMENTS_FILE = "requirements.txt"
_PYTHON_FILE = "python_env.yaml"
_PARAMETER = "EXECUTION_ENV_PATH"
_INTERPRETER_PARAMETER = "PYTHON"  # read by served/pyfunc_model.py
_ARCHIVES = (".tar.gz", ".tgz")
_DIGITS = 12
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Environment:
    """What an environment adds to a package.

    Attributes:
        parameters: of the configuration.
        files: beside the versions: path in the model's directory → source. A name holds its
            content's digest, so that another environment is another file: nothing that a server
            may be reading is written over.
    """

    parameters: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Source] = field(default_factory=dict)


def choose_environment(wanted: str, model: FlavorInput) -> Environment:
    """Return the environment that a setting asks for.

    Args:
        wanted: the setting: ``server``, ``pack``, ``server:PATH``, ``python:PATH``, or a file here.
        model: the model that it is for.

    Raises:
        InvalidSettingError: there is no such file, or it is no archive; or uv is missing.
        InvalidPackageError: the model does not say what it needs, or that can't be installed.
    """
    if wanted == ON_SERVER:
        return Environment()
    if wanted.startswith(f"{ON_SERVER}:"):
        path = wanted.removeprefix(f"{ON_SERVER}:")
        return Environment({_PARAMETER: _absolute(path, wanted)})
    if wanted.startswith(f"{INTERPRETER}:"):
        python = wanted.removeprefix(f"{INTERPRETER}:")
        return Environment({_INTERPRETER_PARAMETER: _absolute(python, wanted)})
    if wanted == PACKED:
        version = python_version_of(model.files)
        archive = pack_environment(requirements_of(model.files), version)
        return _shipped(archive, {_INTERPRETER_PARAMETER: f"python{version}"})
    archive = Path(wanted).expanduser()
    if not archive.is_file() or not archive.name.endswith(_ARCHIVES):
        raise InvalidSettingError(
            f"{ENVIRONMENT}={wanted}: there is no such {_ARCHIVES[0]} file here. Use {ON_SERVER}, "
            f"{PACKED}, an archive with bin/activate in it, {ON_SERVER}:PATH for one on the "
            f"server, or {INTERPRETER}:PATH for an interpreter there."
        )
    return _shipped(archive, {})


def environment_here(model: FlavorInput) -> Environment:
    """Return an environment on this machine, which is the server's too.

    Raises:
        InvalidSettingError: uv is needed and missing.
        InvalidPackageError: the model does not say what it needs, or that can't be installed.
    """
    requirements = requirements_of(model.files)
    python = interpreter_with(requirements, python_version_of(model.files))
    return Environment({_INTERPRETER_PARAMETER: str(python)})


def requirements_of(files: ModelFiles) -> str:
    """Return the text of a model's ``requirements.txt``.

    Raises:
        InvalidPackageError: it has none.
    """
    if files.find(REQUIREMENTS_FILE) is None:
        raise InvalidPackageError(
            f"The model has no {REQUIREMENTS_FILE}, which says what packages it needs. Log it "
            "again with pip_requirements=."
        )
    return read_small(files, REQUIREMENTS_FILE).decode("utf-8")


def python_version_of(files: ModelFiles) -> str:
    """Return the version of Python that a model was logged with, such as ``3.11``.

    Raises:
        InvalidPackageError: it does not say.
    """
    found: object = None
    if files.find(_PYTHON_FILE) is not None:
        found = yaml.safe_load(read_small(files, _PYTHON_FILE))
    version = str(found.get("python", "")) if isinstance(found, Mapping) else ""
    numbers = version.split(".")[:2]
    if len(numbers) < 2 or not all(number.isdigit() for number in numbers):  # noqa: PLR2004
        raise InvalidPackageError(
            f"The model has no {_PYTHON_FILE} that says which Python it needs. Log it again, or "
            f"deploy it with an environment of your own ({ENVIRONMENT}=FILE)."
        )
    return ".".join(numbers)


def _absolute(path: str, wanted: str) -> str:
    if not PurePosixPath(path).is_absolute():
        raise InvalidSettingError(
            f"{ENVIRONMENT}={wanted}: it has to be an absolute path on the server."
        )
    return path


def _shipped(archive: Path, parameters: Mapping[str, str]) -> Environment:
    digest = hashlib.sha256()
    with archive.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    name = f"environment-{digest.hexdigest()[:_DIGITS]}{_ARCHIVES[0]}"
    source = LocalFile(archive, archive.stat().st_size)
    place = {_PARAMETER: f"$$TRITON_MODEL_DIRECTORY/{name}"}
    return Environment({**parameters, **place}, {name: source})
