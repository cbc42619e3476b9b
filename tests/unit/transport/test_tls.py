"""TLS, the same over HTTP and gRPC: who is trusted, who is let in, and what is said if not."""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from tritonclient.grpc import service_pb2 as pb

from triton_deploy_core.errors import InvalidSettingError, NotTritonError, ServerUnreachableError
from triton_deploy_transport.access import Access
from triton_deploy_transport.grpc import GrpcServer
from triton_deploy_transport.http import HttpServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from triton_deploy_core.ports.server import InferenceServer

LIVE = pb.ServerLiveResponse(live=True).SerializeToString()


@pytest.fixture(params=["http", "grpc"])
def secured(  # noqa: PLR0917 (fixtures)
    request: pytest.FixtureRequest,
    raw_server: Any,
    connected: Any,
    answering: Any,
    request_reader: Any,
    reply_bytes: Any,
    certificates: Any,
) -> Callable[..., InferenceServer]:
    """Return a function: an `Access` → an adapter for a server with TLS on ``localhost``."""

    def http(access: Access, *, mutual: bool = False) -> InferenceServer:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.server, certificates.server_key)
        if mutual:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(certificates.authority)

        def serve(connection: Any) -> None:
            with context.wrap_socket(connection, server_side=True) as secure:
                while request_reader(secure):
                    secure.sendall(reply_bytes(200))

        port = raw_server(serve).address.split(":")[1]
        return connected(f"https://localhost:{port}", access=access)

    def by_grpc(access: Access, *, mutual: bool = False) -> InferenceServer:
        pair = (certificates.server_key.read_bytes(), certificates.server.read_bytes())
        authority = certificates.authority.read_bytes() if mutual else None
        credentials = grpc.ssl_server_credentials([pair], authority, mutual)
        return answering(lambda *_: LIVE, credentials, access=access)

    return http if request.param == "http" else by_grpc


def test_an_authority_of_one_s_own(secured: Any, certificates: Any) -> None:
    server = secured(Access(tls_ca=str(certificates.authority)))
    assert server.is_live()
    assert server.is_live()


def test_an_authority_of_the_environment(
    secured: Any, certificates: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    assert secured(Access()).is_live()


def test_a_certificate_that_nobody_vouches_for(secured: Any, certificates: Any) -> None:
    for access in (Access(), Access(tls_ca=str(certificates.stranger))):
        with pytest.raises(ServerUnreachableError, match=r"not trusted: \w+.*tls_ca") as caught:
            secured(access).is_live()
        assert str(caught.value).isprintable()


def test_a_certificate_for_another_host(secured: Any, certificates: Any) -> None:
    access = Access(tls_ca=str(certificates.authority))
    url = secured(access).url.replace("localhost", "127.0.0.1")
    server = (HttpServer if url.startswith("http") else GrpcServer)(url, access=access)
    with pytest.raises(ServerUnreachableError, match="not trusted"):
        server.is_live()
    server.close()


def test_the_name_of_a_server_that_is_reached_by_its_address(
    secured: Any, certificates: Any
) -> None:
    access = Access(tls_ca=str(certificates.authority))
    url = secured(access).url.replace("localhost", "127.0.0.1")
    kind = HttpServer if url.startswith("http") else GrpcServer
    server = kind(url, access=access, server_name="localhost")
    assert server.is_live()
    assert server.url == url
    server.close()
    stranger = kind(url, access=access, server_name="triton.example")
    with pytest.raises(ServerUnreachableError, match="not trusted"):
        stranger.is_live()
    stranger.close()


def test_a_client_s_certificate(secured: Any, certificates: Any) -> None:
    trusting = Access(tls_ca=str(certificates.authority))
    known = replace(
        trusting, tls_cert=str(certificates.client), tls_key=str(certificates.client_key)
    )
    assert secured(known, mutual=True).is_live()
    # What a server says to a client without one differs by library and by the order of packets.
    with pytest.raises(ServerUnreachableError, match=r"client certificate|closed the connection"):
        secured(trusting, mutual=True).is_live()


def test_both_in_one_file(secured: Any, certificates: Any, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(certificates.client.read_bytes() + certificates.client_key.read_bytes())
    access = Access(tls_ca=str(certificates.authority), tls_cert=str(both))
    assert secured(access, mutual=True).is_live()


def test_no_tls_where_there_is_tls_and_the_other_way_round(
    secured: Any, certificates: Any, answering: Any
) -> None:
    url = secured(Access(tls_ca=str(certificates.authority))).url
    plain = url.replace("https:", "http:").replace("grpcs:", "grpc:")
    server = (HttpServer if plain.startswith("http") else GrpcServer)(plain)
    with pytest.raises((ServerUnreachableError, NotTritonError), match=r"http://|grpcs://"):
        server.is_live()
    server.close()
    address = answering(lambda *_: LIVE).url.removeprefix("grpc://")
    for kind, scheme in ((HttpServer, "https"), (GrpcServer, "grpcs")):
        server = kind(f"{scheme}://{address}")
        with pytest.raises(ServerUnreachableError, match="no TLS with"):
            server.is_live()
        server.close()


def test_tls_without_grpc_behind_it(raw_server: Any, certificates: Any) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server, certificates.server_key)

    def serve(connection: Any) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1000)

    port = raw_server(serve).address.split(":")[1]
    access = Access(tls_ca=str(certificates.authority))
    server = GrpcServer(f"grpcs://localhost:{port}", access=access)
    with pytest.raises(NotTritonError, match="does not speak gRPC"):
        server.is_live()
    server.close()


@pytest.mark.parametrize("url", ["https://localhost", "grpcs://localhost"])
def test_files_that_are_of_no_use_are_named_at_once(
    url: str, certificates: Any, tmp_path: Path
) -> None:
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("c4n4ry")
    kind = HttpServer if url.startswith("http") else GrpcServer
    client = str(certificates.client)
    for given, words in (
        ({"tls_ca": str(garbage)}, "tls_ca .*garbage.pem' holds no certificate"),
        ({"tls_ca": str(tmp_path / "no")}, "tls_ca .*no' can't be read: No such file"),
        ({"tls_ca": str(tmp_path)}, "tls_ca .* can't be read|holds no certificate"),
        ({"tls_cert": str(garbage)}, "tls_cert .*garbage.pem' .* of no use"),
        ({"tls_cert": client, "tls_key": str(certificates.server_key)}, "tls_key .* of no use"),
        ({"tls_cert": client, "tls_key": str(tmp_path / "no")}, "tls_key .*no' can't be read"),
    ):
        with pytest.raises(InvalidSettingError, match=words) as caught:
            kind(url, access=Access(**given))
        assert "c4n4ry" not in str(caught.value)
