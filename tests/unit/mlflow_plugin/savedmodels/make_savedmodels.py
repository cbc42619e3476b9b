"""Makes the SavedModels beside it, as MLflow logs them; of each, what a deployment reads is kept.

Usage: python make_savedmodels.py DIRECTORY, with mlflow, keras and tensorflow-cpu installed (2.21,
Keras 3.15 and MLflow 3.17 made those that are here). The tests themselves need no TensorFlow.
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import mlflow
import numpy as np
import tensorflow as tf
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec


class Module(tf.Module):
    """Two outputs, of which one is a scalar."""

    def __init__(self) -> None:
        self.w = tf.Variable([[1.0], [2.0], [3.0]], name="w")

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
    def __call__(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": x @ self.w, "n": tf.shape(x)[0]}


def tensor(width: int) -> Schema:
    return Schema([TensorSpec(np.dtype("float32"), (-1, width))])


def save(directory: Path) -> None:
    signature = ModelSignature(inputs=tensor(3), outputs=tensor(2))
    mlflow.tensorflow.save_model(Module(), str(directory / "module"), signature=signature)
    model = keras.Sequential([keras.Input((3,), name="features"), keras.layers.Dense(2)])
    mlflow.keras.save_model(
        model, str(directory / "keras"), save_exported_model=True, signature=signature
    )


if __name__ == "__main__":
    save(Path(sys.argv[1]))
