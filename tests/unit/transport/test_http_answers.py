"""Triton's refusals and answers, word for word, and what `HttpServer` makes of them.

Source of the texts: Triton 2.51, each seen on the real server.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from triton_deploy_core.errors import (
    ControlModeError,
    InvalidInputError,
    LoadFailedError,
    ModelNotServedError,
    NotTritonError,
    RequestRefusedError,
)
from triton_deploy_core.ports.server import IndexEntry, LoadOverride, ModelState

if TYPE_CHECKING:
    from collections.abc import Callable


def error(text: str) -> bytes:
    return json.dumps({"error": text}).encode()


@pytest.mark.parametrize("verb", ["load", "unload"])
def test_a_server_that_is_not_in_explicit_mode(saying: Any, verb: str) -> None:
    server = saying(503, error("explicit model load / unload is not allowed if polling is enabled"))
    with pytest.raises(ControlModeError, match="--model-control-mode=explicit"):
        getattr(server, verb)("iris", timeout=5)


def test_a_failed_load_keeps_triton_s_reason(saying: Any) -> None:
    reason = (
        "load failed for model 'bad': version 1 is at UNAVAILABLE state: Internal: ValueError: "
        "boom\n\nAt:\n  /m/bad/1/model.py(1): <module>\n;\n"
    )
    with pytest.raises(LoadFailedError) as caught:
        saying(400, error(reason)).load("bad", timeout=5)
    assert caught.value.reason == reason
    assert str(caught.value).isprintable()
    assert str(caught.value).endswith("Internal: ValueError: boom")


def test_a_failed_poll_has_a_hint(saying: Any) -> None:
    reason = "failed to load 'iris', failed to poll from model repository"
    with pytest.raises(LoadFailedError, match=r"config\.pbtxt.*same model repository") as caught:
        saying(500, error(reason)).load("iris", timeout=5)
    assert caught.value.reason == reason


def test_a_load_that_needs_a_permission(saying: Any) -> None:
    with pytest.raises(RequestRefusedError, match="restricted"):
        saying(403, error("This API is restricted")).load("iris", timeout=5)
    with pytest.raises(RequestRefusedError, match="401"):
        saying(401, b"<html>who are you</html>").load("iris", timeout=5)


def test_a_server_without_model_control(saying: Any) -> None:
    with pytest.raises(RequestRefusedError, match="Not Found"):
        saying(404, error("Not Found")).load("iris", timeout=5)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "Request for unknown model: 'm' is not found"),
        (400, "Request for unknown model: 'm' is not found"),
        (404, "Request for unknown model: 'm' has no available versions"),
        (400, "Request for unknown model: 'm' version 1 is not at ready state"),
        (400, "requested model 'm' is not available"),
        (
            503,
            "Server is stopping, scheduler for model has stopped accepting new inference requests",
        ),
        (503, "Server not ready"),
    ],
)
def test_a_model_that_is_not_served(saying: Any, status: int, words: str) -> None:
    server = saying(status, error(words))
    calls: list[Callable[[], object]] = [
        lambda: server.metadata("m"),
        lambda: server.config("m"),
        lambda: server.statistics("m"),
        lambda: server.infer("m", {}, timeout=5),
    ]
    for call in calls:
        with pytest.raises(ModelNotServedError, match="'m'"):
            call()
    assert server.ready_versions("m") == frozenset()


def test_a_refused_inference(saying: Any) -> None:
    reason = "unexpected inference input 'INX' for model 'm'"
    with pytest.raises(RequestRefusedError) as caught:
        saying(400, error(reason)).infer("m", {"INX": np.zeros(1)}, timeout=5)
    assert caught.value.reason == reason


def test_inputs_that_no_datatype_fits(connected: Any) -> None:
    server = connected("127.0.0.1:1")  # nothing is sent
    for array in (np.zeros(1, np.complex64), np.array(["2020"], "M8[D]"), np.array([1, None])):
        with pytest.raises(InvalidInputError, match="'X'"):
            server.infer("m", {"X": array}, timeout=5)


@pytest.mark.parametrize(("status", "expected"), [(200, True), (400, False), (503, False)])
def test_health(saying: Any, status: int, expected: bool) -> None:
    server = saying(status, kind="text/plain")
    assert server.is_ready() is expected
    assert server.is_live() is expected


def test_health_as_other_servers_of_the_protocol_tell_it(saying: Any) -> None:
    assert saying(200, b'{"ready": true}').is_ready()
    with pytest.raises(RequestRefusedError):
        saying(404, error("Not Found")).is_ready()
    with pytest.raises(NotTritonError):
        saying(404).is_ready()


def test_the_index(saying: Any) -> None:
    rows = [
        {"name": "a", "version": "3", "state": "READY"},
        {"name": "a", "version": "1", "state": "UNAVAILABLE", "reason": "unloaded"},
        {"name": "never-loaded"},
    ]
    assert saying(200, json.dumps(rows).encode()).index() == (
        IndexEntry("a", 3, ModelState.READY),
        IndexEntry("a", 1, ModelState.UNAVAILABLE, "unloaded"),
        IndexEntry("never-loaded", None, ModelState.UNKNOWN),
    )


def test_requests_as_they_are_sent(
    raw_server: Any, connected: Any, request_reader: Any, reply_bytes: Any
) -> None:
    seen = []

    def record(connection: Any) -> None:
        while request := request_reader(connection):
            seen.append(request)
            connection.sendall(reply_bytes(200))

    server = raw_server(record)
    http = connected(f"http://me:pa%3Ass@{server.address}/triton/")
    http.load(
        "a b/c", timeout=5, override=LoadOverride({"backend": "python"}, {"1/model.py": b"\xff"})
    )
    head, body = seen[0].decode().split("\r\n\r\n")
    assert head.startswith("POST /triton/v2/repository/models/a%20b%2Fc/load HTTP/1.1\r\n")
    assert "authorization: Basic bWU6cGE6c3M=" in head
    assert f"Host: {server.address}" in head
    assert json.loads(body) == {
        "parameters": {"config": '{"backend": "python"}', "file:1/model.py": "/w=="}
    }
    assert "me" not in http.url.split("/")[2]
    http.is_ready()
    assert seen[1].startswith(b"GET /triton/v2/health/ready HTTP/1.1\r\n")


def test_no_proxy_of_the_environment_is_used(saying: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert saying(200).is_live()
