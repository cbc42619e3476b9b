"""Saves the models of PyTorch that `test_pytorch` deploys, and what they answer here.

Usage: python pytorch_models.py DIRECTORY
"""

from __future__ import annotations

import sys
from pathlib import Path

import mlflow
import numpy as np
import torch
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import Schema, TensorSpec
from sklearn.datasets import load_iris

IRIS, KINDS = load_iris(return_X_y=True, as_frame=True)
MLFLOW_3 = int(mlflow.__version__.partition(".")[0]) >= 3
SCRIPT = {"serialization_format": "pickle"} if MLFLOW_3 else {}


class Words(torch.nn.Module):
    """Takes and returns text beside numbers."""

    def forward(
        self, words: list[str], numbers: torch.Tensor
    ) -> tuple[list[str], torch.Tensor, torch.Tensor]:
        return [word + "!" for word in words], numbers.sum(1), numbers.argmax(1)


def trained(x: torch.Tensor, y: torch.Tensor) -> torch.nn.Module:
    """Return a network that tells the flowers apart."""
    torch.manual_seed(0)
    layers = [torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Dropout(0.2)]
    net = torch.nn.Sequential(*layers, torch.nn.Linear(16, 3))
    for _ in range(500):
        net.zero_grad()
        torch.nn.functional.cross_entropy(net(x), y).backward()
        with torch.no_grad():  # PyTorch's own optimizers take seconds to be imported
            for parameter in net.parameters():
                parameter.sub_(0.05 * parameter.grad)
    net.append(torch.nn.Softmax(dim=1))
    return net.eval()


def save(directory: Path) -> None:
    torch.set_num_threads(1)
    rows = IRIS.to_numpy(dtype=np.float32, copy=True)
    x, y = torch.from_numpy(rows), torch.from_numpy(KINDS.to_numpy(copy=True))
    net = trained(x, y)
    with torch.no_grad():
        expected = net(x).numpy()
    assert (expected.argmax(axis=1) == KINDS).mean() > 0.9
    script = torch.jit.script(net)
    as_table = mlflow.pytorch._PyTorchWrapper(script, "cpu").predict(IRIS)
    tensors = infer_signature(rows, expected)
    texts = ModelSignature(
        Schema([TensorSpec(np.dtype("str"), (-1,), "words"), floats(2, "numbers")]),
        Schema(
            [
                TensorSpec(np.dtype("str"), (-1,), "louder"),
                TensorSpec(np.dtype("float32"), (-1,), "sum"),
                TensorSpec(np.dtype("int64"), (-1,), "largest"),
            ]
        ),
    )
    for name, model, signature, options in [
        ("pickled", net, tensors, SCRIPT),
        ("script", script, tensors, SCRIPT),
        ("columns", torch.jit.trace(net, x), infer_signature(IRIS, as_table), SCRIPT),
        ("texts", torch.jit.script(Words()), texts, SCRIPT),
    ]:
        mlflow.pytorch.save_model(
            model, directory / name, signature=signature, pip_requirements=[], **options
        )
    np.save(directory / "expected.npy", expected)


def floats(width: int, name: str) -> TensorSpec:
    return TensorSpec(np.dtype("float32"), (-1, width), name)


if __name__ == "__main__":
    save(Path(sys.argv[1]))
