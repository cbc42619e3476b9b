"""The names of a matrix's columns, for a model whose only input is one.

A configuration lists them in its parameter `PARAMETER`. The plugin writes it for the flavor `fil`,
and `predict` takes a table's columns by these names, in whatever order it has them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

PARAMETER = "feature_names"


def write_names(names: Sequence[str]) -> str:
    """Return the parameter's value."""
    return json.dumps(list(names), ensure_ascii=False)


def read_names(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names that a server's configuration lists; none where it lists no names.

    What can't be understood is somebody else's parameter.
    """
    parameter = (config.get("parameters") or {}).get(PARAMETER)
    text = parameter.get("string_value") if isinstance(parameter, Mapping) else None
    try:
        names = json.loads(text) if isinstance(text, str) else []
    except ValueError:
        return ()
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return tuple(names) if is_list else ()
