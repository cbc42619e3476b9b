from __future__ import annotations

import numpy as np
import pytest

from mlflow_triton.predicting import predict
from triton_deploy_core.errors import InvalidNameError, RequestRefusedError
from triton_deploy_core.testing.world import SimulatedWorld, version_package

CONFIG = b"""\
backend: "onnxruntime"
max_batch_size: 2
input { name: "X" data_type: TYPE_FP32 dims: 4 }
output { name: "B" data_type: TYPE_FP32 dims: 4 }
output { name: "A" data_type: TYPE_FP32 dims: 4 }
"""


@pytest.fixture
def server():
    world = SimulatedWorld()
    world.service.create("iris", version_package(b"", user_config=CONFIG))
    return world.server


def test_outputs_come_in_the_models_order(server):
    frame = predict(server, "iris", {"X": np.zeros((2, 4))}, timeout=1)
    assert list(frame.index) == ["B", "A"]


def test_too_many_rows_get_a_remedy(server):
    with pytest.raises(RequestRefusedError, match="update the deployment with -C max_batch_size"):
        predict(server, "iris", {"X": np.zeros((3, 4))}, timeout=1)


@pytest.mark.parametrize("name", [None, "", " "])
def test_a_name_is_needed(server, name):
    with pytest.raises(InvalidNameError, match="cannot be empty"):
        predict(server, name, {}, timeout=1)
