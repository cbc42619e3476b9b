from __future__ import annotations

import os
import socket

import pytest

from triton_local_server.errors import InvalidOptionError, PortInUseError
from triton_local_server.listening import listening_ports
from triton_local_server.ports import PortRequest, choose_ports

HOST = "127.0.0.1"


@pytest.fixture
def taken():
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_free_ports_differ_and_can_be_listened_on():
    ports = choose_ports(HOST, PortRequest())
    assert len({ports.http, ports.grpc, ports.metrics}) == 3
    for port in (ports.http, ports.grpc, ports.metrics):
        with socket.socket() as listener:
            listener.bind((HOST, port))


def test_chosen_ports_are_kept():
    free = choose_ports(HOST, PortRequest())
    ports = choose_ports(HOST, PortRequest(grpc=free.grpc))
    assert ports.grpc == free.grpc
    assert len({ports.http, ports.grpc, ports.metrics}) == 3


@pytest.mark.parametrize("service", ["http", "grpc", "metrics"])
def test_a_taken_port_is_named(taken, service):
    with pytest.raises(PortInUseError, match=rf"Port {taken} \({service}_port\) on 127.0.0.1"):
        choose_ports(HOST, PortRequest(**{service: taken}))


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_number_that_is_no_port(port):
    with pytest.raises(InvalidOptionError, match=f"http_port={port} is no TCP port"):
        PortRequest(http=port)


def test_the_same_port_twice():
    with pytest.raises(InvalidOptionError, match="must differ"):
        PortRequest(http=8000, grpc=8000)


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_a_host_that_is_not_here(host):
    with pytest.raises(InvalidOptionError, match="Choose an address of this machine"):
        choose_ports(host, PortRequest())


def test_leaves_choice():
    assert PortRequest(http=1, grpc=2).leaves_choice
    assert not PortRequest(1, 2, 3).leaves_choice


def test_listening_ports_are_this_process_own(taken):
    assert taken in listening_ports(os.getpid())
    assert taken not in listening_ports(os.getppid())


def test_a_process_that_has_ended_listens_to_nothing():
    assert listening_ports(2**22 + 1) == frozenset()
