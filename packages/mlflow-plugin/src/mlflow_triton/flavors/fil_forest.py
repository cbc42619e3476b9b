"""What has to be known of a forest of trees to have Triton's FIL backend serve it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import partial

from mlflow_triton.flavors.packaging import unsuitable as unsuitable_for


class Answer(Enum):
    """What the model's own ``predict`` returns for a row."""

    NUMBER = "number"
    """What the trees say: a regression, a score, or the probability of the second class."""
    CLASS = "class"
    """The number of the class."""
    PROBABILITIES = "probabilities"
    """One for each of more than two classes."""


@dataclass(frozen=True, slots=True)
class Forest:
    """A model of XGBoost or LightGBM.

    Attributes:
        model_type: FIL's name of the file's format.
        features: how many features a row has.
        classes: how many classes it tells apart; 1 where it tells none.
        answer: what its own ``predict`` returns.
        feature_names: in the model's order; empty where the file has none.
    """

    model_type: str
    features: int
    classes: int
    answer: Answer
    feature_names: tuple[str, ...] = ()


unsuitable = partial(unsuitable_for, "FIL")
"""Makes the error for a model that FIL can't serve as it is: of a reason and, maybe, a remedy."""
