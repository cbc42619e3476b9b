"""An ONNX model without its weights: read past them, not through them.

Names, types, dimensions, and where external data is (``onnx/onnx.proto``) are small; numbers in
tensors and attributes, and any other long text or bytes, are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from mlflow_triton.flavors.protobuf_skeleton import LONG, Payload, read_skeleton

if TYPE_CHECKING:
    from mlflow_triton.ranged_reading import RangedReader

__all__ = ["LONG", "skeleton"]

_PAYLOAD = Payload(
    {
        "onnx.TensorProto": frozenset(
            f"{kind}_data" for kind in ("float", "int32", "string", "int64", "double", "uint64")
        ),
        "onnx.AttributeProto": frozenset({"floats", "ints", "strings"}),
    },
    # An attribute has one value only, so that nothing has to be looked for behind its list.
    last=frozenset({"onnx.AttributeProto"}),
)


def skeleton(file: RangedReader) -> onnx.ModelProto:
    """Return a model without payload that is longer than `LONG`.

    Raises:
        DecodeError: it is no model, or cut off.
    """
    return read_skeleton(file, onnx.ModelProto, _PAYLOAD)
