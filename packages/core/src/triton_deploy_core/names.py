"""The name of a deployment: the one place that says which names there can be."""

from __future__ import annotations

import re
from dataclasses import dataclass

from triton_deploy_core.errors import InvalidNameError
from triton_deploy_core.shown import shown

MAX_NAME_BYTES = 255

# Triton matches HTTP paths raw while its clients quote them, so only characters that
# quoting leaves alone can be reached over every protocol.
_NAME = re.compile(r"[A-Za-z0-9._~-]+", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class DeploymentName:
    """A name under which Triton can serve a model over every protocol.

    ``[A-Za-z0-9._~-]+``, at most 255 bytes, neither ``.`` nor ``..``.

    Raises:
        InvalidNameError: for any other text.
    """

    value: str

    def __post_init__(self) -> None:
        problem = _problem(self.value or "")
        if problem is not None:
            raise InvalidNameError(problem)

    def __str__(self) -> str:
        return self.value

    @staticmethod
    def is_valid(text: str) -> bool:
        """Tell whether `text` could be a deployment's name."""
        return _problem(text) is None


def part_name(owner: DeploymentName, role: str, number: int) -> DeploymentName:
    """Return the name of a model that is a part of an ensemble.

    Raises:
        InvalidNameError: the ensemble's name is too long for that.
    """
    suffix = f".{role}.{number}"
    if len(owner.value) + len(suffix) > MAX_NAME_BYTES:
        raise InvalidNameError(
            f"Model name {owner.value[:20]}… is too long for an ensemble, whose parts are named "
            f"after it, with {suffix} added. Choose a shorter one."
        )
    return DeploymentName(owner.value + suffix)


def _problem(text: str) -> str | None:
    if not text.strip():
        # Scripts match on this message and the next: they are those of NVIDIA's plugin.
        return "Model name cannot be empty. Please enter a valid name to deploy."
    if "/" in text or text == "..":
        return f"Path traversal is not allowed in model's name: {shown(text)}"
    if text == ".":
        return "Model name '.' is not allowed: it is the repository itself. Choose another name."
    if len(text.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        return (
            f"Model name {shown(text[:20])}… is longer than {MAX_NAME_BYTES} bytes. "
            "Choose a shorter one."
        )
    if _NAME.fullmatch(text) is None:
        return (
            f"Model name {text!r} has characters that Triton cannot serve. "
            "Use letters, digits and . _ ~ - only."
        )
    return None
