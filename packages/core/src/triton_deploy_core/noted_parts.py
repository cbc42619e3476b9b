"""A list of parts as a file: of those that make up a version, and of those whose fate is open."""

from __future__ import annotations

import json
from collections.abc import Iterable

from triton_deploy_core.names import DeploymentName

_FORMAT = 1
_MAX_BYTES = 64 * 1024


def encode(parts: Iterable[DeploymentName]) -> bytes:
    """Return the file's content: the parts, in their order."""
    return json.dumps({"format": _FORMAT, "parts": [*map(str, parts)]}, indent=1).encode()


def decode(data: bytes, owner: DeploymentName) -> tuple[DeploymentName, ...]:
    """Read the file, which anybody may have written.

    What can't be read has no parts, and what is not named after its owner is none.

    Args:
        data: the content.
        owner: the ensemble.
    """
    try:
        fields = json.loads(data) if len(data) <= _MAX_BYTES else {}
        texts = fields["parts"] if fields["format"] == _FORMAT else []
        return tuple(DeploymentName(text) for text in texts if _could_be_part(text, owner))
    except (ValueError, LookupError, TypeError, RecursionError):
        return ()


def _could_be_part(text: object, owner: DeploymentName) -> bool:
    return isinstance(text, str) and text.startswith(f"{owner}.") and DeploymentName.is_valid(text)
