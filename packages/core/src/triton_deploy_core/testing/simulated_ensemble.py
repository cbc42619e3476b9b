"""Ensembles as Triton 2.51 was seen to take them: which models one composes, and what it refuses.

A load of an ensemble looks at the directories of the models that its steps name and loads those
that are not loaded, or have changed. If one of them does not serve after it, or what goes between
them does not fit, the ensemble is refused, and *its versions that served are unloaded*.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Configs = Mapping[str, Mapping[str, Any]]


def is_ensemble(config: Mapping[str, Any]) -> bool:
    """Tell whether a configuration is that of an ensemble."""
    return "ensemble" in (config.get("platform"), config.get("backend"))


def composing(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the models that a configuration's steps name, each once."""
    if not is_ensemble(config):
        return ()
    return tuple(dict.fromkeys(str(step.get("model_name", "")) for step in _steps(config)))


def problem(name: str, config: Mapping[str, Any], serving: Configs) -> str | None:
    """Return why Triton refuses an ensemble, in its words; None where it takes it.

    Args:
        name: the ensemble's.
        config: its configuration.
        serving: name → configuration, of the other models that serve.
    """
    missing = [model for model in composing(config) if model not in serving]
    if missing:
        models = ", ".join(missing)
        return f"ensemble {name} contains models that are not available or ambiguous: {models}"
    known = {**_tensors(config, "input", name), **_tensors(config, "output", name)}
    for tensor, found in _mapped(config, serving):
        other = known.setdefault(tensor, found)
        if other[1:] != found[1:] and not _fits(other[1], found[1]):
            return (
                f"in ensemble {name}, ensemble tensor {tensor}: inconsistent shape or type: "
                f"{other[1]} of model {other[0]}, {found[1]} of model {found[0]}"
            )
    return None


def _mapped(
    config: Mapping[str, Any], serving: Configs
) -> Iterator[tuple[str, tuple[str, tuple[Any, ...]]]]:
    """Return each tensor of the ensemble with what a step says of it."""
    for step in _steps(config):
        model = str(step.get("model_name", ""))
        for field, mapped in (("input", "input_map"), ("output", "output_map")):
            tensors = _tensors(serving[model], field, model)
            for inner, outer in step.get(mapped, {}).items():
                yield str(outer), tensors.get(str(inner), (model, ("no such tensor", inner)))


def _tensors(
    config: Mapping[str, Any], field: str, model: str
) -> dict[str, tuple[str, tuple[Any, ...]]]:
    batch = (-1,) if config.get("max_batch_size", 0) > 0 else ()
    return {
        tensor["name"]: (model, (tensor["data_type"], *batch, *tensor.get("dims", ())))
        for tensor in config.get(field, ())
    }


def _fits(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return (
        len(one) == len(other)
        and one[0] == other[0]
        and all(a == b or -1 in (a, b) for a, b in zip(one[1:], other[1:], strict=True))
    )


def _steps(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    steps = (config.get("ensemble_scheduling") or {}).get("step", [])
    return [steps] if isinstance(steps, Mapping) else list(steps)
