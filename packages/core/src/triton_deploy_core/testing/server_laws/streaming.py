"""Answers that come as a stream."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from triton_deploy_core.errors import (
    InvalidRequestError,
    ModelNotServedError,
    RequestRefusedError,
    ServerUnreachableError,
)
from triton_deploy_core.ports.request_options import RequestedOutput, RequestOptions
from triton_deploy_core.testing.server_harness import TIMEOUT, ModelUnderTest, ServerHarness
from triton_deploy_core.testing.server_laws.fixtures import ONES, ServerLaws

DECOUPLED = "model_transaction_policy { decoupled: true }"


class StreamingLaws(ServerLaws):
    """Answers that come as a stream, or a word that the protocol has none."""

    @pytest.fixture
    def rows(self, model: ModelUnderTest) -> ModelUnderTest:
        """Return a model that answers row by row, where there is a way to ask it."""
        if not model.server.streams:
            pytest.skip("the protocol has no streams")
        model.more = DECOUPLED
        model.configure()
        model.put_rows(1)
        model.load()
        return model

    def test_a_protocol_without_streams_says_so(self, model: ModelUnderTest) -> None:
        """The error names what has them."""
        if model.server.streams:
            pytest.skip("the protocol has streams")
        with pytest.raises(InvalidRequestError, match="grpc://"):
            next(_stream(model, ONES))

    def test_every_answer(self, rows: ModelUnderTest) -> None:
        """None, one and many come in their order, with the options that were asked for."""
        for count in (0, 1, 5, 2):
            sent = np.arange(count * 4, dtype=np.float32).reshape(count, 4)
            answers = [answer["OUT"] for answer in _stream(rows, sent)]
            assert [answer.tolist() for answer in answers] == [[row] for row in sent.tolist()]
        options = RequestOptions(version=1, outputs=(RequestedOutput("OUT", classes=1),))
        answers = [answer["OUT"] for answer in _stream(rows, ONES, options)]
        assert [answer.tolist() for answer in answers] == [[b"1.000000:0"]] * len(ONES)

    def test_a_request_outside_of_a_stream(self, model: ModelUnderTest) -> None:
        """A decoupled model is not for it."""
        model.more = DECOUPLED
        model.configure()
        model.put_rows(1)
        model.load()
        with pytest.raises(RequestRefusedError, match="decoupled"):
            model.server.infer(model.name, {"IN": ONES}, timeout=TIMEOUT)

    def test_a_failure_in_the_middle(self, rows: ModelUnderTest) -> None:
        """It raises in its turn, and nothing comes after it."""
        sent = np.array([[1] * 4, [-1] * 4, [2] * 4], np.float32)
        answers = _stream(rows, sent)
        assert next(answers)["OUT"].tolist() == [[1] * 4]
        with pytest.raises(RequestRefusedError) as caught:
            next(answers)
        assert "negative" in caught.value.reason
        assert list(answers) == []
        assert len(list(_stream(rows, ONES))) == len(ONES)

    def test_refusals(self, model: ModelUnderTest) -> None:
        """An unknown model, wrong inputs and nobody at all are told apart, as elsewhere."""
        if not model.server.streams:
            pytest.skip("the protocol has no streams")
        with pytest.raises(ModelNotServedError):
            next(_stream(model, ONES))
        model.configure()
        model.put_good(1)
        model.load()
        with pytest.raises(RequestRefusedError, match="unexpected shape"):
            next(_stream(model, np.ones((2, 5), np.float32)))
        [only] = _stream(model, ONES)
        assert np.array_equal(only["OUT"], ONES)

    def test_nobody_listens(self, harness: ServerHarness) -> None:
        """A stream says so too."""
        with closing(harness.unreachable()) as server:
            if server.streams:
                with pytest.raises(ServerUnreachableError):
                    next(server.infer_stream("any", {"IN": ONES}, timeout=TIMEOUT))

    def test_streams_side_by_side(self, rows: ModelUnderTest) -> None:
        """Several are open at once, in several threads, and one that is closed is no other's."""
        left = _stream(rows, np.ones((50, 4), np.float32))
        next(left)

        def ask(number: int) -> list[Any]:
            sent = np.full((6, 4), number, np.float32)
            return [float(answer["OUT"][0, 0]) for answer in _stream(rows, sent)]

        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(ask, range(8)))
        assert found == [[float(number)] * 6 for number in range(8)]
        left.close()
        assert len(ask(1)) == len(found[0])


def _stream(
    model: ModelUnderTest, array: Any, options: RequestOptions | None = None
) -> Generator[Any, None, None]:
    return model.server.infer_stream(model.name, {"IN": array}, timeout=TIMEOUT, options=options)
