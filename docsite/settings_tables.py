"""Tables of all settings and flavors, made from the settings and the flavors themselves."""

from __future__ import annotations

from collections.abc import Iterable

from mlflow_triton.flavors.registry import Registry
from mlflow_triton.settings import SETTINGS, USES, Setting, flavor_settings


def settings() -> str:
    """Return the table of the plugin's own settings."""
    return _table(SETTINGS)


def settings_of_flavors() -> str:
    """Return the table of the settings that flavors have."""
    return _table(flavor_settings())


def flavors() -> str:
    """Return the table of flavors."""
    usable = Registry.installed().usable()
    rows = [f"| `{name}` | {_cell(flavor.help)} |" for name, flavor in usable]
    return "\n".join(["| flavor | |", "|---|---|", *rows])


def _table(settings: Iterable[Setting]) -> str:
    rows = ["| setting | environment | what it does | for |", "|---|---|---|---|"]
    for setting in settings:
        variable = f"`{setting.variable}`" if setting.variable else ""
        uses = ", ".join(name for use, name in USES if setting.uses & use)
        key = f"`{setting.key}`<br>`={setting.value}`"
        rows.append(f"| {key} | {variable} | {_cell(setting.help)} | {uses} |")
    return "\n".join(rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")
