"""What a request says beside its inputs: version, sequence, outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from triton_deploy_core.errors import (
    InvalidRequestError,
    ModelNotServedError,
    RequestRefusedError,
)
from triton_deploy_core.ports.request_options import (
    RequestedOutput,
    RequestOptions,
    SequenceStep,
)
from triton_deploy_core.testing.server_harness import TIMEOUT, ModelUnderTest
from triton_deploy_core.testing.server_laws.fixtures import ONES, ServerLaws

SEQUENCES = "sequence_batching { max_sequence_idle_microseconds: 600000000 }"
SCORES = np.array([[[0.25, 5, 2, 1]], [[9, -8, 7, 7.5]]], np.float32)


class RequestingLaws(ServerLaws):
    """What a request says beside its inputs."""

    def test_the_version_that_is_asked_for(self, model: ModelUnderTest) -> None:
        """It answers; one that does not serve is said not to, and others go on."""
        model.configure("all { }")
        model.put_good(1)
        model.put_good(2)
        model.load()
        for version in (1, 2, 1):
            options = RequestOptions(version=version)
            model.server.infer(model.name, {"IN": ONES}, timeout=TIMEOUT, options=options)
        list(
            model.server.infer_many(
                model.name, [{"IN": ONES}] * 2, timeout=TIMEOUT, options=RequestOptions(version=1)
            )
        )
        # A request is counted after it was answered.
        model.wait(lambda: _counts(model) == {1: 4, 2: 1})
        with pytest.raises(ModelNotServedError, match="version 9"):
            _ask(model, RequestOptions(version=9))

    def test_outputs_that_are_asked_for(self, model: ModelUnderTest) -> None:
        """They are answered, and nobody else's are known."""
        model.configure()
        model.put_good(1)
        model.load()
        assert _ask(model, RequestOptions(outputs=(RequestedOutput("OUT"),))).tolist() == (
            ONES.tolist()
        )
        with pytest.raises(RequestRefusedError) as caught:
            _ask(model, RequestOptions(outputs=(RequestedOutput("OTHER"),)))
        assert "unexpected inference output 'OTHER'" in caught.value.reason

    def test_classes(self, model: ModelUnderTest) -> None:
        """The largest elements of each row come with index and label, the largest first."""
        model.max_batch_size, model.labels = 4, ("ant", "bee")
        model.configure()
        model.put_good(1)
        model.load()
        options = RequestOptions(outputs=(RequestedOutput("OUT", classes=2),))
        found = _ask(model, options, SCORES)
        assert found.tolist() == [
            [b"5.000000:1:bee", b"2.000000:2"],
            [b"9.000000:0:ant", b"7.500000:3"],
        ]

    def test_classes_of_text(self, model: ModelUnderTest) -> None:
        """They are refused before the server, which would end, gets to see the request."""
        model.datatype = "BYTES"
        model.configure()
        model.put_good(1)
        model.load()
        text = np.full((1, 4), b"x", np.object_)
        options = RequestOptions(outputs=(RequestedOutput("OUT", classes=1),))
        for call in _ways(model):
            with pytest.raises(InvalidRequestError, match="no numbers in 'OUT'"):
                call(options, text)
        assert model.server.is_live()

    def test_sequences(self, model: ModelUnderTest) -> None:
        """Each begins with its start and is over after its end."""
        model.max_batch_size, model.more = 2, SEQUENCES
        model.configure()
        model.put_good(1)
        model.load()

        def step(sequence: SequenceStep | None) -> None:
            _ask(model, RequestOptions(sequence=sequence), SCORES[:1])

        for key in (7, "seven"):
            step(SequenceStep(key, start=True))
            step(SequenceStep(key))
            step(SequenceStep(key, end=True))
            with pytest.raises(RequestRefusedError, match="must specify the START flag"):
                step(SequenceStep(key))
            step(SequenceStep(key, start=True, end=True))
        with pytest.raises(RequestRefusedError, match="correlation ID"):
            step(None)


def _counts(model: ModelUnderTest) -> dict[int, int]:
    return {row.version: row.success_count for row in model.server.statistics(model.name)}


def _ask(model: ModelUnderTest, options: RequestOptions, array: Any = ONES) -> Any:
    return model.server.infer(model.name, {"IN": array}, timeout=TIMEOUT, options=options)["OUT"]


def _ways(model: ModelUnderTest) -> list[Callable[[RequestOptions, Any], object]]:
    """Return every way in which a request can be made."""
    server, name = model.server, model.name

    def many(options: RequestOptions, array: Any) -> object:
        requests = [{"IN": array}]
        return list(server.infer_many(name, requests, timeout=TIMEOUT, options=options))

    def stream(options: RequestOptions, array: Any) -> object:
        return list(server.infer_stream(name, {"IN": array}, timeout=TIMEOUT, options=options))

    one = lambda options, array: _ask(model, options, array)  # noqa: E731 (beside the others)
    return [one, many, stream] if server.streams else [one, many]
