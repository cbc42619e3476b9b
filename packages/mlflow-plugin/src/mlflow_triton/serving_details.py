"""What ``get`` shows of a deployment that serves: what it takes and gives, and how it fares."""

from __future__ import annotations

from collections.abc import Sequence

from mlflow_triton.predict_signature import ModelSignature
from triton_deploy_core.errors import ModelNotServedError
from triton_deploy_core.ports.model_server import TensorSpec
from triton_deploy_core.ports.server import InferenceServer, VersionStatistics

_NS_IN_MS = 1_000_000


def serving_details(server: InferenceServer, name: str) -> dict[str, str]:
    """Return what a server says of a model, every value text; nothing where it does not serve.

    The counts are those of all versions that serve, since each was loaded: ``inference_count``
    counts rows, ``request_count`` and ``failure_count`` requests. Times are means over the requests
    that were answered, in milliseconds: waiting for the model, and its computing.
    """
    try:
        signature = ModelSignature.ask(server, name)
        statistics = server.statistics(name)
    except ModelNotServedError:  # it went meanwhile
        return {}
    return {
        "inputs": _listed(signature.inputs, signature.optional),
        "outputs": _listed(signature.metadata.outputs),
        "max_batch_size": str(signature.max_batch_size),
        **_counts(statistics),
    }


def _listed(specs: Sequence[TensorSpec], optional: frozenset[str] = frozenset()) -> str:
    return ", ".join(
        f"{spec.name} {spec.datatype} {list(spec.shape)}"
        + (" (optional)" if spec.name in optional else "")
        for spec in specs
    )


def _counts(statistics: Sequence[VersionStatistics]) -> dict[str, str]:
    answered = sum(row.success_count for row in statistics)
    failed = sum(row.fail_count for row in statistics)
    counts = {
        "inference_count": str(sum(row.inference_count for row in statistics)),
        "request_count": str(answered + failed),
        "failure_count": str(failed),
    }
    if not answered:
        return counts
    return counts | {
        "mean_queue_ms": _mean_ms(sum(row.queue_ns for row in statistics), answered),
        "mean_compute_ms": _mean_ms(sum(row.compute_ns for row in statistics), answered),
    }


def _mean_ms(nanoseconds: int, requests: int) -> str:
    return f"{nanoseconds / requests / _NS_IN_MS:.3f}"
