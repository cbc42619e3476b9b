"""Model URIs: what a user may write, parsed once.

``models:/name/1``, ``models:/name/latest``, ``models:/name/Production``, ``models:/name@alias``,
``models:/m-<id>`` (MLflow 3), ``runs:/<run>/path``, a path on this machine, and any other URI
that MLflow has an artifact repository for (``mlflow-artifacts:``, ``s3:``, …). The grammar is that
of MLflow's ``mlflow.artifacts.download_artifacts``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit
from urllib.request import url2pathname

from triton_deploy_core.errors import ModelSourceError

_USERINFO_AND_QUERY = re.compile(r"(://)(?:[^\s/]*@)?([^\s?'\"]*)(?:\?[^\s'\"]*)?")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_FORMS = (
    "Use models:/<name>/<version>, models:/<name>@<alias>, models:/<name>/latest, "
    "models:/m-<id>, runs:/<run>/<path> or a directory."
)


@dataclass(frozen=True, slots=True)
class RegisteredModelRef:
    """A version in the model registry; with no selector at all, the latest one."""

    name: str
    version: int | None = None
    alias: str | None = None
    stage: str | None = None


@dataclass(frozen=True, slots=True)
class LoggedModelRef:
    """A logged model of MLflow 3, by its id."""

    model_id: str


@dataclass(frozen=True, slots=True)
class RunModelRef:
    """A model by the run that logged it and its path or name there."""

    run_id: str
    path: str


@dataclass(frozen=True, slots=True)
class ArtifactRef:
    """A model by the URI of its directory in an artifact store."""

    uri: str


@dataclass(frozen=True, slots=True)
class PathRef:
    """A model's directory on this machine."""

    path: Path


ModelRef: TypeAlias = RegisteredModelRef | LoggedModelRef | RunModelRef | ArtifactRef | PathRef


_MISSPELT = {"model": "models", "run": "runs"}
"""Schemes that are none, and what is meant."""


def without_secrets(text: str) -> str:
    """Return a URI, or a message that holds some, without user names, passwords and queries.

    Queries go too since database URIs and signed URLs keep passwords there.
    """
    return _USERINFO_AND_QUERY.sub(r"\1\2", text)


def parse_model_uri(text: str) -> ModelRef:
    """Tell what kind of model a URI names. Nothing is looked up.

    Raises:
        ModelSourceError: it is no model URI.
    """
    if not text.strip() or "\0" in text:
        raise ModelSourceError(f"The model URI is empty or not text. {_FORMS}")
    scheme = _scheme(text)
    if scheme == "":
        return PathRef(Path(text).expanduser())
    try:
        split = urlsplit(text)
    except ValueError as error:
        raise _improper(text, str(error)) from error
    if scheme == "models":
        return _registry_ref(text, split.netloc)
    if scheme == "runs":
        return _run_ref(text, split.netloc)
    if scheme in _MISSPELT:
        right = f"{_MISSPELT[scheme]}:{text.partition(':')[2]}"
        raise ModelSourceError(
            f"Not a model URI: {without_secrets(text)!r}. Did you mean {without_secrets(right)!r}? "
            f"{_FORMS}"
        )
    if scheme == "file":
        return PathRef(_file_path(text, split.netloc, split.path))
    return ArtifactRef(text)


def _scheme(text: str) -> str:
    match = _SCHEME.match(text)
    return match[1].lower() if match is not None else ""


def _segments(text: str, netloc: str) -> list[str]:
    # MLflow takes everything after the colon literally: no percent-decoding, no fragment.
    if netloc:
        raise _improper(text, f"'{without_secrets('://' + netloc)[3:]}' has no place in it")
    return text.partition(":")[2].strip("/").split("/")


def _registry_ref(text: str, netloc: str) -> ModelRef:
    parts = _segments(text, netloc)
    if not all(part.strip() for part in parts):
        raise _improper(text, "it has an empty part")
    if len(parts) == 1:
        name, at, alias = parts[0].rpartition("@")
        if not at:
            return _logged_model_ref(text, parts[0])
        if not name.strip() or not alias.strip():
            raise _improper(text, "name and alias must not be empty")
        return RegisteredModelRef(name, alias=alias)
    name, selector, *rest = parts
    if rest:
        raise _improper(text, "it has more parts than a name and a version")
    if selector.isascii() and selector.isdigit():
        return RegisteredModelRef(name, version=int(selector))
    if selector.lower() == "latest":
        return RegisteredModelRef(name)
    return RegisteredModelRef(name, stage=selector)


def _logged_model_ref(text: str, model_id: str) -> ModelRef:
    if not model_id.startswith("m-"):
        raise _improper(text, f"a registered model needs a version, as in models:/{model_id}/1")
    return LoggedModelRef(model_id)


def _run_ref(text: str, netloc: str) -> ModelRef:
    run_id, *path = _segments(text, netloc)
    if not run_id.strip() or not path or ".." in path:
        raise _improper(text, "it needs a run and the model's path in it")
    return RunModelRef(run_id, "/".join(path))


def _file_path(text: str, netloc: str, path: str) -> Path:
    if netloc not in ("", "localhost"):
        raise _improper(text, f"'{without_secrets('://' + netloc)[3:]}' is another machine")
    return Path(url2pathname(path))


def _improper(text: str, why: str) -> ModelSourceError:
    return ModelSourceError(f"Not a model URI: {without_secrets(text)!r}: {why}. {_FORMS}")
