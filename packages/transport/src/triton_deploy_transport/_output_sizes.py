"""How large the outputs of requests were, by which memory for the next ones is chosen."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from triton_deploy_transport._infer_request import InferRequest

_MAX_SHAPES = 256
_MAX_SURPRISES = 3


@dataclass(slots=True)
class OutputSizes:
    """What is known of the answers to requests with inputs of the same shapes.

    Attributes:
        sizes: output → most bytes that it had, of those worth a place.
        names: all outputs that the model had then; empty where nobody asked.
        surprises: how often a size did not suffice.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    surprises: int = 0


class SeenOutputs:
    """The sizes of the large outputs of one server's models. Safe for several threads."""

    def __init__(self, least_bytes: int) -> None:
        self._least = least_bytes
        self._seen: dict[Hashable, OutputSizes] = {}
        self._models: set[str] = set()

    def are_large(self, model: str) -> bool:
        """Tell whether a model is known to answer with any large output."""
        return model in self._models

    def of(self, request: InferRequest) -> OutputSizes | None:
        """Return what is known of the answers to such requests, if they are ever the same."""
        found = self._seen.get(_shapes(request))
        return found if found is not None and found.surprises < _MAX_SURPRISES else None

    def notice(self, request: InferRequest, answer: Mapping[str, NDArray[np.generic]]) -> None:
        """Remember an answer's sizes."""
        large = {
            name: array.nbytes
            for name, array in answer.items()
            if array.nbytes >= self._least and array.dtype.kind != "O"
        }
        if not large:
            return
        if len(self._seen) >= _MAX_SHAPES:
            self._seen.clear()
        known = self._seen.setdefault(_shapes(request), OutputSizes())
        for name, size in large.items():
            known.sizes[name] = max(size, known.sizes.get(name, 0))
        self._models.add(request.name)

    def forget(self, request: InferRequest) -> None:
        """Forget the answers to such requests: the model is another one."""
        self._seen.pop(_shapes(request), None)


def _shapes(request: InferRequest) -> Hashable:
    inputs = [(name, array.shape, str(array.dtype)) for name, array in request.inputs.items()]
    asked = request.options.outputs if request.options is not None else ()
    return request.name, tuple(inputs), asked
