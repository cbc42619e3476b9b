"""Requests to models and questions about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
import pytest
from numpy.typing import NDArray

from triton_deploy_core.clock import Deadline, SystemClock
from triton_deploy_core.datatypes import NUMPY_DTYPES
from triton_deploy_core.errors import (
    ModelNotServedError,
    RequestRefusedError,
    ServerUnreachableError,
)
from triton_deploy_core.ports.model_server import TensorSpec
from triton_deploy_core.ports.server import InferenceServer
from triton_deploy_core.testing.server_harness import TIMEOUT, ModelUnderTest, ServerHarness
from triton_deploy_core.testing.server_laws.fixtures import ONES, ServerLaws

QUESTIONS: dict[str, Callable[[InferenceServer, str], object]] = {
    "metadata": lambda server, name: server.metadata(name),
    "config": lambda server, name: server.config(name),
    "statistics": lambda server, name: server.statistics(name),
    "infer": lambda server, name: server.infer(name, {"IN": ONES}, timeout=TIMEOUT),
}
CALLS: dict[str, Callable[[InferenceServer, str], object]] = {
    **QUESTIONS,
    "is_live": lambda server, _: server.is_live(),
    "is_ready": lambda server, _: server.is_ready(),
    "index": lambda server, _: server.index(),
    "load": lambda server, name: server.load(name, timeout=TIMEOUT),
    "unload": lambda server, name: server.unload(name, timeout=TIMEOUT),
    "ready_versions": lambda server, name: server.ready_versions(name),
    "loaded": lambda server, _: server.loaded(),
}


class ServingLaws(ServerLaws):
    """Requests to models and questions about them."""

    @pytest.mark.parametrize("datatype", sorted(NUMPY_DTYPES))
    def test_infer_round_trip(self, model: ModelUnderTest, datatype: str) -> None:
        """Every datatype comes back as it was sent."""
        model.datatype = datatype
        model.configure()
        model.put_good(1)
        model.load()
        sent = _sample(datatype)
        received = model.server.infer(model.name, {"IN": sent}, timeout=TIMEOUT)
        assert received.keys() == {"OUT"}
        assert received["OUT"].dtype == NUMPY_DTYPES[datatype]
        assert received["OUT"].shape == sent.shape
        assert received["OUT"].tolist() == sent.tolist()

    def test_large_tensors(self, model: ModelUnderTest) -> None:
        """They come back alike each time, however they travel, in memory of the caller's own."""
        model.configure()
        model.put_good(1)
        model.load()
        plain = np.arange(1 << 20, dtype=np.float32).reshape(-1, 4)
        kept = []
        for sent in (plain, plain, plain.astype(">f4"), plain[::2], plain[::-1, ::-1], plain[:0]):
            received = model.server.infer(model.name, {"IN": sent}, timeout=TIMEOUT)["OUT"]
            assert received.dtype == np.float32
            kept.append((sent, received))
        many = model.server.infer_many(model.name, [{"IN": -plain}] * 5, timeout=TIMEOUT)
        kept += [(-plain, answer["OUT"]) for answer in many]
        for sent, received in kept:
            np.testing.assert_array_equal(received, sent)
        kept[0][1][:] = 0
        np.testing.assert_array_equal(kept[1][1], plain)

    def test_metadata_config_and_statistics(self, model: ModelUnderTest) -> None:
        """They tell what was configured, the batch dimension included, and what was done."""
        model.max_batch_size = 8
        model.configure("all { }")
        model.put_good(1)
        model.put_good(2)
        model.load()
        model.server.infer(model.name, {"IN": ONES.reshape(2, 1, 4)}, timeout=TIMEOUT)

        metadata = model.server.metadata(model.name)
        assert (metadata.name, metadata.versions) == (model.name, (1, 2))
        assert metadata.inputs == (TensorSpec("IN", "FP32", (-1, -1, 4)),)
        assert metadata.outputs == (TensorSpec("OUT", "FP32", (-1, -1, 4)),)

        config = model.server.config(model.name)
        assert (config["name"], config["max_batch_size"]) == (model.name, 8)
        assert config["backend"] == model.harness.backend
        assert [tensor["name"] for tensor in config["input"]] == ["IN"]

        def counts() -> list[tuple[int, int, int]]:
            rows = model.server.statistics(model.name)
            return [(row.version, row.success_count, row.inference_count) for row in rows]

        expected = [(1, 0, 0), (2, 1, 2)]
        # A request is counted after it was answered.
        Deadline.after(TIMEOUT, SystemClock()).wait_for(lambda: counts() == expected)
        assert counts() == expected

    @pytest.mark.parametrize(
        ("inputs", "reason"),
        [
            ({"X": ONES}, "unexpected inference input 'X'"),
            ({}, "expected 1 inputs but got 0"),
            ({"IN": ONES, "X": ONES}, "expected 1 inputs but got 2"),
            ({"IN": np.ones((2, 5), np.float32)}, "unexpected shape for input 'IN'"),
            ({"IN": np.ones(4, np.float32)}, "unexpected shape for input 'IN'"),
            ({"IN": np.ones((2, 4), np.int32)}, "data-type is 'INT32'"),
        ],
        ids=["name", "missing", "extra", "shape", "rank", "datatype"],
    )
    def test_wrong_inputs(
        self, model: ModelUnderTest, inputs: dict[str, np.ndarray], reason: str
    ) -> None:
        """The server refuses them and says why."""
        model.configure()
        model.put_good(1)
        model.load()
        with pytest.raises(RequestRefusedError) as caught:
            model.server.infer(model.name, inputs, timeout=TIMEOUT)
        assert reason in caught.value.reason

    def test_batch_over_the_limit(self, model: ModelUnderTest) -> None:
        """A batch larger than the model takes is refused."""
        model.max_batch_size = 2
        model.configure()
        model.put_good(1)
        model.load()
        with pytest.raises(RequestRefusedError) as caught:
            model.server.infer(model.name, {"IN": np.ones((3, 1, 4), np.float32)}, timeout=TIMEOUT)
        assert "batch-size must be <= 2" in caught.value.reason

    def test_many_requests(self, model: ModelUnderTest) -> None:
        """Answers come in the order of the requests, which are taken as there is room for them."""
        model.configure()
        model.put_good(1)
        model.load()
        taken, in_all = 0, 20

        def requests() -> Iterator[dict[str, NDArray[np.float32]]]:
            nonlocal taken
            for number in range(in_all):
                taken += 1
                yield {"IN": np.full((1 + number % 3, 4), number, np.float32)}

        answers = model.server.infer_many(model.name, requests(), timeout=TIMEOUT, in_flight=4)
        for number, answer in enumerate(answers):
            assert taken <= number + 1 + 4
            assert np.array_equal(answer["OUT"], np.full((1 + number % 3, 4), number))
        assert number == in_all - 1
        assert list(model.server.infer_many(model.name, (), timeout=TIMEOUT)) == []

    def test_many_requests_of_which_one_is_refused(self, model: ModelUnderTest) -> None:
        """What is before it is answered, and it raises; so do all others where nothing serves."""
        model.configure()
        model.put_good(1)
        model.load()
        requests = [{"IN": ONES}] * 3 + [{"X": ONES}] + [{"IN": ONES}] * 5
        answers = model.server.infer_many(model.name, requests, timeout=TIMEOUT, in_flight=3)
        assert [next(answers)["OUT"].shape for _ in range(3)] == [ONES.shape] * 3
        with pytest.raises(RequestRefusedError):
            next(answers)
        assert list(answers) == []
        answers = model.server.infer_many(model.name, requests, timeout=TIMEOUT)
        next(answers)
        answers.close()
        assert model.server.infer(model.name, {"IN": ONES}, timeout=TIMEOUT)
        with pytest.raises(ModelNotServedError):
            next(model.server.infer_many(model.name + "-", requests, timeout=TIMEOUT))

    @pytest.mark.parametrize("question", QUESTIONS)
    def test_model_that_is_not_served(self, model: ModelUnderTest, question: str) -> None:
        """Neither an unknown model nor one that was unloaded answers."""
        with pytest.raises(ModelNotServedError):
            QUESTIONS[question](model.server, model.name)
        model.configure()
        model.put_good(1)
        model.load()
        model.unload()
        with pytest.raises(ModelNotServedError):
            QUESTIONS[question](model.server, model.name)

    @pytest.mark.parametrize("call", CALLS)
    def test_unreachable(self, harness: ServerHarness, call: str) -> None:
        """Nobody listens: every call says so."""
        with closing(harness.unreachable()) as server, pytest.raises(ServerUnreachableError):
            CALLS[call](server, "any")


def _sample(datatype: str) -> np.ndarray:
    if datatype == "BYTES":
        items = [b"", b"plain", "\u00fcml\u00e4ut".encode(), b"\x00\xff", b"a", b"b", b"c", b"d"]
        return np.array(items, dtype=np.object_).reshape(2, 4)
    return np.array([[0, 1, 2, 3], [1, 0, 1, 0]]).astype(NUMPY_DTYPES[datatype])
