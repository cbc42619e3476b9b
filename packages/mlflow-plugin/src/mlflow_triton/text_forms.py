"""Values that Triton has no type for, as text in BYTES tensors.

A configuration names them in its parameter `PARAMETER`: ``{"inputs": {name: form, …}, "outputs":
{…}}``. The plugin writes it for the flavor `pyfunc`, `predict` reads it, and so may any client.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

PARAMETER = "text_forms"
MISSING_TEXT = b"\xff"
"""Stands for text that is missing: no text in UTF-8 has this byte."""


class TextForm(str, Enum):
    """What the elements of a BYTES tensor are."""

    TEXT = "text"
    """UTF-8; `MISSING_TEXT` where there is none."""
    DATETIME = "datetime"
    """ISO 8601 with up to nine digits of a second, without a time zone; ``NaT`` where missing."""
    JSON = "json"
    """A JSON document each: lists, objects, or anything else."""


def write_forms(inputs: Mapping[str, TextForm], outputs: Mapping[str, TextForm]) -> str:
    """Return the parameter's value."""
    sides = {"inputs": inputs, "outputs": outputs}
    return json.dumps(
        {
            side: {name: form.value for name, form in forms.items()}
            for side, forms in sides.items()
            if forms
        }
    )


def read_forms(config: Mapping[str, Any], side: str) -> dict[str, TextForm]:
    """Return the forms that a server's configuration names, tensor name → form.

    What can't be understood is somebody else's parameter, or a later release's form: such tensors
    are plain BYTES.

    Args:
        config: as a server tells it.
        side: ``inputs`` or ``outputs``.
    """
    parameter = (config.get("parameters") or {}).get(PARAMETER)
    text = parameter.get("string_value") if isinstance(parameter, Mapping) else None
    try:
        named = json.loads(text) if isinstance(text, str) else {}
    except ValueError:
        return {}
    forms = named.get(side) if isinstance(named, Mapping) else None
    known = {form.value for form in TextForm}
    return {
        str(name): TextForm(form)
        for name, form in (forms.items() if isinstance(forms, Mapping) else ())
        if isinstance(form, str) and form in known
    }
