"""An ONNX model read past its weights is the model that onnx reads, without them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from mlflow_triton.flavors.onnx_external_data import external_files
from mlflow_triton.flavors.onnx_graph import read_graph
from mlflow_triton.flavors.onnx_skeleton import LONG, skeleton
from mlflow_triton.ranged_reading import RangedReader

NAMES = st.text("abcdefgh/_.é", min_size=1, max_size=6)
SIZES = st.sampled_from([0, 1, 3, 16, 250, 260, 5_000, 20_000])
TYPED = {
    TensorProto.FLOAT: "float_data",
    TensorProto.INT32: "int32_data",
    TensorProto.INT64: "int64_data",
    TensorProto.DOUBLE: "double_data",
    TensorProto.UINT64: "uint64_data",
}


class Counted:
    """A file whose reader tells what was fetched of it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.fetched: list[int] = []
        self.reader = RangedReader(self._fetch, len(data))

    def _fetch(self, offset: int, length: int) -> bytes:
        assert 0 <= offset < offset + length <= len(self.data)
        self.fetched.append(length)
        return self.data[offset : offset + length]


@st.composite
def tensors(draw: st.DrawFn) -> onnx.TensorProto:
    name, size = draw(NAMES), draw(SIZES)
    form = draw(st.sampled_from(["raw", "typed", "text", "external"]))
    if form == "raw":
        return numpy_helper.from_array(np.ones(size, np.float32), name)
    if form == "text":
        return helper.make_tensor(name, TensorProto.STRING, [size], [b"word"] * size)
    kind = draw(st.sampled_from(sorted(TYPED)))
    if form == "typed":
        return helper.make_tensor(name, kind, [size], [1] * size)
    tensor = onnx.TensorProto(name=name, data_type=kind, dims=[size])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=draw(NAMES).replace("/", "-") + ".bin")
    return tensor


@st.composite
def nodes(draw: st.DrawFn, depth: int = 2) -> onnx.NodeProto:
    node = helper.make_node("Some", [draw(NAMES)], [draw(NAMES)])
    size = draw(SIZES)
    values: list[Any] = [[1.5] * size, [7] * size, ["word"] * size, b"x" * size, draw(tensors())]
    if depth:
        values.append(draw(graphs(depth=depth - 1)))
    value = draw(st.sampled_from(values))
    if not isinstance(value, list) or value:
        node.attribute.append(helper.make_attribute("value", value))
    return node


@st.composite
def graphs(draw: st.DrawFn, depth: int = 2) -> onnx.GraphProto:
    def value(name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4])

    return helper.make_graph(
        draw(st.lists(nodes(depth=depth), max_size=2)),
        draw(NAMES),
        [value(name) for name in draw(st.lists(NAMES, max_size=3))],
        [value(name) for name in draw(st.lists(NAMES, min_size=1, max_size=3))],
        draw(st.lists(tensors(), max_size=3)),
        doc_string="d" * draw(SIZES),
    )


@st.composite
def models(draw: st.DrawFn) -> bytes:
    """A model as bytes; its graph's parts are in any order, as no encoder has to sort them."""
    graph = draw(graphs())
    model = helper.make_model(graph, ir_version=8, doc_string="d" * draw(SIZES))
    parts = [onnx.GraphProto(name=graph.name, doc_string=graph.doc_string)]
    for field in ("node", "input", "output", "initializer"):
        part = onnx.GraphProto()
        getattr(part, field).extend(getattr(graph, field))
        parts.append(part)
    model.ClearField("graph")
    encoded = b"".join(part.SerializeToString() for part in draw(st.permutations(parts)))
    tag = bytes([7 << 3 | 2])
    length = len(encoded)
    varint = bytearray()
    while length > 0x7F:
        varint.append(length & 0x7F | 0x80)
        length >>= 7
    whole = tag + bytes([*varint, length]) + encoded
    rest = model.SerializeToString()
    return whole + rest if draw(st.booleans()) else rest + whole


def shape_of(model: onnx.ModelProto) -> onnx.ModelProto:
    """What is left of a model that names, types and places of its tensors are asked for only."""
    found = onnx.ModelProto()
    found.CopyFrom(model)
    _strip(found)
    return found


def _strip(message: Any) -> None:
    kind = message.DESCRIPTOR.name
    if kind == "TensorProto":
        for field in (*TYPED.values(), "raw_data", "string_data"):
            message.ClearField(field)
    if kind == "AttributeProto":
        for field in ("floats", "ints", "strings", "s", "type"):
            message.ClearField(field)
    if "doc_string" in message.DESCRIPTOR.fields_by_name:
        message.ClearField("doc_string")
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if isinstance(value, list) or hasattr(value, "add") else [value]:
                _strip(inner)


@given(data=models())
def test_all_but_the_payload_is_there(data: bytes) -> None:
    whole = onnx.load_model_from_string(data)
    found = skeleton(Counted(data).reader)

    assert shape_of(found) == shape_of(whole)
    assert external_files(found) == external_files(whole)
    assert read_graph(found) == read_graph(whole)


@given(data=models())
def test_what_is_short_is_kept_as_it_is(data: bytes) -> None:
    found = skeleton(Counted(data).reader)
    whole = onnx.load_model_from_string(data)
    for mine, its in zip(found.graph.initializer, whole.graph.initializer, strict=True):
        if its.ByteSize() <= LONG:
            assert mine == its


@given(data=models(), share=st.floats(0, 1, exclude_max=True))
def test_a_file_that_is_cut_off_is_refused_or_a_shorter_model(data: bytes, share: float) -> None:
    cut = data[: int(len(data) * share)]
    try:
        expected = onnx.load_model_from_string(cut)
    except DecodeError:
        with pytest.raises(DecodeError):
            skeleton(Counted(cut).reader)
    else:
        assert shape_of(skeleton(Counted(cut).reader)) == shape_of(expected)


@given(data=st.binary(max_size=300))
def test_no_bytes_at_all_make_it_fail_in_another_way(data: bytes) -> None:
    try:
        skeleton(Counted(data).reader)
    except DecodeError:
        return


def test_weights_are_not_fetched() -> None:
    layers = [numpy_helper.from_array(np.ones(1 << 19, np.float32), f"w{i}") for i in range(8)]
    output = helper.make_tensor_value_info("Y", TensorProto.FLOAT, ["N", 2])
    graph = helper.make_graph([], "g", [], [output], layers)
    file = Counted(helper.make_model(graph).SerializeToString())

    found = skeleton(file.reader)

    assert [tensor.name for tensor in found.graph.initializer] == [f"w{i}" for i in range(8)]
    assert found.graph.output[0].name == "Y"
    assert len(file.fetched) <= 2 * 8
    assert sum(file.fetched) < 16 * (16 << 10) < len(file.data) // 50


@given(
    size=st.integers(1, 200_000),
    places=st.lists(st.tuples(st.integers(0, 200_000), st.integers(0, 40_000)), max_size=20),
)
def test_ranges_are_what_the_file_has_there(size: int, places: list[tuple[int, int]]) -> None:
    data = np.random.default_rng(0).bytes(size)
    file = Counted(data)
    for offset, length in places:
        if offset < size:
            assert file.reader.read(offset, length) == data[offset : offset + length]


def test_a_file_that_is_read_in_order_takes_few_requests() -> None:
    file = Counted(bytes(4 << 20))
    for offset in range(0, len(file.data), 1000):
        file.reader.read(offset, 1000)
    assert len(file.fetched) < 12
    assert sum(file.fetched) == len(file.data)
