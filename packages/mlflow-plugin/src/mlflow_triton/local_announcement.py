"""What ``run-local`` prints once the model serves: where, and a request that works."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_triton.text_forms import TextForm
from triton_deploy_core.ports.model_server import ModelMetadata, TensorSpec

if TYPE_CHECKING:
    from mlflow_triton.predict_signature import ModelSignature
    from triton_local_server import LocalTriton

_FITS_A_COMMAND_LINE = 1000
_VALUES: dict[str, object] = {"BYTES": "text", "BOOL": True, "FP32": 1.0, "FP64": 1.0}
_TEXTS = {
    TextForm.TEXT: "text",
    TextForm.DATETIME: "2026-01-31T12:00:00",
    TextForm.JSON: "[]",
}
# "sending FP16 data via JSON is not supported": src/http_server.cc of Triton's server.
_NOT_IN_JSON = frozenset({"FP16", "BF16"})


def announcement(triton: LocalTriton, signature: ModelSignature, scratch: Path) -> str:
    """Return the text.

    Args:
        triton: the server.
        signature: what its model takes.
        scratch: a directory for a request that is too long to be shown.
    """
    metadata = signature.metadata
    lines = [
        f"'{metadata.name}' is served by the local Triton. Press Ctrl-C to stop.",
        f"  HTTP:    {triton.url}",
        f"  gRPC:    {triton.grpc_url}",
        f"  metrics: {triton.metrics_url}",
    ]
    body = example_request(metadata, signature.input_forms)
    if body is not None:
        url = f"{triton.url}/v2/models/{metadata.name}/infer"
        lines += ["Try it:", f"  curl -s {url} -d {_argument(body, scratch)}"]
    return "\n".join([*lines, ""])


def example_request(
    metadata: ModelMetadata, forms: Mapping[str, TextForm] | None = None
) -> str | None:
    """Return a request that a model takes, in the protocol's JSON; None where JSON can't hold it.

    Each free dimension is one.
    """
    if any(spec.datatype in _NOT_IN_JSON for spec in metadata.inputs):
        return None
    named = forms or {}
    inputs = [_example(spec, named.get(spec.name)) for spec in metadata.inputs]
    return json.dumps({"inputs": inputs})


def _example(spec: TensorSpec, form: TextForm | None) -> dict[str, object]:
    shape = [max(1, size) for size in spec.shape]
    value = _VALUES.get(spec.datatype, 1) if form is None else _TEXTS[form]
    data = [value] * prod(shape)
    return {"name": spec.name, "datatype": spec.datatype, "shape": shape, "data": data}


def _argument(body: str, scratch: Path) -> str:
    if len(body) <= _FITS_A_COMMAND_LINE:
        return shlex.quote(body)
    path = scratch / "request.json"
    path.write_text(body, encoding="utf-8")
    return f"@{shlex.quote(str(path))}"
