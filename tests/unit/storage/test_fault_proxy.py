"""The proxy of the fault tests: what it hands on, counts, and breaks."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.client import HTTPConnection, IncompleteRead, RemoteDisconnected
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from triton_deploy_storage.testing_proxy import Answer, Break, Delay, FaultProxy, OnNth, Tally

BODY = b"answer " * 1000


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bodies: list[bytes]

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_response(200)
        if "chunked" in self.path:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"4\r\nansw\r\n2\r\ner\r\n0\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(BODY)

    do_HEAD = do_GET  # noqa: N815

    def do_PUT(self):
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("X-Match", str(self.headers["If-Match"]))
        self.send_header("X-Host", self.headers["Host"])
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    Service.bodies = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with FaultProxy(f"http://127.0.0.1:{server.server_port}") as proxy:
        yield proxy
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[HTTPConnection]:
    connection = HTTPConnection(proxy.endpoint.removeprefix("http://"), timeout=20)
    yield connection
    connection.close()


def ask(client: HTTPConnection, method: str, path: str, body: bytes | None = None, **headers):
    client.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
    answer = client.getresponse()
    return answer, answer.read()


def test_it_hands_on_everything_and_counts_it(proxy, client):
    large = b"x" * (1 << 20)
    answer, _ = ask(client, "PUT", "/a?b=c", large, If_Match="tag", Expect="100-continue")
    assert answer.headers["X-Match"] == "tag"
    assert "http://" + answer.headers["X-Host"] == proxy.endpoint
    assert ask(client, "GET", "/a")[1] == BODY
    assert ask(client, "GET", "/chunked")[1] == b"answer"
    assert ask(client, "HEAD", "/a")[1] == b""
    assert Service.bodies == [large]
    assert proxy.tally() == {
        ("PUT", "/a"): Tally(1, 1 << 20, 0),
        ("GET", "/a"): Tally(1, 0, len(BODY)),
        ("GET", "/chunked"): Tally(1, 0, 6),
        ("HEAD", "/a"): Tally(1, 0, 0),
    }
    assert proxy.total() == Tally(4, 1 << 20, len(BODY) + 6)
    assert proxy.exchanges()[0].request.conditional
    proxy.forget()
    assert proxy.total() == Tally()


def test_headers_can_be_left_out(proxy, client):
    proxy.left_out = ("if-match",)
    answer, _ = ask(client, "PUT", "/a", b"", If_Match="tag")
    assert answer.headers["X-Match"] == "None"


@pytest.mark.parametrize(("fault", "arrives"), [(Break.BEFORE, []), (Break.AFTER, [b"data"])])
def test_a_reset_before_the_service_is_asked_or_when_it_has_answered(proxy, client, fault, arrives):
    proxy.rule = OnNth(fault, nth=2, when=lambda request: request.method == "PUT")
    ask(client, "PUT", "/a", b"first")
    ask(client, "GET", "/a")
    with pytest.raises((ConnectionResetError, RemoteDisconnected)):
        ask(client, "PUT", "/b", b"data")
    client.close()
    assert [str(request) for request in proxy.rule.hit] == ["PUT /b"]
    assert Service.bodies == [b"first", *arrives]
    assert ask(client, "PUT", "/b", b"again")[0].status == 200


def test_an_answer_is_cut_in_its_body_or_in_its_head(proxy, client):
    proxy.rule = OnNth(Break.WITHIN_BODY)
    with pytest.raises(IncompleteRead) as caught:
        ask(client, "GET", "/a")
    assert len(caught.value.partial) == len(BODY) // 2
    client.close()
    proxy.rule = OnNth(Break.WITHIN_HEAD)
    # Python's client takes that for the end of the head.
    assert ask(client, "PUT", "/a", b"data")[0].headers["Content-Length"] is None
    assert Service.bodies == [b"data"]


def test_another_answer_than_the_services(proxy, client):
    proxy.rule = OnNth(Answer.s3(503, "SlowDown"))
    answer, body = ask(client, "PUT", "/a", b"data")
    assert answer.status == 503
    assert b"<Code>SlowDown</Code>" in body
    assert Service.bodies == []
    assert ask(client, "PUT", "/a", b"data")[0].status == 200


def test_a_delay_ends_with_the_proxy(proxy, client):
    arrived = threading.Event()
    proxy.rule = OnNth(Delay(3600), when=lambda _: arrived.set() is None)
    client.request("GET", "/a")
    assert arrived.wait(20)
    proxy.__exit__()
    with pytest.raises((ConnectionResetError, RemoteDisconnected)):
        client.getresponse()


def test_as_a_program_it_tells_its_address_and_its_counts(proxy):
    program = [sys.executable, "-m", "triton_deploy_storage.testing_proxy", proxy.endpoint]
    with subprocess.Popen(
        [*program, "--latency", "0.01"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        client = HTTPConnection(process.stdout.readline().strip().removeprefix("http://"))
        assert ask(client, "GET", "/a")[1] == BODY
        client.close()
        counted, _ = process.communicate(timeout=20)
    assert counted == f'{{"requests": 1, "sent": 0, "received": {len(BODY)}}}\n'
