"""Two real servers of one repository, one over HTTP and one over gRPC, as a fleet."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from triton_deploy_core.errors import ModelNotServedError, ServerUnreachableError
from triton_deploy_core.ports.request_options import RequestOptions
from triton_deploy_transport import connect, connect_for_requests
from triton_deploy_transport.testing import IDENTITY_MODEL
from triton_local_server import LocalTriton

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
backend: "python"
input { name: "IN" data_type: TYPE_FP32 dims: [ -1 ] }
output { name: "OUT" data_type: TYPE_FP32 dims: [ -1 ] }
"""


def test_predictions_go_to_both_and_on_when_one_is_gone(tmp_path: Path) -> None:
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "config.pbtxt").write_text(CONFIG)
    (tmp_path / "m" / "1" / "model.py").write_text(IDENTITY_MODEL)

    def requests(count: int) -> list[Mapping[str, Any]]:
        return [{"IN": np.full(2, number, np.float32)} for number in range(count)]

    with (
        LocalTriton(tmp_path, exit_timeout=0) as one,
        LocalTriton(tmp_path, exit_timeout=0) as other,
    ):
        urls = f"http://{one.http_url},grpc://{other.grpc_url}"
        with closing(connect(urls)) as fleet, closing(connect_for_requests(urls)) as spread:
            fleet.load("m", timeout=60)
            assert fleet.ready_versions("m") == {1}
            for sent, answer in zip(
                requests(40), spread.infer_many("m", requests(40), timeout=30), strict=True
            ):
                assert np.array_equal(answer["OUT"], sent["IN"])
            for sent in requests(5):  # only one of them has streams
                [answer] = spread.infer_stream(
                    "m", sent, timeout=30, options=RequestOptions(version=1)
                )
                assert np.array_equal(answer["OUT"], sent["IN"])
            with pytest.raises(ModelNotServedError, match="version 2"):
                spread.infer("m", requests(1)[0], timeout=30, options=RequestOptions(version=2))
            counts = [server.statistics("m")[0].success_count for server in fleet.servers()]
            assert all(counts)
            other.kill()
            for sent in requests(20):
                assert np.array_equal(spread.infer("m", sent, timeout=30)["OUT"], sent["IN"])
            with pytest.raises(ServerUnreachableError):
                next(spread.infer_stream("m", requests(1)[0], timeout=30))
