"""Pods of a Kubernetes service, asked for by the real client of an API server in this process."""

from __future__ import annotations

import builtins
import json
import ssl
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from kubernetes.config import incluster_config

from triton_deploy_core.errors import InvalidSettingError, ServerUnreachableError
from triton_deploy_transport.directory import open_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GRPC = {"name": "grpc", "port": 8001, "protocol": "TCP"}
HTTP = {"name": "http", "port": 8000, "protocol": "TCP"}


def pod(address: str, name: str | None = None, **conditions: Any) -> dict[str, Any]:
    """An endpoint as the controller of EndpointSlices writes it."""
    endpoint: dict[str, Any] = {
        "addresses": [address],
        "conditions": {"ready": True, "serving": True, "terminating": False} | conditions,
    }
    if name is not None:
        endpoint["targetRef"] = {"kind": "Pod", "namespace": "ml", "name": name, "uid": name * 2}
        endpoint["nodeName"] = f"node-of-{name}"
    return endpoint


class Api:
    """An API server: it answers the one question as Kubernetes does, page by page.

    Attributes:
        slices: those of the service ``ml/triton``.
        status: other than 200, what every question is answered with.
        gone: how often a continuation is no longer known.
    """

    def __init__(self) -> None:
        self.slices: list[dict[str, Any]] = []
        self.status = 200
        self.body: bytes | None = None
        self.page = 500
        self.gone = 0
        self.asked: list[str] = []
        self.tokens: list[str | None] = []
        self.url = ""

    def slice_of(
        self, *endpoints: dict[str, Any], ports: Any = (GRPC, HTTP), kind: str = "IPv4"
    ) -> None:
        self.slices.append(
            {
                "metadata": {"name": f"triton-{len(self.slices)}"},
                "addressType": kind,
                "endpoints": list(endpoints) or None,
                "ports": list(ports) or None,
            }
        )

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        url = urlsplit(path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if self.status != 200:
            return self.status, {"kind": "Status", "message": "said the API"}
        if url.path != "/apis/discovery.k8s.io/v1/namespaces/ml/endpointslices":
            return 200, {"kind": "EndpointSliceList", "metadata": {}, "items": []}
        known = query.get("labelSelector") == "kubernetes.io/service-name=triton"
        start = int(query.get("continue", 0))
        if start and self.gone:
            self.gone -= 1
            return 410, {"kind": "Status", "message": "The provided continue parameter is too old"}
        end = start + min(self.page, int(query["limit"]))
        items = self.slices if known else []
        more = {"continue": str(end)} if end < len(items) else {}
        metadata = {"resourceVersion": "1", **more}
        return 200, {"kind": "EndpointSliceList", "metadata": metadata, "items": items[start:end]}


@contextmanager
def serve(api: Api, context: ssl.SSLContext | None = None) -> Iterator[Api]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            api.asked.append(self.path)
            api.tokens.append(self.headers.get("Authorization"))
            status, answer = api.answer(self.path)
            body = json.dumps(answer).encode() if api.body is None else api.body
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "http" if context is None else "https"
    api.url = f"{scheme}://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def write_kubeconfig(path: Path, server: str) -> None:
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": server}}],
                "users": [{"name": "u", "user": {"token": "s3cret"}}],
            }
        )
    )


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No cluster is known."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nothing: None) -> Iterator[Api]:
    with serve(Api()) as api:
        write_kubeconfig(tmp_path / "config", api.url)
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        yield api


def found(url: str = "k8s://ml/triton:grpc") -> list[str]:
    return [server.url for server in open_directory(url).find()]


def test_pods_of_several_slices(api: Api) -> None:
    api.slice_of(pod("10.0.0.2", "triton-1"), pod("10.0.0.1", "triton-0"))
    api.slice_of(pod("10.0.0.3", "triton-2"), pod("10.0.0.2", "triton-1"))
    servers = open_directory("k8s://ml/triton:grpc").find()
    assert [(server.url, server.names) for server in servers] == [
        (f"grpc://10.0.0.{n + 1}:8001", (f"triton-{n}", f"node-of-triton-{n}")) for n in range(3)
    ]
    assert {server.server_name for server in servers} == {"triton.ml.svc"}
    assert set(api.tokens) == {"Bearer s3cret"}


