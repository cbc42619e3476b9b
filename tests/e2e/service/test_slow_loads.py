"""Loads that take longer than a request may, behind a proxy that cuts them, on a real Triton."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from triton_deploy_core.errors import LoadFailedError, LoadTimeoutError
from triton_deploy_core.repairing import Outcome

CUT_SECONDS = 0.6


class CuttingProxy:
    """Passes connections on, and closes each that waits too long for a piece of the answer."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.cuts = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._port)) as server:
            asking = threading.Thread(target=_pump, args=(client, server), daemon=True)
            asking.start()
            server.settimeout(CUT_SECONDS)
            try:
                while piece := server.recv(65536):
                    client.sendall(piece)
            except TimeoutError:
                self.cuts += 1
            except OSError:
                pass
            for side in (client, server):
                _shut(side)
            asking.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
    except OSError:
        return


def _shut(side: socket.socket) -> None:
    try:
        side.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


@pytest.fixture
def proxy(site) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(int(site.triton.http_url.rpartition(":")[2]))
    yield proxy
    proxy.close()


def test_a_load_that_outlives_its_request_is_followed_to_its_end(site, proxy):
    service = site.service(proxy.url)
    service.create("x", site.answering(1, 1, seconds=1.4))
    assert proxy.cuts >= 1
    assert site.answer("x") == 1
    with pytest.raises(LoadFailedError, match="no such weights"):
        service.update("x", site.answering(2, 2, seconds=1.4, fails=True))
    assert site.answer("x") == 1
    assert site.is_ready()
    assert service.get("x").differences == ()


def test_a_load_that_outlives_its_deadline_is_told_apart_and_taken_back(site):
    service = site.service(timeout=1.0)
    with pytest.raises(LoadTimeoutError):
        service.create("x", site.answering(1, 1, seconds=2.5))
    assert not (site.repository / "x").exists()
    (report,) = site.service().repair("x")
    assert report.outcome is Outcome.REPAIRED
    assert site.files() == {}
    assert site.is_ready()
