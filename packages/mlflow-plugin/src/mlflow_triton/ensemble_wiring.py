"""Which output of a step goes into which input of a later one: by names, if types agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mlflow_triton.ensemble_tensors import EnsembleStep, StepTensor
from triton_deploy_core.errors import InvalidPackageError


@dataclass(slots=True)
class StepMaps:
    """A step's tensors → those of the ensemble."""

    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wiring:
    """How tensors go through an ensemble.

    Attributes:
        maps: of each step.
        inputs: what the ensemble takes, with the number of the step that said so.
        outputs: what it gives: all that the last step does.
    """

    maps: tuple[StepMaps, ...]
    inputs: tuple[tuple[int, StepTensor], ...]
    outputs: tuple[StepTensor, ...]


def wire(steps: Sequence[EnsembleStep]) -> Wiring:
    """Connect steps.

    An input takes the output of its name, of the last step before it that has one. Where then just
    one output of the step right before it is left, and one input that is needed, these go together.
    What else a step needs is an input of the ensemble.

    Raises:
        InvalidPackageError: types or shapes do not agree, or a step gives nothing to the next.
    """
    return _Wirer(steps).wire()


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a tensor comes from: an output of a step."""

    step: int
    tensor: StepTensor


class _Wirer:
    def __init__(self, steps: Sequence[EnsembleStep]) -> None:
        self._steps = steps
        self._maps = tuple(StepMaps() for _ in steps)
        self._given: dict[str, _Origin] = {}
        self._inputs: dict[str, tuple[int, StepTensor]] = {}
        self._problems: list[str] = []

    def wire(self) -> Wiring:
        for number, step in enumerate(self._steps):
            self._take(number, step)
            self._given |= {one.name: _Origin(number, one) for one in step.outputs}
        last = len(self._steps) - 1
        self._name_outputs(last)
        for number, step in enumerate(self._steps[:-1]):
            if not self._maps[number].outputs:
                following = self._steps[number + 1]
                self._problems.append(
                    f"nothing that {step.label} gives ({_listed(step.outputs)}) goes into a later "
                    f"step ({following.label} takes {_listed(following.inputs)})"
                )
        if self._problems:
            raise InvalidPackageError(
                f"The steps of the ensemble do not fit: {'; '.join(self._problems)}. Tensors go "
                "from step to step by name, or where each side has one left; log the models with "
                "such names and types."
            )
        return Wiring(self._maps, tuple(self._inputs.values()), self._steps[last].outputs)

    def _take(self, number: int, step: EnsembleStep) -> None:
        sources = {
            one.name: self._given[one.name] for one in step.inputs if one.name in self._given
        }
        missing = [one for one in step.inputs if one.name not in sources and not one.optional]
        used = {source.tensor.name for source in sources.values() if source.step == number - 1}
        before = self._steps[number - 1].outputs if number else ()
        left = [one for one in before if one.name not in used]
        if len(missing) == 1 and len(left) == 1:
            sources[missing[0].name] = _Origin(number - 1, left[0])
        for one in step.inputs:
            if one.name in sources:
                self._connect(number, one, sources[one.name])
            elif number == 0 or not one.optional:
                self._expose(number, one)

    def _connect(self, number: int, taken: StepTensor, source: _Origin) -> None:
        giver = self._steps[source.step]
        if not source.tensor.fits(taken):
            self._problems.append(
                f"{giver.label} gives {source.tensor}, {self._steps[number].label} takes {taken}"
            )
        outputs = self._maps[source.step].outputs
        between = outputs.setdefault(source.tensor.name, f"{source.step}:{source.tensor.name}")
        self._maps[number].inputs[taken.name] = between

    def _expose(self, number: int, taken: StepTensor) -> None:
        first, known = self._inputs.setdefault(taken.name, (number, taken))
        if not known.fits(taken):
            self._problems.append(
                f"{self._steps[first].label} takes {known}, {self._steps[number].label} takes "
                f"{taken}, and no step gives it"
            )
        self._maps[number].inputs[taken.name] = taken.name

    def _name_outputs(self, last: int) -> None:
        for one in self._steps[last].outputs:
            self._maps[last].outputs[one.name] = one.name
            if one.name in self._inputs:
                self._problems.append(
                    f"{one.name} is an input of the ensemble and an output of "
                    f"{self._steps[last].label}"
                )


def _listed(tensors: Sequence[StepTensor]) -> str:
    return ", ".join(map(str, tensors))
