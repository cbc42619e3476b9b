"""What a server or the network does wrong, as the caller of `GrpcServer` sees it."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as pb

from triton_deploy_core.errors import (
    AnswerLostError,
    ControlModeError,
    InvalidInputError,
    InvalidPackageError,
    LoadFailedError,
    LoadTimeoutError,
    ModelNotServedError,
    NotTritonError,
    RequestRefusedError,
    ServerTimeoutError,
    ServerUnreachableError,
)
from triton_deploy_core.ports.server import LoadOverride

if TYPE_CHECKING:
    from collections.abc import Callable

ONE = {"X": np.zeros(2, np.float32)}
CALLS: dict[str, Callable[[Any], object]] = {
    "is_live": lambda server: server.is_live(),
    "is_ready": lambda server: server.is_ready(),
    "index": lambda server: server.index(),
    "load": lambda server: server.load("m", timeout=0.5),
    "unload": lambda server: server.unload("m", timeout=0.5),
    "ready_versions": lambda server: server.ready_versions("m"),
    "loaded": lambda server: server.loaded(),
    "metadata": lambda server: server.metadata("m"),
    "config": lambda server: server.config("m"),
    "infer": lambda server: server.infer("m", ONE, timeout=0.5),
    "infer_many": lambda server: list(server.infer_many("m", [ONE], timeout=0.5)),
    "infer_stream": lambda server: list(server.infer_stream("m", ONE, timeout=0.5)),
    "statistics": lambda server: server.statistics("m"),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
LOADS = {"load", "unload"}


def one_line(error: BaseException, *parts: str) -> bool:
    text = str(error)
    return text.isprintable() and all(part in text for part in parts)


def aborting(code: grpc.StatusCode, words: str) -> Callable[[bytes, Any], bytes]:
    return lambda _, context: context.abort(code, words)


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return (
        len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
    )


def await_request(connection: socket.socket) -> None:
    """Speak HTTP/2 until the head of the first request is there."""
    connection.sendall(frame(4, 0, 0, b""))  # SETTINGS
    seen = b""
    while frame(1, 4, 1, b"")[3:] not in seen:
        piece = connection.recv(65536)
        if not piece:
            return
        seen += piece


def web_page(status: bytes) -> Callable[[socket.socket], None]:
    """Return what a proxy does that speaks HTTP/2, and has a page instead of an answer."""
    # HPACK, literals without indexing: :status, and content-type (31, beyond a prefix of 4 bits).
    head = bytes([0x08, len(status)]) + status + b"\x0f\x10\x09text/html"

    def behave(connection: socket.socket) -> None:
        await_request(connection)
        connection.sendall(frame(1, 4, 1, head) + frame(0, 1, 1, b"<html>"))
        while connection.recv(65536):
            pass

    return behave


@every_call
def test_nothing_listens(grpc_connected: Any, call: Any) -> None:
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ServerUnreachableError) as caught:
            call(grpc_connected(f"grpc://user:secret@{address}"))
    assert one_line(caught.value, address, "refused")
    assert "secret" not in str(caught.value)


def test_a_name_that_nobody_has(grpc_connected: Any) -> None:
    with pytest.raises(ServerUnreachableError, match="can't be resolved"):
        grpc_connected("grpc://nobody.invalid:8001").is_live()


def test_the_next_call_finds_a_server_that_came_back(grpc_connected: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        client = grpc_connected(f"grpc://127.0.0.1:{port}")
        for _ in range(3):
            with pytest.raises(ServerUnreachableError):
                client.is_live()
    server = grpc.server(None, handlers=[])
    assert server.add_insecure_port(f"127.0.0.1:{port}") == port
    server.start()
    try:
        with pytest.raises(NotTritonError):  # it answers, and knows no method
            client.is_live()
    finally:
        server.stop(None).wait()


def test_a_refusal_does_not_cost_the_connection(answering: Any) -> None:
    peers = set()

    def refuse(_request: bytes, context: Any) -> bytes:
        peers.add(context.peer())
        return context.abort(grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size")

    server = answering(refuse)
    for _ in range(5):
        with pytest.raises(RequestRefusedError, match="queue size"):
            server.infer("m", ONE, timeout=5)
    assert len(peers) == 1


@every_call
def test_a_server_that_hangs(answering: Any, call: Any) -> None:
    release = threading.Event()

    def hang(_request: bytes, _context: Any) -> bytes:
        release.wait(20)
        return b""

    try:
        with pytest.raises(ServerTimeoutError) as caught:
            call(answering(hang, request_timeout=0.5))
        assert one_line(caught.value, "grpc://127.0.0.1", "0.5 s")
        assert isinstance(caught.value, LoadTimeoutError) == (call is CALLS["load"])
    finally:
        release.set()


def test_a_port_that_takes_connections_and_says_nothing(
    raw_server: Any, grpc_connected: Any
) -> None:
    server: Any = raw_server(lambda _: server.closing.wait(20))
    with pytest.raises(ServerUnreachableError, match=r"in time.*grpc:// or grpcs://"):
        grpc_connected(server, connect_timeout=0.25).load("m", timeout=20)


def test_a_port_that_hangs_up_instead_of_speaking_grpc(
    raw_server: Any, grpc_connected: Any
) -> None:
    """As Triton's HTTP port does."""
    with pytest.raises(NotTritonError, match=r"closed the connection.*http:// for its HTTP port"):
        grpc_connected(raw_server(lambda connection: connection.recv(65536))).is_live()


