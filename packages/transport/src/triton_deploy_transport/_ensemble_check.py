"""An ensemble's steps and the tensors between them, as Triton judges them.

What the steps' own models look like is not known here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tritonclient.grpc import model_config_pb2 as pb


def is_ensemble(config: pb.ModelConfig) -> bool:
    """Tell whether the configuration calls itself an ensemble."""
    return bool(config.platform == "ensemble")


def ensemble_problems(config: pb.ModelConfig, name: str) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the ensemble, each with its remedy."""
    scheduled = config.HasField("ensemble_scheduling")
    if scheduled and not is_ensemble(config):
        yield (
            'ensemble_scheduling is set, but platform is not "ensemble"',
            'add platform: "ensemble", or take ensemble_scheduling out',
        )
    if not is_ensemble(config):
        return
    yield from _alien_fields(config)
    if not config.ensemble_scheduling.step:
        yield "the ensemble has no ensemble_scheduling with steps", "add a step for each model"
        return
    yield from _steps(config, name)
    yield from _flow(config)


def _alien_fields(config: pb.ModelConfig) -> Iterator[tuple[str, str]]:
    if config.instance_group:
        yield "instance_group is set for an ensemble", "set it for the models of its steps"
    if config.HasField("optimization"):
        yield "optimization is set for an ensemble", "set it for the models of its steps"
    if config.model_warmup:
        yield "model_warmup is set for an ensemble", "set it for the models of its steps"
    if config.backend:
        yield f"backend {config.backend!r} is set for an ensemble", "take it out"


def _steps(config: pb.ModelConfig, name: str) -> Iterator[tuple[str, str]]:
    for number, step in enumerate(config.ensemble_scheduling.step):
        where = f"ensemble step {number}"
        if not step.model_name:
            yield f"{where} has no model_name", "name the model that it runs"
        if step.model_name == name:
            yield f"{where} runs the ensemble itself", "name another model"
        if not step.input_map:
            yield f"{where} has no input_map", "map each input of its model to a tensor"
        if not step.output_map:
            yield f"{where} has no output_map", "map an output of its model to a tensor"


def _flow(config: pb.ModelConfig) -> Iterator[tuple[str, str]]:
    inputs = {tensor.name for tensor in config.input}
    outputs = {tensor.name for tensor in config.output}
    used, made = set(), set()
    for number, step in enumerate(config.ensemble_scheduling.step):
        used.update(step.input_map.values())
        for tensor in step.output_map.values():
            if tensor in made:
                yield (
                    f"ensemble step {number} makes tensor {tensor!r}, as a step before it does",
                    "give each its own name",
                )
            made.add(tensor)
    for tensor in sorted(inputs - used):
        yield f"no step of the ensemble takes its input {tensor!r}", "map it, or take it out"
    for tensor in sorted(outputs - made):
        yield f"no step of the ensemble makes its output {tensor!r}", "map it, or take it out"
    for number in _stuck(config, inputs | (used - made)):
        yield (
            f"ensemble step {number} waits for a tensor that depends on its own output",
            "take the circle out of the steps' maps",
        )
    for tensor in sorted(used - made - inputs):
        yield (
            f"ensemble tensor {tensor!r} is taken by a step, but no step makes it",
            "map an output to it, or make it an input of the ensemble",
        )
    for tensor in sorted(made - used - outputs - inputs):
        yield (
            f"ensemble tensor {tensor!r} is made by a step, but no step takes it",
            "take it out of output_map, or make it an output of the ensemble",
        )


def _stuck(config: pb.ModelConfig, known: set[str]) -> list[int]:
    """Return the steps that never get all their tensors, given those known at the start."""
    waiting = dict(enumerate(config.ensemble_scheduling.step))
    known = set(known)
    while True:
        ready = [n for n, step in waiting.items() if known.issuperset(step.input_map.values())]
        if not ready:
            return sorted(waiting)
        for number in ready:
            known.update(waiting.pop(number).output_map.values())
