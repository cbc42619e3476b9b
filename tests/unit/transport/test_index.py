from __future__ import annotations

from triton_deploy_core.ports.server import IndexEntry, ModelState
from triton_deploy_transport._kserve_json import index_entries

# As Triton 2.51 says it of a model that its python backend could not load.
REASON = """Internal: TritonModelException: Load model from model.onnx failed.

At:
  /backends/onnxruntime/model.py(85): open_session
  /backends/onnxruntime/model.py(275): initialize
"""


def test_a_reason_is_one_line_without_the_traceback():
    row = {"name": "x", "version": "1", "state": "UNAVAILABLE", "reason": REASON}
    (entry,) = index_entries([row])
    assert entry == IndexEntry(
        "x",
        1,
        ModelState.UNAVAILABLE,
        "Internal: TritonModelException: Load model from model.onnx failed.",
    )


def test_a_model_that_was_never_loaded():
    assert index_entries([{"name": "x"}]) == (IndexEntry("x", None, ModelState.UNKNOWN),)