@every_call
def test_a_connection_that_breaks_in_a_call(
    raw_server: Any, grpc_connected: Any, call: Any
) -> None:
    with pytest.raises(AnswerLostError, match="closed the connection"):
        call(grpc_connected(raw_server(await_request)))


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", b"SSH-2.0-OpenSSH_9.6\r\n"]
)
def test_a_port_that_does_not_speak_grpc(raw_server: Any, grpc_connected: Any, said: bytes) -> None:
    def speak(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(said)

    with pytest.raises(NotTritonError, match=r"8001.*http:// for its HTTP port") as caught:
        grpc_connected(raw_server(speak)).is_live()
    assert one_line(caught.value)


@pytest.mark.parametrize("status", [b"200", b"302", b"400", b"404", b"500", b"502", b"503"])
def test_a_web_page(raw_server: Any, grpc_connected: Any, status: bytes) -> None:
    with pytest.raises(NotTritonError) as caught:
        grpc_connected(raw_server(web_page(status))).is_live()
    assert one_line(caught.value, "gRPC")


@pytest.mark.parametrize("status", [b"401", b"403", b"429"])
def test_a_proxy_that_asks_for_a_permission(
    raw_server: Any, grpc_connected: Any, status: bytes
) -> None:
    with pytest.raises(RequestRefusedError, match="permission"):
        grpc_connected(raw_server(web_page(status))).is_live()


@pytest.mark.parametrize("code", list(grpc.StatusCode), ids=lambda code: code.name)
@pytest.mark.parametrize("name", ["is_live", "load", "metadata", "infer_stream"])
def test_each_status_code(answering: Any, name: str, code: grpc.StatusCode) -> None:
    if code is grpc.StatusCode.OK:
        return
    with pytest.raises(_expected(code, name)) as caught:
        CALLS[name](answering(aborting(code, "two\nwords")))
    shown = code is grpc.StatusCode.DEADLINE_EXCEEDED or "two words" in str(caught.value)
    assert shown
    assert one_line(caught.value)


def _expected(code: grpc.StatusCode, name: str) -> type[Exception]:
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return LoadTimeoutError if name == "load" else ServerTimeoutError
    denied = {"UNAUTHENTICATED", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED"}
    if name == "load" and code.name not in denied:
        return LoadFailedError
    return RequestRefusedError


ENVOY = "upstream connect error or disconnect/reset before headers. reset reason: "


@pytest.mark.parametrize(
    ("code", "words", "call", "expected"),
    [
        ("UNAVAILABLE", "explicit model load / unload is not allowed", "load", ControlModeError),
        ("NOT_FOUND", "Request for unknown model: 'm' is not found", "infer", ModelNotServedError),
        ("UNAVAILABLE", "no healthy upstream", "load", ServerUnreachableError),
        (
            "UNAVAILABLE",
            "This protocol is restricted, expecting header",
            "load",
            RequestRefusedError,
        ),
        ("UNIMPLEMENTED", "unknown service inference.GRPCInferenceService", "load", NotTritonError),
        ("UNIMPLEMENTED", "", "load", NotTritonError),
        ("UNIMPLEMENTED", "doesn't support models with decoupled", "infer", RequestRefusedError),
        ("CANCELLED", "CANCELLED", "load", AnswerLostError),
        ("UNAVAILABLE", ENVOY + "remote connection failure", "infer", ServerUnreachableError),
        ("UNAVAILABLE", ENVOY + "connection termination", "infer", AnswerLostError),
        (
            "UNAVAILABLE",
            "model has stopped accepting new inference requests",
            "infer",
            ModelNotServedError,
        ),
    ],
)
def test_words_that_mean_something(
    answering: Any, code: str, words: str, call: str, expected: type[Exception]
) -> None:
    with pytest.raises(expected) as caught:
        CALLS[call](answering(aborting(grpc.StatusCode[code], words)))
    assert type(caught.value) is expected


def test_a_request_whose_connection_another_thread_closes_may_have_been_done(
    answering: Any,
) -> None:
    begun, leave = threading.Event(), threading.Event()

    def slow(*_: object) -> bytes:
        begun.set()
        leave.wait(30)
        return b""

    server = answering(slow)

    def close() -> None:
        begun.wait(30)
        server.close()

    closing = threading.Thread(target=close)
    closing.start()
    try:
        with pytest.raises(AnswerLostError):
            server.infer("m", ONE, timeout=30)
    finally:
        leave.set()
        closing.join()


@every_call
def test_a_server_of_something_else(answering: Any, call: Any) -> None:
    with pytest.raises(NotTritonError, match="knows no such requests"):
        call(answering(None))


@pytest.mark.parametrize("name", [name for name in CALLS if name not in LOADS])
def test_an_answer_that_is_no_message(answering: Any, name: str) -> None:
    with pytest.raises(NotTritonError, match="something else than Triton's messages"):
        CALLS[name](answering(lambda *_: b"\xff\xff\xff"))


def test_tensors_that_are_not_what_they_are_said_to_be(answering: Any) -> None:
    answer = pb.ModelInferResponse(raw_output_contents=[b"123"])
    answer.outputs.add(name="Y", datatype="FP32", shape=[1])
    with pytest.raises(NotTritonError):
        answering(lambda *_: answer.SerializeToString()).infer("m", ONE, timeout=5)


@pytest.mark.parametrize(
    ("datatype", "field", "values"),
    [("INT8", "int_contents", [-1, 2]), ("BYTES", "bytes_contents", [b"\xff", b""])],
)
def test_tensors_that_are_not_raw(answering: Any, datatype: str, field: str, values: Any) -> None:
    answer = pb.ModelInferResponse()
    output = answer.outputs.add(name="Y", datatype=datatype, shape=[2, 1])
    getattr(output.contents, field).extend(values)
    found = answering(lambda *_: answer.SerializeToString()).infer("m", ONE, timeout=5)["Y"]
    assert found.reshape(-1).tolist() == values
    assert found.shape == (2, 1)


def test_a_request_is_what_protobuf_would_have_written(answering: Any) -> None:
    seen = []

    def keep(request: bytes, _context: Any) -> bytes:
        seen.append(pb.ModelInferRequest.FromString(request))
        return b""

    inputs = {"A": np.arange(300, dtype=">i4"), "B": np.array([[b"x", b""]], np.object_)}
    answering(keep).infer("m", inputs, timeout=5)
    expected = pb.ModelInferRequest(model_name="m")
    expected.inputs.add(name="A", datatype="INT32", shape=[300])
    expected.inputs.add(name="B", datatype="BYTES", shape=[1, 2])
    expected.raw_input_contents.append(np.arange(300, dtype="<i4").tobytes())
    expected.raw_input_contents.append(b"\x01\x00\x00\x00x\x00\x00\x00\x00")
    assert seen == [expected]


def test_outputs_may_be_written_to(answering: Any) -> None:
    answer = pb.ModelInferResponse(raw_output_contents=[b"12345678"])
    answer.outputs.add(name="Y", datatype="FP32", shape=[2])
    found = answering(lambda *_: answer.SerializeToString()).infer("m", ONE, timeout=5)["Y"]
    found += 1


def test_a_stream_that_ends_before_its_last_answer(answering: Any) -> None:
    def answer(**parameters: bool) -> bytes:
        found = pb.ModelStreamInferResponse()
        found.infer_response.outputs.add(name="Y", datatype="INT8", shape=[1])
        found.infer_response.raw_output_contents.append(b"1")
        for key, value in parameters.items():
            found.infer_response.parameters[key].bool_param = value
        return found.SerializeToString()

    last = answering(lambda *_: answer(triton_final_response=True))
    assert len(list(last.infer_stream("m", ONE, timeout=5))) == 1
    unmarked = answering(lambda *_: answer())
    assert len(list(unmarked.infer_stream("m", ONE, timeout=5))) == 1
    broken = answering(lambda *_: answer(triton_final_response=False)).infer_stream(
        "m", ONE, timeout=5
    )
    assert next(broken)["Y"].tolist() == [ord("1")]
    with pytest.raises(ServerUnreachableError, match="before its answer was complete"):
        next(broken)


def test_more_than_a_message_can_hold_is_refused_before_it_is_sent(grpc_connected: Any) -> None:
    server = grpc_connected("grpc://nobody.invalid:8001")
    # Memory that nobody touches takes none.
    with pytest.raises(InvalidInputError, match=r"2147483676 bytes.*at most 2147483647.*fewer"):
        server.infer("m", {"X": np.zeros(1 << 31, np.uint8)}, timeout=5)
    with pytest.raises(InvalidPackageError, match="put them into the model repository"):
        server.load("m", timeout=5, override=LoadOverride({}, {"1/w": _Vast()}))


class _Vast(bytes):
    def __len__(self) -> int:
        return 1 << 31


def test_many_threads_share_one_server(answering: Any) -> None:
    def echo(request: bytes, _context: Any) -> bytes:
        name = pb.ModelMetadataRequest.FromString(request).name
        return pb.ModelMetadataResponse(name=name).SerializeToString()

    server = answering(echo)
    wrong: list[object] = []

    def ask(name: str) -> None:
        wrong.extend(
            found for found in (server.metadata(name) for _ in range(50)) if found.name != name
        )

    threads = [threading.Thread(target=ask, args=(f"m{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_no_proxy_of_the_environment_is_used(
    answering: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    live = pb.ServerLiveResponse(live=True).SerializeToString()
    assert answering(lambda *_: live).is_live()
