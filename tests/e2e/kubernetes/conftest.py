"""The manifests as kustomize puts them together, and containers of theirs as local processes."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy" / "kubernetes"
KNOWN = {
    *("apiVersion", "kind", "namespace", "resources", "configMapGenerator"),
    *("images", "replicas", "patches"),
}

Resource = dict[str, Any]


def rendered(folder: Path) -> list[Resource]:
    """Return what a kustomization says, in the part of kustomize's language that ours use.

    Names of ConfigMaps get no hash here, and their keys go over into nothing else.
    """
    said = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert set(said) <= KNOWN, folder
    found: list[Resource] = []
    for name in said["resources"]:
        path = folder / name
        found += rendered(path) if path.is_dir() else [*yaml.safe_load_all(path.read_text())]
    for generated in said.get("configMapGenerator", []):
        _generate(found, generated)
    for patch in said.get("patches", []):
        change = yaml.safe_load((folder / patch["path"]).read_text())
        _merge(named(found, change["kind"], change["metadata"]["name"]), change)
    for count in said.get("replicas", []):
        named(found, "Deployment", count["name"])["spec"]["replicas"] = count["count"]
    for image in said.get("images", []):
        _replace_image(found, image)
    if "namespace" in said:
        for resource in found:
            resource["metadata"]["namespace"] = said["namespace"]
            for subject in resource.get("subjects", []):
                subject["namespace"] = said["namespace"]
    return found


def named(resources: list[Resource], kind: str, name: str) -> Resource:
    (found,) = (
        resource
        for resource in resources
        if (resource["kind"], resource["metadata"]["name"]) == (kind, name)
    )
    return found


def _generate(found: list[Resource], generated: Mapping[str, Any]) -> None:
    data = dict(literal.split("=", 1) for literal in generated["literals"])
    if generated.get("behavior") == "merge":
        known = named(found, "ConfigMap", generated["name"])["data"]
        assert data.keys() <= known.keys()
        known.update(data)
        return
    metadata = {"name": generated["name"]}
    found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def _merge(into: Resource, change: Mapping[str, Any]) -> None:
    """A strategic merge: objects by key, lists of named objects by their names."""
    for key, value in change.items():
        there = into.get(key)
        if isinstance(value, dict) and isinstance(there, dict):
            _merge(there, value)
        elif isinstance(value, list) and isinstance(there, list):
            for item in value:
                (same,) = (other for other in there if other["name"] == item["name"])
                _merge(same, item)
        else:
            into[key] = copy.deepcopy(value)


def _replace_image(found: list[Resource], image: Mapping[str, str]) -> None:
    for resource in found:
        if resource["kind"] == "Deployment":
            for container in resource["spec"]["template"]["spec"]["containers"]:
                # An overlay names an image as the base does, whatever the base made of it.
                if container.get("_as_written", container["image"]) == image["name"]:
                    container["_as_written"] = image["name"]
                    container["image"] = f"{image['newName']}:{image['newTag']}"


def without_marks(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_marks(item) for key, item in value.items() if key != "_as_written"}
    return [without_marks(item) for item in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Container:
    """A container of the Deployment, with what its environment is by itself."""

    spec: Resource
    environment: Mapping[str, str]

    def command(self, environment: Mapping[str, str]) -> list[str]:
        """Return its command line, with ``$(NAME)`` replaced as Kubernetes does."""
        words = [*self.spec["command"], *self.spec.get("args", [])]
        known = {**self.environment, **environment}
        return [re.sub(r"\$\((\w+)\)", lambda found: known[found[1]], word) for word in words]


@dataclass(frozen=True)
class Manifests:
    resources: list[Resource]

    def one(self, kind: str, name: str = "triton") -> Resource:
        return named(self.resources, kind, name)

    @property
    def pod(self) -> Resource:
        return self.one("Deployment")["spec"]["template"]["spec"]

    def container(self, name: str) -> Container:
        (spec,) = (found for found in self.pod["containers"] if found["name"] == name)
        environment = {}
        for source in spec.get("envFrom", []):
            environment |= self.one("ConfigMap", source["configMapRef"]["name"])["data"]
        for variable in spec.get("env", []):
            reference = variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
            environment[variable["name"]] = variable.get("value", f"<{reference}>")
        return Container(spec, environment)


@pytest.fixture(scope="session")
def render() -> Callable[[str], Manifests]:
    return lambda folder: Manifests(without_marks(rendered(DEPLOY / folder)))


@pytest.fixture
def base(render: Callable[[str], Manifests]) -> Manifests:
    return render("base")
