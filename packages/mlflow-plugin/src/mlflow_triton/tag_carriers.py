"""What of MLflow's can carry the tag of a deployment: model versions, logged models, runs.

Methods raise whatever MLflow raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from mlflow import MlflowClient

from mlflow_triton.mlmodel import read_mlmodel
from mlflow_triton.source_uri import (
    LoggedModelRef,
    ModelRef,
    RegisteredModelRef,
    RunModelRef,
    parse_model_uri,
)
from triton_deploy_core.ports.source import LocatedModel


class Carrier(Protocol):
    """One of MLflow's things that has tags."""

    def tags(self, client: MlflowClient) -> Mapping[str, str]:
        """Return its tags."""
        ...

    def set(self, client: MlflowClient, key: str, value: str) -> None:
        """Set a tag."""
        ...

    def delete(self, client: MlflowClient, key: str) -> None:
        """Remove a tag that it has."""
        ...


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """A version in the model registry."""

    name: str
    version: str

    def tags(self, client: MlflowClient) -> Mapping[str, str]:
        """Return its tags."""
        return dict(client.get_model_version(self.name, self.version).tags)

    def set(self, client: MlflowClient, key: str, value: str) -> None:
        """Set a tag."""
        client.set_model_version_tag(self.name, self.version, key, value)

    def delete(self, client: MlflowClient, key: str) -> None:
        """Remove a tag that it has."""
        client.delete_model_version_tag(self.name, self.version, key)


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """A logged model of MLflow 3."""

    model_id: str

    def tags(self, client: Any) -> Mapping[str, str]:
        """Return its tags."""
        return dict(client.get_logged_model(self.model_id).tags)

    def set(self, client: Any, key: str, value: str) -> None:
        """Set a tag."""
        client.set_logged_model_tags(self.model_id, {key: value})

    def delete(self, client: Any, key: str) -> None:
        """Remove a tag that it has."""
        client.delete_logged_model_tag(self.model_id, key)


@dataclass(frozen=True, slots=True)
class LoggingRun:
    """A run, for a model that MLflow 2 logged there."""

    run_id: str

    def tags(self, client: MlflowClient) -> Mapping[str, str]:
        """Return its tags."""
        return dict(client.get_run(self.run_id).data.tags)

    def set(self, client: MlflowClient, key: str, value: str) -> None:
        """Set a tag."""
        client.set_tag(self.run_id, key, value)

    def delete(self, client: MlflowClient, key: str) -> None:
        """Remove a tag that it has."""
        client.delete_tag(self.run_id, key)


_KNOWS_LOGGED_MODELS = hasattr(MlflowClient, "set_logged_model_tags")


def carrier_of(model: LocatedModel) -> Carrier | None:
    """Return what carries the tags of a located model; None for one that is only files."""
    ref = parse_model_uri(model.resolved_uri or model.uri)
    if isinstance(ref, RunModelRef):
        model_id = read_mlmodel(model.files).model_id
        if model_id is None or not _KNOWS_LOGGED_MODELS:
            return LoggingRun(ref.run_id)
        return LoggedModel(model_id)
    return permanent_carrier(ref)


def permanent_carrier(ref: ModelRef) -> Carrier | None:
    """Return what carries the tags of a reference; None where that may be another tomorrow."""
    if isinstance(ref, RegisteredModelRef) and ref.version is not None:
        return RegisteredVersion(ref.name, str(ref.version))
    if isinstance(ref, LoggedModelRef) and _KNOWS_LOGGED_MODELS:
        return LoggedModel(ref.model_id)
    return None


def possible_carriers(client: MlflowClient, ref: ModelRef | None) -> Iterator[Carrier]:
    """Yield what may carry the tags of a model, as far as its reference tells that."""
    permanent = None if ref is None else permanent_carrier(ref)
    if permanent is not None:
        yield permanent
    elif isinstance(ref, RunModelRef):
        yield LoggingRun(ref.run_id)
        outputs = getattr(client.get_run(ref.run_id), "outputs", None)
        for output in getattr(outputs, "model_outputs", None) or []:
            yield LoggedModel(output.model_id)


def tagged_versions(
    client: MlflowClient, key: str
) -> Iterator[tuple[RegisteredVersion, Mapping[str, str]]]:
    """Yield every version in the registry that has a tag, and its tags."""
    token: str | None = None
    while True:
        page = client.search_model_versions(f"tags.`{key}` LIKE '%'", page_token=token)
        for version in page:
            yield RegisteredVersion(str(version.name), str(version.version)), dict(version.tags)
        token = page.token
        if not token:
            return
