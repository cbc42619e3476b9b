"""The server's JSON answers, read into the port's values.

Every function raises KeyError, TypeError or ValueError where the JSON is not what Triton sends.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from triton_deploy_core.ports.model_server import ModelMetadata, TensorSpec
from triton_deploy_core.ports.server import IndexEntry, ModelState, VersionStatistics
from triton_deploy_transport._one_line import without_traceback

if TYPE_CHECKING:
    from collections.abc import Iterable

    from triton_deploy_core.ports.server import LoadOverride


def index_entries(answer: Any) -> tuple[IndexEntry, ...]:
    """Read the repository index."""
    if not isinstance(answer, list):
        raise TypeError("the repository index is no list")
    return tuple(
        IndexEntry(
            name=row["name"],
            version=int(row["version"]) if row.get("version") else None,
            state=ModelState(row.get("state") or "UNKNOWN"),
            reason=without_traceback(row.get("reason", "")),
        )
        for row in answer
    )


def model_metadata(answer: Any) -> ModelMetadata:
    """Read a model's metadata."""
    return ModelMetadata(
        name=answer["name"],
        versions=tuple(sorted(int(version) for version in answer["versions"])),
        platform=answer["platform"],
        inputs=_tensor_specs(answer["inputs"]),
        outputs=_tensor_specs(answer["outputs"]),
    )


def version_statistics(answer: Any) -> tuple[VersionStatistics, ...]:
    """Read the statistics of the versions of one model or of many, ascending."""
    rows = (_statistics(row) for row in answer["model_stats"])
    return tuple(sorted(rows, key=lambda row: (row.name, row.version)))


def load_parameters(override: LoadOverride) -> bytes:
    """Write the body of a load request that brings the model along.

    Source: Triton's ``docs/protocol/extension_model_repository.md``.
    """
    parameters = {"config": json.dumps(dict(override.config))}
    for path, content in override.files.items():
        parameters[f"file:{path}"] = base64.b64encode(content).decode("ascii")
    return json.dumps({"parameters": parameters}).encode()


def _tensor_specs(rows: Iterable[Any]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(row["name"], row["datatype"], tuple(int(size) for size in row["shape"]))
        for row in rows
    )


def _statistics(row: Any) -> VersionStatistics:
    stats = row["inference_stats"]
    return VersionStatistics(
        name=row["name"],
        version=int(row["version"]),
        inference_count=row["inference_count"],
        execution_count=row["execution_count"],
        success_count=stats["success"]["count"],
        fail_count=stats["fail"]["count"],
        queue_ns=stats["queue"]["ns"],
        compute_ns=sum(
            stats[part]["ns"] for part in ("compute_input", "compute_infer", "compute_output")
        ),
    )
