"""What is wrong with something that was checked, one value for each problem."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that has to change before Triton would load a model.

    Attributes:
        path: where: a file of the model's directory, or a field such as ``config.pbtxt:input[0]``.
        message: what is wrong, without a full stop.
        remedy: what to do, without a full stop.
    """

    path: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}: {self.remedy}"
