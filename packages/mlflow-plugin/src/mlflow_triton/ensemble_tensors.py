"""What a step of an ensemble takes and gives, as its configuration says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlflow_triton.layout_check_config import backend_of
from triton_deploy_transport.pbtxt import data_type_name

if TYPE_CHECKING:
    from triton_deploy_transport.pbtxt import ModelConfig


_LEAVES_OUT_ONES = "fil"
"""The backend that answers without the dimensions of one that its configuration has.

Source: ``squeeze_output``, ``cpp/include/rapids_triton/model/shared_state.hpp`` of
rapidsai/rapids-triton. A row's only number is ``[rows]``, not ``[rows, 1]``; an ensemble without
batches that expects the latter takes the one row for a batch, and strips it.
"""


@dataclass(frozen=True, slots=True)
class StepTensor:
    """An input or an output of one step.

    Attributes:
        name: its name there.
        data_type: as in ``config.pbtxt``: ``TYPE_FP32``.
        shape: dimensions, the batch's included; -1 for any.
        optional: whether the step does without it.
    """

    name: str
    data_type: str
    shape: tuple[int, ...]
    optional: bool = False

    def fits(self, other: StepTensor) -> bool:
        """Tell whether Triton passes the one on as the other: same type, and no other size.

        Source: ``ValidateTensorConsistency``, ``src/ensemble_scheduler/ensemble_utils.cc`` of
        triton-inference-server/core.
        """
        return (
            self.data_type == other.data_type
            and len(self.shape) == len(other.shape)
            and all(a == b or -1 in (a, b) for a, b in zip(self.shape, other.shape, strict=True))
        )

    def __str__(self) -> str:
        shape = ", ".join(map(str, self.shape))
        return f"{self.name} ({self.data_type.removeprefix('TYPE_')} [{shape}])"


@dataclass(frozen=True, slots=True)
class EnsembleStep:
    """A step as far as the ensemble has to know it.

    Attributes:
        label: what it is called in messages.
        config: its configuration.
        inputs: its inputs.
        outputs: its outputs, in the shape in which they come.
    """

    label: str
    config: ModelConfig
    inputs: tuple[StepTensor, ...]
    outputs: tuple[StepTensor, ...]

    @classmethod
    def of(cls, label: str, config: ModelConfig) -> EnsembleStep:
        """Read a step's configuration."""
        batch = (-1,) if config.max_batch_size > 0 else ()
        inputs = (_tensor(entry, batch, optional=entry.optional) for entry in config.input)
        squeezes = backend_of(config) == _LEAVES_OUT_ONES
        outputs = (_answer(entry, batch, leaves_out_ones=squeezes) for entry in config.output)
        return cls(label, config, tuple(inputs), tuple(outputs))


def _tensor(
    entry: ModelConfig.ModelInput | ModelConfig.ModelOutput,
    batch: tuple[int, ...],
    *,
    optional: bool = False,
) -> StepTensor:
    name = data_type_name(entry.data_type)
    return StepTensor(entry.name, name, (*batch, *entry.dims), optional)


def _answer(
    entry: ModelConfig.ModelOutput, batch: tuple[int, ...], *, leaves_out_ones: bool
) -> StepTensor:
    told = _tensor(entry, batch)
    if not leaves_out_ones:
        return told
    return replace(told, shape=tuple(size for size in told.shape if size != 1))