def test_both_families_of_addresses_are_one_pod(api: Api) -> None:
    api.slice_of(pod("2001:db8::1", "a"), pod("2001:db8::2", "b"), kind="IPv6")
    api.slice_of(pod("10.0.0.1", "a"))
    assert found() == ["grpc://10.0.0.1:8001", "grpc://[2001:db8::2]:8001"]


@pytest.mark.parametrize(
    ("conditions", "ready"),
    [
        ({}, True),
        ({"ready": False, "serving": False}, False),
        ({"ready": True, "serving": False}, False),  # of a service with publishNotReadyAddresses
        ({"ready": None, "serving": None, "terminating": None}, True),
        ({"ready": False, "serving": None}, False),
    ],
)
def test_ready_and_not_ready(api: Api, conditions: dict[str, Any], ready: bool) -> None:
    api.slice_of(pod("10.0.0.1", "a", **conditions))
    (server,) = open_directory("k8s://ml/triton:grpc").find()
    assert server.ready is ready


def test_pods_that_terminate_are_left_out(api: Api) -> None:
    ends = {"ready": False, "serving": True, "terminating": True}
    api.slice_of(pod("10.0.0.1", "a", **ends), pod("10.0.0.2", "b"), pod("10.0.0.3", "c"))
    api.slice_of(pod("10.0.0.2", "b", **ends), pod("10.0.0.3", "c", serving=False))
    (server,) = open_directory("k8s://ml/triton:grpc").find()
    assert server.url == "grpc://10.0.0.3:8001"
    assert not server.ready


def test_endpoints_that_nobody_manages(api: Api) -> None:
    """Slices written by hand have neither conditions nor targets, and may have names for hosts."""
    api.slice_of({"addresses": ["10.0.0.1"]}, {"addresses": ["10.0.0.1"]})
    api.slice_of({"addresses": ["triton.example"]}, kind="FQDN")
    assert found() == ["grpc://10.0.0.1:8001", "grpc://triton.example:8001"]


def test_many_pages(api: Api) -> None:
    api.page = 2
    for number in range(5):
        api.slice_of(pod(f"10.0.0.{number + 1}", f"triton-{number}"))
    assert len(found()) == 5
    assert len(api.asked) == 3
    api.gone = 1
    assert len(found()) == 5


def test_it_is_asked_again(api: Api) -> None:
    directory = open_directory("k8s://ml/triton:http")
    api.slice_of(pod("10.0.0.1", "a"))
    assert [server.url for server in directory.find()] == ["http://10.0.0.1:8000"]
    api.slices.clear()
    api.slice_of(pod("10.0.0.9", "b"))
    assert [server.url for server in directory.find()] == ["http://10.0.0.9:8000"]


@pytest.mark.parametrize(
    ("url", "ports", "expected"),
    [
        ("k8s://ml/triton:8001", [GRPC], "grpc://10.0.0.1:8001"),
        ("k8s://ml/triton:8001", [{"name": "", "port": 8001}], "grpc://10.0.0.1:8001"),
        ("k8s://ml/triton:8001", [{"name": "http-x", "port": 8001}], "http://10.0.0.1:8001"),
        ("k8s://ml/triton:9000", [{"name": None, "port": 9000}], "http://10.0.0.1:9000"),
        ("k8s://ml/triton:x", [{"name": "x", "port": 9}], "http://10.0.0.1:9"),
        (
            "k8s://ml/triton:x",
            [{"name": "x", "port": 9, "appProtocol": "grpc"}],
            "grpc://10.0.0.1:9",
        ),
        ("k8s://ml/triton:https", [{"name": "https", "port": 9}], "https://10.0.0.1:9"),
        ("k8s://ml/triton:grpcs-x", [{"name": "grpcs-x", "port": 9}], "grpcs://10.0.0.1:9"),
        ("k8s+grpcs://ml/triton:http", [HTTP], "grpcs://10.0.0.1:8000"),
        ("k8s://ml/triton:http?scheme=https", [HTTP], "https://10.0.0.1:8000"),
    ],
)
def test_what_a_port_speaks(api: Api, url: str, ports: Any, expected: str) -> None:
    api.slice_of(pod("10.0.0.1", "a"), ports=ports)
    assert found(url) == [expected]


def test_ports_by_name_may_differ_from_pod_to_pod(api: Api) -> None:
    api.slice_of(pod("10.0.0.1", "a"), ports=[GRPC])
    api.slice_of(pod("10.0.0.2", "b"), ports=[GRPC | {"port": 9001}])
    assert found() == ["grpc://10.0.0.1:8001", "grpc://10.0.0.2:9001"]


