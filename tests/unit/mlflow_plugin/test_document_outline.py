"""Documents without their long parts: what is kept is what the whole document has."""

from __future__ import annotations

import contextlib
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_triton.flavors import document_outline
from mlflow_triton.flavors.document_outline import NotADocumentError, read_outline
from mlflow_triton.ranged_reading import RangedReader
from triton_deploy_core.errors import InvalidPackageError

LEFT_OUT = frozenset({"trees", "skipped"})

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
keys = st.sampled_from(["trees", "skipped", "a", 'q"uote', "ä"]) | st.text(max_size=4)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4)
)
documents = st.dictionaries(keys, values, min_size=1, max_size=5)


def reader_of(data: bytes) -> RangedReader:
    return RangedReader(lambda offset, length: data[offset : offset + length], len(data))


def kept(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: None if key in LEFT_OUT else kept(item) for key, item in value.items()}
    return [kept(item) for item in value] if isinstance(value, list) else value


def ubjson(value: Any) -> bytes:  # noqa: PLR0911 - a return for each type
    """As XGBoost writes it: lengths of eight bytes, arrays of whole numbers with a type."""
    match value:
        case None | True | False:
            return {None: b"Z", True: b"T", False: b"F"}[value]
        case int():
            return b"L" + struct.pack(">q", value)
        case float():
            return b"D" + struct.pack(">d", value)
        case str():
            return b"S" + _text(value)
        case dict():
            members = b"".join(_text(key) + ubjson(item) for key, item in value.items())
            return b"{" + members + b"}"
    if value and all(type(item) is int for item in value):
        numbers = struct.pack(f">{len(value)}q", *value)
        return b"[$L#L" + struct.pack(">q", len(value)) + numbers
    return b"[" + b"".join(map(ubjson, value)) + b"]"


def _text(text: str) -> bytes:
    data = text.encode()
    return b"L" + struct.pack(">q", len(data)) + data


@given(documents, st.integers(1, 64), st.sampled_from([None, 1]))
def test_json_in_pieces(document, piece, indent):
    data = json.dumps(document, ensure_ascii=False, indent=indent).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document_outline, "_PIECE", piece)
        assert read_outline(reader_of(data), LEFT_OUT) == kept(document)


@given(documents)
def test_ubjson(document):
    assert read_outline(reader_of(ubjson(document)), LEFT_OUT) == kept(document)


@given(documents, st.booleans(), st.data())
def test_what_is_cut_short_or_damaged_is_an_error_of_ours_or_another_document(
    document, is_json, data
):
    whole = json.dumps(document).encode() if is_json else ubjson(document)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(NotADocumentError):
        read_outline(reader_of(cut), LEFT_OUT)
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:place] + data.draw(st.binary(min_size=1, max_size=1)) + whole[place + 1 :]
    with contextlib.suppress(InvalidPackageError):
        read_outline(reader_of(damaged), LEFT_OUT)


def test_a_nest_is_refused():
    for data in (b'{"a":' + b"[" * 5000, b"{L" + struct.pack(">q", 1) + b"a" + b"[" * 5000):
        with pytest.raises(NotADocumentError, match="nested too deep"):
            read_outline(reader_of(data), LEFT_OUT)


def test_typed_arrays_of_every_kind():
    arrays = b"".join(
        b"U\x01" + name + b"[$" + kind + b"#i\x02" + struct.pack(f">2{form}", 1, 2)
        for name, kind, form in [(b"a", b"i", "b"), (b"b", b"U", "B"), (b"c", b"d", "f")]
    )
    assert read_outline(reader_of(b"{" + arrays + b"}"), ()) == {
        "a": [1, 2],
        "b": [1, 2],
        "c": [1, 2],
    }
    assert read_outline(reader_of(b"{#i\x01i\x01aT"), ()) == {"a": True}
