"""A server in a network namespace, whose cable is pulled in the middle of an update."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from triton_deploy_storage.testing_s3 import CREDENTIALS
from triton_deploy_transport.testing_cut import CuttableProxy
from triton_local_server import LocalTriton

NAMESPACE = f"triton-{os.getpid()}"
NEAR, FAR = "10.203.77.1", "10.203.77.2"
CLONE_NEWNET = 0x40000000


def test_a_server_in_a_network_of_its_own(fleet, far_triton, monkeypatch):
    numbers = (1, 2, far_triton)
    monkeypatch.setenv("TRITON_URL", ",".join(fleet.grpc(number) for number in numbers))
    client = fleet.client()
    client.create_deployment("x", fleet.model(1))
    before = fleet.objects()
    monkeypatch.setenv("TRITON_REQUEST_TIMEOUT", str(fleet.request_seconds))
    with fleet.loading(2, on=numbers, timeout=fleet.load_seconds) as updating:
        link("down")
    with pytest.raises(MlflowException, match=rf"on 1 of 3 servers: \S+{FAR}"):
        updating.result()
    fleet.assert_serves("x", 1, on=[1, 2], left=[".x.@journal"])
    client.update_deployment("x", fleet.model(3), config={"quorum": 2})
    fleet.assert_serves("x", 3, on=[1, 2], left=[".x.@behind"])
    # A request that was sent into the void is not sent again, but the server rests after it.
    said = [answer(client) for _ in range(20)]
    assert said.count(None) <= 1
    assert set(said) <= {3, None}
    link("up")
    wait_for_route(fleet.tritons[far_triton - 1].grpc_url)
    monkeypatch.setenv("TRITON_REQUEST_TIMEOUT", "30")
    client.repair_deployments()
    fleet.assert_serves("x", 3, on=numbers)
    client.delete_deployment("x")
    fleet.assert_serves("x", None, on=numbers)
    assert before.keys() > fleet.objects().keys()


def answer(client) -> int | None:
    try:
        return int(client.predict("x", {"IN": [0.0]})["outputs"]["ANSWER"][0])
    except MlflowException:
        return None


@pytest.fixture
def far_triton(fleet) -> Iterator[int]:
    """The number of a server in a network namespace, which sees the repository through a proxy."""
    with ExitStack() as stack:
        try:
            stack.enter_context(network())
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", None) or error
            pytest.skip(f"no network namespace for this user here: {said}")
        moto = stack.enter_context(
            CuttableProxy(fleet.moto.endpoint.removeprefix("http://"), host=NEAR)
        )
        triton = LocalTriton(
            fleet.environment["TRITON_MODEL_REPO"].replace(
                fleet.moto.endpoint, f"http://{moto.address}"
            ),
            host=FAR,
            env={**CREDENTIALS, "FLEET_SERVER": "4", "FLEET_STAGE": str(fleet.stage)},
            exit_timeout=0,
            disable_auto_complete=True,
        )
        with ThreadPoolExecutor(1, initializer=enter_namespace) as pool:
            pool.submit(triton.start).result()
        stack.callback(triton.stop)
        fleet.tritons.append(triton)
        stack.callback(fleet.tritons.remove, triton)
        yield len(fleet.tritons)


@contextmanager
def network() -> Iterator[None]:
    """A network namespace, with a cable between it and this one."""
    ip("netns", "add", NAMESPACE)
    try:
        ip("link", "add", "triton0", "type", "veth", "peer", "name", "triton1", "netns", NAMESPACE)
        ip("addr", "add", f"{NEAR}/30", "dev", "triton0")
        ip("link", "set", "triton0", "up")
        ip("-n", NAMESPACE, "addr", "add", f"{FAR}/30", "dev", "triton1")
        ip("-n", NAMESPACE, "link", "set", "lo", "up")
        link("up")
        yield
    finally:
        ip("netns", "del", NAMESPACE)


def link(state: str) -> None:
    """Plug the far end of the cable in, or pull it."""
    ip("-n", NAMESPACE, "link", "set", "triton1", state)


def wait_for_route(address: str) -> None:
    """Wait until the kernel has found out that the far end answers again.

    It remembers for a moment that nobody did, and refuses connections meanwhile.
    """
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(OSError):
            socket.create_connection((host, int(port)), timeout=5).close()
            return
        time.sleep(0.2)
    pytest.fail(f"{address} can't be reached, though the cable is back")


def ip(*arguments: str) -> None:
    subprocess.run(("ip", *arguments), check=True, capture_output=True, text=True, timeout=10)


def enter_namespace() -> None:
    """Move the calling thread there, with all that it starts from now on."""
    with Path("/run/netns", NAMESPACE).open() as namespace:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(namespace.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
