"""The tensor data types of the KServe v2 protocol and their numpy counterparts.

Source: https://kserve.github.io/website/latest/modelserving/data_plane/v2_protocol/ (tensor
data types); BF16 and BYTES as Triton's ``docs/protocol/extension_binary_data.md`` has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

NUMPY_DTYPES: Mapping[str, np.dtype[np.generic]] = MappingProxyType(
    {
        "BOOL": np.dtype(np.bool_),
        "UINT8": np.dtype(np.uint8),
        "UINT16": np.dtype(np.uint16),
        "UINT32": np.dtype(np.uint32),
        "UINT64": np.dtype(np.uint64),
        "INT8": np.dtype(np.int8),
        "INT16": np.dtype(np.int16),
        "INT32": np.dtype(np.int32),
        "INT64": np.dtype(np.int64),
        "FP16": np.dtype(np.float16),
        "FP32": np.dtype(np.float32),
        "FP64": np.dtype(np.float64),
        "BYTES": np.dtype(np.object_),
    }
)
"""Data type of the protocol → numpy dtype. BF16 is not here: numpy itself has no such type."""

_BY_DTYPE = {dtype: name for name, dtype in NUMPY_DTYPES.items()}


def datatype_of(array: NDArray[np.generic]) -> str:
    """Return the protocol's data type for an array.

    Strings, bytes and objects are BYTES; a ``bfloat16`` array (of ``ml_dtypes``) is BF16.

    Raises:
        ValueError: the array's dtype has no counterpart in the protocol (complex, datetime, …).
    """
    found = _BY_DTYPE.get(array.dtype)
    if found is not None:
        return found
    if array.dtype.kind in "SU":
        return "BYTES"
    if array.dtype.name == "bfloat16":
        return "BF16"
    native = array.dtype.newbyteorder("=")
    if native not in _BY_DTYPE:
        message = f"numpy dtype {array.dtype} has no counterpart among Triton's data types"
        raise ValueError(message)
    return _BY_DTYPE[native]
