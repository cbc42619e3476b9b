from __future__ import annotations

from mlflow_triton.serving_details import serving_details
from triton_deploy_core.ports.model_server import ModelMetadata, TensorSpec
from triton_deploy_core.ports.server import VersionStatistics
from triton_deploy_core.testing.world import SimulatedWorld


class _Server:
    def metadata(self, name):
        inputs = TensorSpec("X", "FP32", (-1, 4)), TensorSpec("Y", "BYTES", (-1, 1))
        return ModelMetadata(name, (1, 2), "p", inputs, (TensorSpec("Z", "INT64", (-1,)),))

    def config(self, name):
        return {"max_batch_size": 8, "input": [{"name": "X"}, {"name": "Y", "optional": True}]}

    def statistics(self, name):
        return [
            VersionStatistics(name, 1, 30, 3, 3, 1, queue_ns=6_000_000, compute_ns=0),
            VersionStatistics(name, 2, 1, 1, 1, 0, queue_ns=0, compute_ns=10_000_000),
        ]


def test_what_a_model_takes_and_how_it_fares():
    assert serving_details(_Server(), "iris") == {
        "inputs": "X FP32 [-1, 4], Y BYTES [-1, 1] (optional)",
        "outputs": "Z INT64 [-1]",
        "max_batch_size": "8",
        "inference_count": "31",
        "request_count": "5",
        "failure_count": "1",
        "mean_queue_ms": "1.500",
        "mean_compute_ms": "2.500",
    }


def test_one_that_does_not_serve_has_none():
    assert serving_details(SimulatedWorld().server, "iris") == {}