def test_no_such_port(api: Api) -> None:
    api.slice_of(pod("10.0.0.1", "a"))
    with pytest.raises(InvalidSettingError, match=r"no port 'web', but grpc \(8001\), http \(8000"):
        found("k8s://ml/triton:web")
    api.slices[0]["ports"] = None
    with pytest.raises(InvalidSettingError, match="but none at all"):
        found("k8s://ml/triton:web")


def test_no_pods(api: Api) -> None:
    with pytest.raises(ServerUnreachableError, match="no such service with pods"):
        found()
    api.slice_of(ports=())
    with pytest.raises(ServerUnreachableError, match=r"k8s://ml/triton:grpc: it has no pods now"):
        found()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "does not know who asks"),
        (403, "may not list EndpointSlices in namespace 'ml' .403.. Grant get and list on"),
        (404, "answered 404 .said the API"),
        (500, "answered 500 .said the API"),
    ],
)
def test_refusals(api: Api, status: int, words: str) -> None:
    api.status = status
    with pytest.raises(ServerUnreachableError, match=rf"^no server found by .*{words}") as caught:
        found()
    assert str(caught.value).isprintable()
    assert "s3cret" not in str(caught.value)
    assert len(api.asked) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"null", b'{"items": [{}], "metadata": {}}'])
def test_something_else_answers(api: Api, body: bytes) -> None:
    api.body = body
    with pytest.raises(ServerUnreachableError, match="did not answer as an API server"):
        found()


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nothing: None) -> None:
    config = tmp_path / "config"
    monkeypatch.setenv("KUBECONFIG", str(config))
    with serve(Api()) as api:
        write_kubeconfig(config, api.url.replace("http:", "https:"))
        with pytest.raises(ServerUnreachableError, match="no TLS with the API server"):
            found()
        write_kubeconfig(config, api.url)
    with pytest.raises(ServerUnreachableError, match=r"can't be reached \(.*refused\)") as caught:
        found()
    assert str(caught.value).isprintable()


def test_inside_of_a_pod(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nothing: None, certificates: Any
) -> None:
    token = tmp_path / "token"
    token.write_text("of-the-pod")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(certificates.authority))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server, certificates.server_key)
    with serve(Api(), context) as api:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "localhost")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", api.url.rpartition(":")[2])
        api.slice_of(pod("10.0.0.1", "a"))
        assert found() == ["grpc://10.0.0.1:8001"]
        assert [said and said.lower() for said in api.tokens] == ["bearer of-the-pod"]
        token.unlink()
        with pytest.raises(InvalidSettingError, match="the pod's service account is of no use"):
            found()


def test_no_cluster_is_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nothing: None, capsys: Any
) -> None:
    with pytest.raises(InvalidSettingError, match=r"no cluster is known.*KUBECONFIG"):
        found()
    config = tmp_path / "config"
    monkeypatch.setenv("KUBECONFIG", str(config))
    for text in (None, "", "{", "[]", '{"current-context": "x"}', "a: [s3cret", "\0"):
        if text is not None:
            config.write_text(text)
        with pytest.raises(InvalidSettingError, match=r"KUBECONFIG .* is of no use") as caught:
            found()
        assert str(caught.value).isprintable()
        assert "s3cret" not in str(caught.value)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "url",
    [
        "k8s://",
        "k8s://ml",
        "k8s://ml/triton",
        "k8s://ml/triton:",
        "k8s://ml/triton:0",
        "k8s://ml/triton:70000",
        "k8s://ml/triton:8001/path",
        "k8s://ML/triton:8001",
        "k8s://me:s3cret@ml/triton:8001",
        "k8s://ml/triton:8001?scheme=ftp",
        "k8s://ml/triton:8001?port=1",
        "k8s+ftp://ml/triton:8001",
        "k8s+grpc://ml/triton:8001?scheme=http",
    ],
)
def test_what_is_no_service(url: str) -> None:
    with pytest.raises(InvalidSettingError, match=r"k8s://namespace/service:port") as caught:
        open_directory(url)
    assert str(caught.value).isprintable()
    assert "s3cret" not in str(caught.value)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch, api: Api) -> None:
    monkeypatch.delitem(sys.modules, "triton_deploy_transport._kubernetes_api", raising=False)
    importing = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "kubernetes":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return importing(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InvalidSettingError, match=r"'triton-deploy-transport\[kubernetes\]'"):
        found()
