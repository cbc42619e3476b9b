"""The ``config.pbtxt`` of an ensemble, from those of its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlflow_triton import feature_names, text_forms
from mlflow_triton.ensemble_wiring import Wiring
from triton_deploy_transport.pbtxt import ModelConfig, as_json, to_text

if TYPE_CHECKING:
    from mlflow_triton.ensemble_tensors import EnsembleStep, StepTensor

PLATFORM = "ensemble"


def generate_config(steps: Sequence[EnsembleStep], wiring: Wiring, models: Sequence[str]) -> bytes:
    """Return the text of a complete configuration: no name, no version policy.

    Args:
        steps: the steps.
        wiring: what goes where.
        models: the names of the models, one a step.
    """
    config = ModelConfig(platform=PLATFORM, max_batch_size=batch_limit(steps))
    skipped = 1 if config.max_batch_size else 0
    for _, tensor in wiring.inputs:
        _describe(config.input.add(optional=tensor.optional), tensor, skipped)
    for tensor in wiring.outputs:
        _describe(config.output.add(), tensor, skipped)
    for model, maps in zip(models, wiring.maps, strict=True):
        step = config.ensemble_scheduling.step.add(model_name=model, model_version=-1)
        step.input_map.update(maps.inputs)
        step.output_map.update(maps.outputs)
    for key, value in _parameters(steps, wiring).items():
        config.parameters[key].string_value = value
    return to_text(config)


def batch_limit(steps: Sequence[EnsembleStep]) -> int:
    """Return the smallest batch limit of all steps; 0 where one has none.

    A step without one takes rows as an ordinary dimension, and so does the ensemble then.
    """
    limits = [step.config.max_batch_size for step in steps]
    return min(limits) if all(limit > 0 for limit in limits) else 0


def _describe(
    entry: ModelConfig.ModelInput | ModelConfig.ModelOutput, tensor: StepTensor, skipped: int
) -> None:
    entry.name = tensor.name
    entry.data_type = tensor.data_type
    entry.dims.extend(tensor.shape[skipped:] or (1,))  # Triton has no empty dims


def _parameters(steps: Sequence[EnsembleStep], wiring: Wiring) -> dict[str, str]:
    """Return what `predict` reads of the steps' parameters, as far as outer tensors go."""
    told = [as_json(step.config) for step in steps]
    found = {}
    inputs = {
        tensor.name: form
        for number, tensor in wiring.inputs
        if (form := _form(told[number], "inputs", tensor.name)) is not None
    }
    outputs = {
        tensor.name: form
        for tensor in wiring.outputs
        if (form := _form(told[-1], "outputs", tensor.name)) is not None
    }
    if inputs or outputs:
        found[text_forms.PARAMETER] = text_forms.write_forms(inputs, outputs)
    if len(wiring.inputs) == 1:
        number, _ = wiring.inputs[0]
        names = feature_names.read_names(told[number])
        if names and len(steps[number].inputs) == 1:
            found[feature_names.PARAMETER] = feature_names.write_names(names)
    return found


def _form(config: Mapping[str, Any], side: str, name: str) -> text_forms.TextForm | None:
    return text_forms.read_forms(config, side).get(name)
