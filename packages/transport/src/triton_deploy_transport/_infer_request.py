"""An inference as both protocols are asked for it, and where its tensors are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from triton_deploy_core.ports.request_options import RequestOptions


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor is in memory that is shared with the server.

    Attributes:
        region: the name under which the server knows that memory.
        offset: where the tensor begins, in bytes.
        memory: the tensor's own bytes.
    """

    region: str
    offset: int
    memory: NDArray[np.uint8] = field(repr=False, compare=False)

    def parameters(self) -> dict[str, str | int]:
        """Return what a request says of it: Triton's ``extension_shared_memory.md``."""
        return {
            "shared_memory_region": self.region,
            "shared_memory_offset": self.offset,
            "shared_memory_byte_size": self.memory.size,
        }


Places: TypeAlias = Mapping[str, Place]
NO_PLACES: Places = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A request to a model.

    Attributes:
        name: the model.
        inputs: name → tensor.
        options: what else it says.
        input_places: inputs that do not travel, since the server can read them there.
        output_places: outputs that the server is to write there instead of answering with them.
            All outputs that are wanted are in `options` then.
    """

    name: str
    inputs: Mapping[str, NDArray[np.generic]]
    options: RequestOptions | None = None
    input_places: Places = field(default_factory=dict)
    output_places: Places = field(default_factory=dict)
