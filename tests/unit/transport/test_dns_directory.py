"""Servers under names of DNS, asked of a DNS server in this process."""

from __future__ import annotations

import builtins
import socket
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from dnslib import AAAA, CNAME, QTYPE, RCODE, RR, SRV, A
from dnslib.server import DNSServer

from triton_deploy_core.errors import InvalidSettingError, ServerUnreachableError
from triton_deploy_transport.directory import open_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KINDS = {"A": A, "AAAA": AAAA, "CNAME": CNAME}


class Names:
    """A DNS server's zone: name → what it answers, which a test may change at any time."""

    def __init__(self) -> None:
        self.records: dict[str, list[tuple[str, Any]]] = {}
        self.status = RCODE.NOERROR
        self.silent = False
        self.asked: list[tuple[str, str]] = []
        self.address = ""

    def resolve(self, request: Any, handler: Any) -> Any:
        if self.silent:
            raise TimeoutError
        reply = request.reply()
        reply.header.rcode = self.status
        name, kind = str(request.q.qname).rstrip("."), QTYPE[request.q.qtype]
        self.asked.append((name, kind))
        if name not in self.records:
            reply.header.rcode = self.status or RCODE.NXDOMAIN
        while name in self.records:
            alias = None
            for of_kind, value in self.records[name]:
                if of_kind in {kind, "CNAME"}:
                    data = SRV(*value) if of_kind == "SRV" else KINDS[of_kind](value)
                    reply.add_answer(RR(name, getattr(QTYPE, of_kind), rdata=data, ttl=0))
                    alias = value if of_kind == "CNAME" else None
            name = alias
        return reply


class _Quiet:
    def __getattr__(self, _: str) -> Any:
        return lambda *_: None


@contextmanager
def served(names: Names, port: int = 0, *, tcp: bool = False) -> Iterator[int]:
    server = DNSServer(names, address="127.0.0.1", port=port, tcp=tcp, logger=_Quiet()).server
    server.handle_error = lambda *_: None  # one that is silent has nothing to say
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def names() -> Iterator[Names]:
    names = Names()
    with served(names) as port:
        names.address = f"127.0.0.1:{port}"
        yield names


def found(names: Names, url: str, **settings: Any) -> list[str]:
    directory = open_directory(url, nameserver=names.address, **settings)
    return [address.url for address in directory.find()]


def test_every_address_of_a_name(names: Names) -> None:
    names.records["triton"] = [
        ("A", "10.0.0.10"),
        ("AAAA", "2001:db8::1"),
        ("A", "10.0.0.9"),
        ("A", "10.0.0.10"),
    ]
    servers = open_directory("dns+grpc://triton:8001", nameserver=names.address).find()
    assert [server.url for server in servers] == [
        "grpc://10.0.0.9:8001",
        "grpc://10.0.0.10:8001",
        "grpc://[2001:db8::1]:8001",
    ]
    assert {server.server_name for server in servers} == {"triton"}
    assert all(server.ready for server in servers)


def test_a_name_behind_another_one(names: Names) -> None:
    names.records["triton"] = [("CNAME", "pool.example")]
    names.records["pool.example"] = [("A", "10.0.0.1")]
    assert found(names, "dns+http://triton:8000") == ["http://10.0.0.1:8000"]


def test_only_addresses_of_ipv6(names: Names) -> None:
    names.records["triton"] = [("AAAA", "::1")]
    assert found(names, "dns+http://triton:8000") == ["http://[::1]:8000"]


def test_the_rest_of_the_url_stays(names: Names) -> None:
    names.records["triton"] = [("A", "10.0.0.1")]
    url = "dns+https://me:s3cret@triton:8443/a/b"
    directory = open_directory(url, nameserver=names.address)
    (server,) = directory.find()
    assert server.url == "https://me:s3cret@10.0.0.1:8443/a/b"
    assert "s3cret" not in repr(server)
    names.records.clear()
    with pytest.raises(ServerUnreachableError) as caught:
        directory.find()
    assert "dns+https://triton:8443" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_it_is_asked_again(names: Names) -> None:
    names.records["triton"] = [("A", "10.0.0.1")]
    directory = open_directory("dns+grpc://triton:8001", nameserver=names.address)
    assert len(directory.find()) == 1
    names.records["triton"] = [("A", "10.0.0.2"), ("A", "10.0.0.3")]
    found = [server.url for server in directory.find()]
    assert found == ["grpc://10.0.0.2:8001", "grpc://10.0.0.3:8001"]


def test_more_addresses_than_one_datagram_takes(names: Names) -> None:
    names.records["triton"] = [("A", f"10.0.{n // 250}.{n % 250 + 1}") for n in range(400)]
    with served(names, int(names.address.partition(":")[2]), tcp=True):
        assert len(found(names, "dns+grpc://triton:8001")) == 400


def test_records_of_services(names: Names) -> None:
    names.records["_grpc._tcp.triton.ns.svc"] = [
        ("SRV", (1, 5, 9001, "triton-1.triton.ns.svc")),
        ("SRV", (0, 1, 9002, "triton-2.triton.ns.svc")),
        ("SRV", (0, 1, 9002, "gone.triton.ns.svc")),
    ]
    # Of both families, but one server.
    names.records["triton-1.triton.ns.svc"] = [("A", "10.0.0.1"), ("AAAA", "2001:db8::1")]
    names.records["triton-2.triton.ns.svc"] = [("AAAA", "2001:db8::2")]
    url = "dns+grpcs://_grpc._tcp.triton.ns.svc"
    servers = open_directory(url, nameserver=names.address).find()
    assert [(server.url, server.names) for server in servers] == [
        ("grpcs://[2001:db8::2]:9002", ("triton-2.triton.ns.svc", "triton-2")),
        ("grpcs://10.0.0.1:9001", ("triton-1.triton.ns.svc", "triton-1")),
    ]
    assert {server.server_name for server in servers} == {"triton.ns.svc"}


