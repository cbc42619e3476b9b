"""The six packages as they are published: one version, exact pins, metadata that is complete."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
FOLDERS = ("core", "storage", "transport", "local-server", "mlflow-plugin", "publish-cli")
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def _read(path: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / path).read_text())


PROJECTS = {folder: _read(f"packages/{folder}/pyproject.toml")["project"] for folder in FOLDERS}
NAMES = {project["name"] for project in PROJECTS.values()}
VERSION = _read("pyproject.toml")["project"]["version"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_all_have_one_version_and_pin_each_other_to_it(folder):
    project = PROJECTS[folder]
    assert project["version"] == VERSION
    required = [*project["dependencies"]]
    for extra in project.get("optional-dependencies", {}).values():
        required += extra
    pinned = {}
    for requirement in required:
        name, _, rest = re.fullmatch(r"([\w.-]+)(\[[^]]*\])?(.*)", requirement).groups()
        if name in NAMES:
            pinned[requirement] = rest
    assert set(pinned.values()) <= {f"=={VERSION}"}, pinned


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_metadata_is_complete(folder):
    project = PROJECTS[folder]
    assert set(project) >= {"description", "readme", "license", "license-files", "keywords"}
    assert project["license"] == "Apache-2.0"
    assert project["requires-python"] == f">={PYTHONS[0]}"
    for python in PYTHONS:
        assert f"Programming Language :: Python :: {python}" in project["classifiers"]
    assert "Typing :: Typed" in project["classifiers"]
    license_file = ROOT / "packages" / folder / "LICENSE"
    assert license_file.read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_readme_has_no_links_that_lead_nowhere_from_an_index(folder):
    text = (ROOT / "packages" / folder / "README.md").read_text()
    assert not re.findall(r"\]\((?!https://|#)[^)]*\)", text)


def test_the_changelog_has_the_form_of_keep_a_changelog():
    text = (ROOT / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    released = [re.fullmatch(r"\[(\d+)\.(\d+)\.(\d+)\] - \d{4}-\d\d-\d\d", h) for h in headings[1:]]
    assert all(released), headings
    versions = [tuple(map(int, one.groups())) for one in released]
    assert versions == sorted(versions, reverse=True)
    kinds = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    # What was released is what the packages say, until the next one is begun.
    assert not versions or versions[0] <= tuple(map(int, VERSION.split(".")))
