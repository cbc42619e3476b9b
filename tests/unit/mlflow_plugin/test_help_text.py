from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from mlflow.deployments.cli import commands

from mlflow_triton.deployments import target_help
from mlflow_triton.flavors.registry import Registry
from mlflow_triton.settings import SETTINGS, Use, flavor_settings, read_settings

_README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
_USES = {
    "create": Use.DEPLOY,
    "update": Use.DEPLOY | Use.UPDATE,
    "delete": Use.DELETE,
    "run-local": Use.RUN_LOCAL,
}


def examples() -> list[str]:
    """The commands that the text shows, continued lines joined."""
    text = target_help().replace("\\\n", " ")
    return re.findall(r"^ +(mlflow deployments .+)$", text, re.MULTILINE)


@pytest.mark.parametrize(
    "setting", [*SETTINGS, *flavor_settings()], ids=lambda setting: setting.key
)
def test_every_setting_is_there(setting):
    text = target_help()
    assert re.search(rf"^  {setting.key}={re.escape(setting.value)}\b", text, re.MULTILINE)
    assert setting.help in " ".join(text.split())
    assert setting.variable is None or f"(environment: {setting.variable})" in text


def test_the_settings_in_the_readme_are_there():
    table = _README.partition("| key | environment | |\n")[2].partition("\n\n")[0]
    cells = [line.split("|") for line in table.splitlines()[1:]]
    settings = (*SETTINGS, *flavor_settings())
    variables = {setting.key: setting.variable for setting in settings if setting.variable}
    assert cells
    for row in cells:
        keys, shown = (re.findall(r"`(\w+)`", row[column]) for column in (1, 2))
        assert set(keys) <= {setting.key for setting in settings}
        assert shown == [variables[key] for key in keys if key in variables]


def test_every_flavor_is_there():
    for flavor in Registry.installed().names:
        assert re.search(rf"^  {flavor} ", target_help(), re.MULTILINE)


def test_every_command_is_shown():
    shown = {shlex.split(line)[2] for line in examples()}
    assert shown == {"create", "list", "get", "predict", "update", "delete", "run-local"}


@pytest.mark.parametrize("line", examples())
def test_every_example_is_a_command_of_mlflow(line):
    name, *arguments = shlex.split(line)[2:]
    command = commands.commands[name]
    context = command.make_context(name, arguments)
    assert isinstance(context, click.Context)
    assert context.params["target"] == "triton"


@pytest.mark.parametrize("line", [line for line in examples() if " -C " in line])
def test_every_setting_in_an_example_is_one(line):
    name, *arguments = shlex.split(line)[2:]
    given = commands.commands[name].make_context(name, arguments).params["config"]
    config = dict(pair.split("=", 1) for pair in given)
    assert config
    read_settings(_USES[name], config=config, environment={})


def test_the_target_uris_are_understood():
    shown = re.findall(r"^  (triton:\S+)", target_help(), re.MULTILINE)
    assert len(shown) == 4
    for target_uri in shown:
        settings = read_settings(Use.REQUEST, target_uri=target_uri, environment={})
        assert re.match(r".*host:800[01](,|$)", settings.triton_url)


def test_no_line_is_too_wide_for_a_terminal():
    assert max(map(len, target_help().splitlines())) <= 100
