"""The binary form of tensors, byte for byte."""

from __future__ import annotations

import json
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from triton_deploy_core.datatypes import NUMPY_DTYPES
from triton_deploy_transport._infer_request import InferRequest, Place
from triton_deploy_transport._tensor_bytes import write_into
from triton_deploy_transport._tensor_codec import decode_response, encode_request


def encoded(array: Any) -> tuple[dict[str, Any], bytes]:
    request = encode_request(InferRequest("m", {"X": array}))
    header = json.loads(request.header)
    assert header["parameters"] == {"binary_data_output": True}
    (described,) = header["inputs"]
    (data,) = request.tensors
    assert described["parameters"] == {"binary_data_size": len(data)}
    return described, bytes(data)


@pytest.mark.parametrize(
    ("array", "datatype", "data"),
    [
        (np.array([[1, 2]], ">i2"), "INT16", b"\x01\0\x02\0"),
        (np.array([[1, 2], [3, 4]], np.uint8).T, "UINT8", b"\x01\x03\x02\x04"),
        (np.arange(6, dtype=np.uint8)[::2], "UINT8", b"\0\x02\x04"),
        (np.array([True, False]), "BOOL", b"\x01\0"),
        (np.array([1], np.float16), "FP16", b"\0\x3c"),
        (np.array([1], ml_dtypes.bfloat16), "BF16", b"\x80\x3f"),
        (np.array(7, np.int32), "INT32", b"\x07\0\0\0"),
        (np.zeros((0, 3), np.float32), "FP32", b""),
        (np.array([b"a\0", "é"], object), "BYTES", b"\2\0\0\0a\0\2\0\0\0\xc3\xa9"),
        (np.array(["é"]), "BYTES", b"\2\0\0\0\xc3\xa9"),
        (np.array([[b"ab"]]), "BYTES", b"\2\0\0\0ab"),
        (np.zeros((0,), object), "BYTES", b""),
    ],
)
def test_encoding(array: Any, datatype: str, data: bytes) -> None:
    described, found = encoded(array)
    assert (described["datatype"], described["shape"]) == (datatype, list(array.shape))
    assert found == data


def response(data: bytes, **output: Any) -> tuple[memoryview, int]:
    header = json.dumps(
        {"outputs": [{"name": "Y", "parameters": {"binary_data_size": len(data)}, **output}]}
    ).encode()
    return memoryview(bytearray(header + data)), len(header)


def test_decoding() -> None:
    outputs = decode_response(*response(b"\x80\x3f", datatype="BF16", shape=[1]))
    assert outputs["Y"].dtype == ml_dtypes.bfloat16
    assert outputs["Y"].tolist() == [1.0]
    outputs = decode_response(*response(b"\1\0\0\0a\0\0\0\0", datatype="BYTES", shape=[2, 1]))
    assert outputs["Y"].tolist() == [[b"a"], [b""]]
    outputs = decode_response(*response(b"", datatype="FP32", shape=[0, 3]))
    assert outputs["Y"].shape == (0, 3)


@pytest.mark.parametrize(
    "array",
    [
        *(
            np.arange(8).reshape(2, 4).astype(dtype)
            for dtype in NUMPY_DTYPES.values()
            if dtype.kind != "O"
        ),
        np.arange(8, dtype=ml_dtypes.bfloat16).reshape(2, 4),
        np.arange(8, dtype=">f8").reshape(2, 4),
        np.arange(32, dtype=np.int16).reshape(4, 8).T[::2, ::2],
        np.zeros((0, 3), np.float32),
        np.array(7, np.int32),
    ],
    ids=lambda array: f"{array.dtype}-{array.shape}",
)
def test_tensors_in_shared_memory(array: Any) -> None:
    memory = np.full(array.nbytes + 8, 0xFF, np.uint8)
    place = Place("region", 64, memory[: array.nbytes])
    write_into(place.memory, array)
    assert bytes(place.memory) == array.astype(array.dtype.newbyteorder("<")).tobytes()
    assert not memory[array.nbytes :].tolist().count(0)
    request = encode_request(InferRequest("m", {"X": array}, input_places={"X": place}))
    (described,) = json.loads(request.header)["inputs"]
    assert request.tensors == ()
    assert described["parameters"] == {
        "shared_memory_region": "region",
        "shared_memory_offset": 64,
        "shared_memory_byte_size": array.nbytes,
    }
    outputs = [{"name": "Y", "datatype": described["datatype"], "shape": described["shape"]}]
    header = json.dumps({"outputs": outputs}).encode()
    (found,) = decode_response(memoryview(header), len(header), {"Y": place}).values()
    place.memory[:] = 0
    assert found.tobytes() == array.astype(array.dtype.newbyteorder("<")).tobytes()
    assert found.shape == array.shape
    too_many = json.dumps({"outputs": [{**outputs[0], "shape": [99]}]}).encode()
    with pytest.raises(ValueError, match="bytes are no"):
        decode_response(memoryview(too_many), len(too_many), {"Y": place})


def test_outputs_that_come_as_json() -> None:
    body = json.dumps(
        {
            "outputs": [
                {"name": "A", "datatype": "INT8", "shape": [1, 2], "data": [1, 2]},
                {"name": "B", "datatype": "BYTES", "shape": [1], "data": ["é"]},
            ]
        }
    ).encode()
    outputs = decode_response(memoryview(body), len(body))
    assert outputs["A"].tolist() == [[1, 2]]
    assert outputs["B"].tolist() == ["é".encode()]


@pytest.mark.parametrize(
    ("data", "output"),
    [
        (b"\0\0", {"datatype": "FP32", "shape": [1]}),
        (b"\0\0\0\0", {"datatype": "FP32", "shape": [2]}),
        (b"\0\0\0\0", {"datatype": "FP8", "shape": [1]}),
        (b"\5\0\0\0abc", {"datatype": "BYTES", "shape": [1]}),
        (b"\5\0", {"datatype": "BYTES", "shape": [1]}),
        (b"\1\0\0\0a", {"datatype": "BYTES", "shape": [2]}),
        (b"", {"datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}}),
    ],
)
def test_broken_responses(data: bytes, output: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        decode_response(*response(data, **output))
