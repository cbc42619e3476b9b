"""URLs: which server they mean, and which are refused before anything is sent."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing

import pytest

from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_core.fleet.rollout import Rollout, Strategy
from triton_deploy_transport import connect, connect_for_requests
from triton_deploy_transport._server_url import GRPC_SCHEMES, HTTP_SCHEMES, ServerUrl
from triton_deploy_transport.grpc import GrpcServer
from triton_deploy_transport.http import HttpServer


@pytest.mark.parametrize(
    ("url", "tls", "host", "port", "prefix"),
    [
        ("localhost", False, "localhost", 8000, ""),
        ("localhost:9000", False, "localhost", 9000, ""),
        ("10.0.0.1:9000/triton/", False, "10.0.0.1", 9000, "/triton"),
        ("[::1]:9000", False, "::1", 9000, ""),
        ("http://triton.example", False, "triton.example", 80, ""),
        ("HTTP://Triton.Example:8000/", False, "triton.example", 8000, ""),
        ("https://triton.example/a/b", True, "triton.example", 443, "/a/b"),
        ("https://user:pw@my_host-1:8443", True, "my_host-1", 8443, ""),
        ("grpc://triton.example", False, "triton.example", 8001, ""),
        ("grpcs://[::1]:9001/", True, "::1", 9001, ""),
    ],
)
def test_what_a_url_means(url: str, tls: bool, host: str, port: int, prefix: str) -> None:
    parsed = ServerUrl.parse(url, HTTP_SCHEMES + GRPC_SCHEMES)
    assert (parsed.tls, parsed.host, parsed.port, parsed.prefix) == (tls, host, port, prefix)


@pytest.mark.parametrize(
    "url",
    [
        "",
        " ",
        "http://",
        ":8000",
        "host:port",
        "host:0",
        "host:99999",
        "host:-1",
        "http://host:8000?x=1",
        "http://host:8000#x",
        "ho st:8000",
        "host:8000\n",
        "host:8000/a b",
        "http://[::1:8000",
        "ftp://host",
        "triton:8000:9000",
        "http://ho\u00dft:8000",
        f"http://{'a' * 64}:8000",
        "http://a..b:8000",
    ],
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(InvalidSettingError) as caught:
        connect(url)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "url", ["http://me:s3cret@host:1x", "ftp://me:s3cret@host", "me:s3cret@h,h2:x"]
)
def test_no_message_holds_a_secret(url: str) -> None:
    with pytest.raises(InvalidSettingError) as caught:
        connect(url)
    assert "s3cret" not in str(caught.value)


def test_no_url_that_is_shown_holds_a_secret() -> None:
    server = connect("http://me:s@host:8000/a")
    assert server.url == "http://host:8000/a"
    assert "me:s" not in repr(ServerUrl.parse("http://me:s@host:8000/a"))


@pytest.mark.parametrize("url", ["http://h:8000", "https://h:8443", "h:8000"])
def test_http_is_spoken_where_the_url_says_so(url: str) -> None:
    assert isinstance(connect(url), HttpServer)


@pytest.mark.parametrize("url", ["grpc://h:8001", "GRPC://h", "grpc://[::1]:8001/"])
def test_grpc_is_spoken_where_the_url_says_so(url: str) -> None:
    server = connect(url)
    assert isinstance(server, GrpcServer)
    assert server.url == url


@pytest.mark.parametrize("url", ["grpc://h:8001/triton", "grpc://", "grpc://h:1x"])
def test_what_is_no_url_for_grpc(url: str) -> None:
    with pytest.raises(InvalidSettingError, match="not the URL of a server"):
        connect(url)


def test_several_urls_are_a_fleet() -> None:
    fleet = connect("h1:8000, grpc://me:s3cret@h2:8001 ,https://h3/a,http://h1:8000")
    assert [server.url for server in fleet.servers()] == [
        "h1:8000",
        "grpc://h2:8001",
        "https://h3/a",
    ]
    assert [type(server) for server in fleet.servers()] == [HttpServer, GrpcServer, HttpServer]
    assert "s3cret" not in fleet.url
    fleet.close()


@pytest.mark.parametrize("url", ["h1:8000,", ",", "h1:8000,,h2:8000", "h1:8000,ftp://h2", "h1,a b"])
def test_what_is_no_fleet(url: str) -> None:
    for make in (connect, connect_for_requests):
        with pytest.raises(InvalidSettingError) as caught:
            make(url)
        assert str(caught.value).isprintable()


def test_what_a_fleet_goes_through() -> None:
    rollout = Rollout(strategy=Strategy.ROLLING)
    with closing(connect("h1,h2", rollout=rollout)) as fleet:
        assert fleet._rollout is rollout


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf"), float("nan")])
def test_time_outs_are_positive_and_finite(seconds: float) -> None:
    with pytest.raises(InvalidSettingError, match="request_timeout"):
        HttpServer("host:8000", request_timeout=seconds)


def test_one_server_needs_nothing_of_a_fleet() -> None:
    code = (
        "import sys; from triton_deploy_transport import connect_for_requests; "
        "connect_for_requests('h:8000').close(); "
        "print([m for m in sys.modules if 'fleet' in m or 'directory' in m or m == 'dns'])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert result.stdout.strip() == b"[]"


def test_http_alone_imports_neither_protobuf_nor_grpc() -> None:
    code = (
        "import sys; from triton_deploy_transport.http import HttpServer; "
        "print([m for m in ('grpc', 'google.protobuf', 'tritonclient', 'gevent') "
        "if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert result.stdout.strip() == b"[]"
