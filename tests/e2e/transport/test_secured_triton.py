"""A real Triton that wants certificates and a header: over gRPC itself, for HTTP by a proxy."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from triton_deploy_core.errors import RequestRefusedError, ServerUnreachableError
from triton_deploy_transport import connect
from triton_deploy_transport.access import Access
from triton_deploy_transport.testing import IDENTITY_MODEL
from triton_local_server import LocalTriton

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "c4n4ry"
CONFIG = """\
backend: "python"
max_batch_size: 0
input { name: "IN" data_type: TYPE_FP32 dims: [ -1 ] }
output { name: "OUT" data_type: TYPE_FP32 dims: [ -1 ] }
instance_group { kind: KIND_CPU }
"""


class TlsProxy:
    """Ends TLS and passes the rest on, to a server without it."""

    def __init__(self, context: ssl.SSLContext, target: tuple[str, int]) -> None:
        self._context = context
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                plain, _ = self._listener.accept()
                with suppress(OSError):  # the client does not like the certificate
                    near = self._context.wrap_socket(plain, server_side=True)
                    far = socket.create_connection(self._target)
                    self._open += [near, far]
                    for pair in ((near, far), (far, near)):
                        thread = threading.Thread(target=self._pass_on, args=pair)
                        self._threads.append(thread)
                        thread.start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory, certificates: Any) -> Iterator[dict[str, str]]:
    repository: Path = tmp_path_factory.mktemp("models")
    (repository / "same" / "1").mkdir(parents=True)
    (repository / "same" / "config.pbtxt").write_text(CONFIG)
    (repository / "same" / "1" / "model.py").write_text(IDENTITY_MODEL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server, certificates.server_key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificates.authority)
    flags = [
        "--grpc-use-ssl-mutual=true",
        f"--grpc-server-cert={certificates.server}",
        f"--grpc-server-key={certificates.server_key}",
        f"--grpc-root-cert={certificates.authority}",
        f"--grpc-restricted-protocol=model-repository:x-key={KEY}",
        f"--http-restricted-api=model-repository:x-key={KEY}",
    ]
    with LocalTriton(repository, exit_timeout=0, extra_args=flags) as triton:
        proxy = TlsProxy(context, ("127.0.0.1", triton.ports.http))
        yield {
            "https": f"https://localhost:{proxy.port}",
            "grpcs": f"grpcs://localhost:{triton.ports.grpc}",
        }
        proxy.stop()


@pytest.mark.parametrize("scheme", ["https", "grpcs"])
def test_certificates_and_headers(urls: dict[str, str], certificates: Any, scheme: str) -> None:
    own = {"tls_cert": str(certificates.client), "tls_key": str(certificates.client_key)}
    trust = {"tls_ca": str(certificates.authority)}
    # Triton's gRPC takes the header under a name of its own for it.
    name = "x-key" if scheme == "https" else "triton-grpc-protocol-x-key"
    access = Access(**trust, **own, headers=((name, KEY),))
    with closing(connect(urls[scheme], access=access)) as server:
        server.load("same", timeout=60)
        sent = np.ones(3, np.float32)
        assert server.infer("same", {"IN": sent}, timeout=30)["OUT"].tolist() == sent.tolist()
        server.unload("same", timeout=60)
    with (
        closing(connect(urls[scheme], access=Access(**trust, **own))) as server,
        pytest.raises(RequestRefusedError, match="restricted") as caught,
    ):
        server.load("same", timeout=60)
    assert KEY not in str(caught.value)
    for refused in (Access(**trust), Access(**own)):
        with (
            closing(connect(urls[scheme], access=refused)) as server,
            pytest.raises(ServerUnreachableError),
        ):
            server.is_live()