def test_a_name_without_a_port(names: Names) -> None:
    names.records["triton.service.consul"] = [("SRV", (1, 1, 8001, "node1.node.consul"))]
    names.records["node1.node.consul"] = [("A", "10.0.0.1")]
    assert found(names, "dns+grpc://triton.service.consul") == ["grpc://10.0.0.1:8001"]


@pytest.mark.parametrize(
    ("url", "records", "words"),
    [
        ("dns+http://no:8000", {}, "the name 'no' can't be resolved"),
        ("dns+http://no", {}, "the name 'no' can't be resolved"),
        ("dns+http://n:8000", {"n": []}, "the name 'n' has no address now"),
        ("dns+http://n", {"n": [("A", "10.0.0.1")]}, "the name 'n' has no SRV record now"),
        ("dns+http://n", {"n": [("SRV", (0, 0, 0, "."))]}, "no host in the SRV records of 'n'"),
        ("dns+http://n", {"n": [("SRV", (0, 0, 1, "no"))]}, "no host in the SRV records of 'n'"),
    ],
)
def test_no_server(names: Names, url: str, records: Any, words: str) -> None:
    names.records = records
    with pytest.raises(ServerUnreachableError, match=rf"^no server found by .*{words}") as caught:
        found(names, url)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("url", ["dns+http://n:8000", "dns+http://n"])
def test_a_dns_server_that_refuses_or_is_silent(names: Names, url: str) -> None:
    names.status = RCODE.SERVFAIL
    with pytest.raises(ServerUnreachableError, match="could or would answer"):
        found(names, url)
    names.status = RCODE.NOERROR
    names.silent = True
    with pytest.raises(ServerUnreachableError, match=r"no DNS server answered within 0\.2 s"):
        found(names, url, timeout=0.2)


def test_a_host_of_a_record_that_can_not_be_asked_for_now(names: Names) -> None:
    """It is not left out: a server that may be there would miss an update."""

    def fails(request: Any, handler: Any, resolve: Any = names.resolve) -> Any:
        names.status = RCODE.SERVFAIL if "host" in str(request.q.qname) else RCODE.NOERROR
        return resolve(request, handler)

    names.resolve = fails  # type: ignore[method-assign]
    names.records["n"] = [("SRV", (0, 0, 8001, "host"))]
    with pytest.raises(ServerUnreachableError, match="when asked for 'host'"):
        found(names, "dns+grpc://n")


def test_the_system_s_names(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def getaddrinfo(host: str, *arguments: Any, **more: Any) -> Sequence[Any]:
        asked.append(host)
        if host == "no":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if host == "later":
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        kind = socket.SOCK_STREAM
        return [
            (socket.AF_INET6, kind, 6, "", ("::1", 0, 0, 0)),
            (socket.AF_INET, kind, 6, "", ("127.0.0.1", 0)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    servers = open_directory("dns+http://localhost:8000").find()
    assert [server.url for server in servers] == ["http://127.0.0.1:8000", "http://[::1]:8000"]
    assert asked == ["localhost"]
    with pytest.raises(ServerUnreachableError, match="'no' can't be resolved"):
        open_directory("dns+http://no:8000").find()
    with pytest.raises(ServerUnreachableError, match=r"resolved now \(Temporary failure"):
        open_directory("dns+http://later:8000").find()


def test_a_name_of_the_hosts_file() -> None:
    servers = open_directory("dns+http://localhost:8000").find()
    assert "http://127.0.0.1:8000" in {server.url for server in servers}


@pytest.mark.parametrize(
    "url",
    [
        "dns+http://",
        "dns+ftp://triton:8000",
        "dns+://triton:8000",
        "dns://triton:8000",
        "dns+grpc://triton:8001/path",
        "dns+grpc://triton:80x",
        "dns+grpc://_grpc._tcp.triton:8001",
        "dns+grpc://tri ton:8001",
        "dns+grpc://a..b:8001",
        f"dns+grpc://{'a' * 64}:8001",
    ],
)
def test_what_is_no_name_of_servers(url: str) -> None:
    with pytest.raises(InvalidSettingError) as caught:
        open_directory(url)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("text", ["", ":53", "h:x", "h:0", "h:70000", "a b:53", "h/x", "@"])
def test_what_is_no_nameserver(text: str) -> None:
    with pytest.raises(InvalidSettingError, match=r"^nameserver .* host:port"):
        open_directory("dns+http://triton:8000", nameserver=text)


def test_a_nameserver_that_nobody_knows() -> None:
    with pytest.raises(ServerUnreachableError, match=r"the nameserver 'a\.\.b' is unknown"):
        open_directory("dns+http://n:8000", nameserver="a..b:53").find()


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "dns"]:
        monkeypatch.delitem(sys.modules, name)
    importing = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "dns":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return importing(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InvalidSettingError, match=r"pip install 'triton-deploy-transport\[dns\]'"):
        open_directory("dns+grpc://_grpc._tcp.triton").find()
