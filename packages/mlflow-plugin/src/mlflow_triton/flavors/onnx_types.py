"""The types of ONNX that Triton's onnxruntime backend takes, and what they are called there."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from onnx import TensorProto

DATA_TYPES: Mapping[int, str] = MappingProxyType(
    {
        TensorProto.BOOL: "TYPE_BOOL",
        TensorProto.UINT8: "TYPE_UINT8",
        TensorProto.UINT16: "TYPE_UINT16",
        TensorProto.UINT32: "TYPE_UINT32",
        TensorProto.UINT64: "TYPE_UINT64",
        TensorProto.INT8: "TYPE_INT8",
        TensorProto.INT16: "TYPE_INT16",
        TensorProto.INT32: "TYPE_INT32",
        TensorProto.INT64: "TYPE_INT64",
        TensorProto.FLOAT16: "TYPE_FP16",
        TensorProto.FLOAT: "TYPE_FP32",
        TensorProto.DOUBLE: "TYPE_FP64",
        TensorProto.STRING: "TYPE_STRING",
    }
)
"""What the backend takes (``src/onnxruntime_utils.cc``): bfloat16 is not among it."""


def onnx_name(element_type: int) -> str:
    """Return what ONNX calls a type, its number where this release of ONNX does not know it."""
    known = TensorProto.DataType.values()
    return TensorProto.DataType.Name(element_type) if element_type in known else str(element_type)
