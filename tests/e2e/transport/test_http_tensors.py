"""Tensors of every datatype, whatever their size and values, come back from a real server."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from triton_deploy_core.datatypes import NUMPY_DTYPES
from triton_deploy_core.errors import LoadTimeoutError

if TYPE_CHECKING:
    from triton_deploy_transport.http import HttpServer

shapes = arrays.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=5)


def tensors(datatype: str) -> st.SearchStrategy[Any]:
    if datatype == "BYTES":
        return arrays.arrays(np.object_, shapes, elements=st.binary(max_size=40), fill=st.nothing())
    return arrays.arrays(NUMPY_DTYPES[datatype], shapes)


@pytest.mark.parametrize("datatype", NUMPY_DTYPES)
def test_round_trip(server: HttpServer, datatype: str) -> None:
    name = f"identity_{datatype}"
    server.load(name, timeout=60)

    @settings(max_examples=15, suppress_health_check=list(HealthCheck))
    @given(tensors(datatype))
    def comes_back(sent: Any) -> None:
        received = server.infer(name, {"IN": sent}, timeout=30)["OUT"]
        assert received.dtype == sent.dtype
        assert received.shape == sent.shape
        if datatype == "BYTES":
            assert received.tolist() == sent.tolist()
        else:
            assert received.tobytes() == sent.tobytes()  # NaN is not equal to itself

    try:
        comes_back()
    finally:
        server.unload(name, timeout=60)


def test_threads_share_a_server(server: HttpServer) -> None:
    server.load("identity_INT64", timeout=60)
    wrong: list[object] = []

    def ask(number: int) -> None:
        for _ in range(25):
            sent = np.full((3, 4), number)
            received = server.infer("identity_INT64", {"IN": sent}, timeout=30)["OUT"]
            if not np.array_equal(sent, received):
                wrong.append(received)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_load_outlives_its_deadline_and_succeeds_later(server: HttpServer) -> None:
    with pytest.raises(LoadTimeoutError, match="'slow'"):
        server.load("slow", timeout=0.5)
    assert server.ready_versions("slow") == frozenset()
    server.load("slow", timeout=60)
    assert server.ready_versions("slow") == {1}
