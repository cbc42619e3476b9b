"""A list of parts that anybody may have written names no model of others, and breaks nothing."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from triton_deploy_core import noted_parts
from triton_deploy_core.names import DeploymentName

OWNER = DeploymentName("iris")
NAMES = st.sampled_from(
    ["iris.model.1", "iris.a", "iris", "iris2.model.1", "other", "iris./..", ""]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | NAMES | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
DOCUMENTS = st.fixed_dictionaries({"format": st.just(1), "parts": VALUES}) | VALUES


@given(DOCUMENTS.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40))
def test_whatever_is_written_names_only_what_could_be_a_part(data):
    for part in noted_parts.decode(data, OWNER):
        assert part.value.startswith("iris.")
        assert "/" not in part.value


@given(st.lists(st.integers(1, 99).map(lambda number: DeploymentName(f"iris.model.{number}"))))
def test_what_was_written_is_read(parts):
    assert noted_parts.decode(noted_parts.encode(parts), OWNER) == tuple(parts)
