"""An ensemble as Triton wants it, before its parts have names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from triton_deploy_core.package import ModelPackage, Origin


@dataclass(frozen=True, slots=True)
class Step:
    """One model of an ensemble.

    Attributes:
        role: what it is there for, as a word for names and messages: ``preprocess``.
        package: the model.
    """

    role: str
    package: ModelPackage


@dataclass(frozen=True, slots=True)
class EnsemblePackage:
    """Models that are deployed, updated and deleted as one.

    Attributes:
        origin: where the model came from that the others are there for.
        steps: the models, in the order in which a request passes through them.
        config: makes the ensemble's ``config.pbtxt``, without a version policy, of the names that
            the models get, in the order of `steps`.
    """

    origin: Origin
    steps: tuple[Step, ...]
    config: Callable[[Sequence[str]], bytes]
