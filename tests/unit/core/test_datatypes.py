from __future__ import annotations

import numpy as np
import pytest

from triton_deploy_core.datatypes import NUMPY_DTYPES, datatype_of


@pytest.mark.parametrize("datatype", NUMPY_DTYPES)
def test_every_datatype_is_that_of_its_dtype(datatype: str) -> None:
    assert datatype_of(np.zeros(2, NUMPY_DTYPES[datatype])) == datatype


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([b"a"]), np.array(["a", 1], object)])
def test_text_and_objects_are_bytes(array: np.ndarray) -> None:
    assert datatype_of(array) == "BYTES"


def test_byte_order_does_not_matter() -> None:
    assert datatype_of(np.zeros(2, ">f4")) == "FP32"
    assert datatype_of(np.zeros(2, "<i8")) == "INT64"


@pytest.mark.parametrize("dtype", ["complex64", "datetime64[s]", "timedelta64[s]"])
def test_what_the_protocol_lacks_is_refused(dtype: str) -> None:
    with pytest.raises(ValueError, match="no counterpart"):
        datatype_of(np.zeros(2, dtype))


def test_table_is_read_only() -> None:
    with pytest.raises(TypeError):
        NUMPY_DTYPES["FP8"] = np.dtype("f4")  # type: ignore[index]
