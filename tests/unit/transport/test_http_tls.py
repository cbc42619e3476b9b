"""TLS: a certificate has to be trusted, and then everything works as without."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from triton_deploy_core.errors import ServerUnreachableError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a key")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


@pytest.fixture
def tls_url(
    raw_server: Any, request_reader: Any, reply_bytes: Any, certificate: tuple[Path, Path]
) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def serve(connection: Any) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            while request_reader(secure):
                secure.sendall(reply_bytes(200, b"[]"))

    port = raw_server(serve).address.split(":")[1]
    return f"https://localhost:{port}"


def test_an_authority_of_one_s_own(
    tls_url: str, connected: Any, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    server = connected(tls_url)
    assert server.index() == ()
    assert server.index() == ()


def test_a_certificate_that_nobody_vouches_for(tls_url: str, connected: Any) -> None:
    with pytest.raises(ServerUnreachableError, match=r"not trusted.*SSL_CERT_FILE") as caught:
        connected(tls_url).index()
    assert str(caught.value).isprintable()


def test_a_certificate_for_another_host(
    tls_url: str, connected: Any, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with pytest.raises(ServerUnreachableError, match="not trusted"):
        connected(tls_url.replace("localhost", "127.0.0.1")).index()
