from __future__ import annotations

from pathlib import Path

import pytest

from triton_local_server.command_line import ServerOptions, command_line
from triton_local_server.errors import InvalidOptionError
from triton_local_server.ports import Ports

PORTS = Ports(http=1001, grpc=1002, metrics=1003)


def line(**options) -> list[str]:
    chosen = ServerOptions(**{"repository": "/models", **options})
    backends, server = Path("/b"), Path("/bin/tritonserver")
    return list(command_line(server, chosen, PORTS, backends=backends, shm_prefix="p_"))


def test_defaults():
    command = line()
    assert command[0] == "/bin/tritonserver"
    assert {
        "--model-repository=/models",
        "--backend-directory=/b",
        "--backend-config=python,shm-region-prefix-name=p_",
        "--http-address=127.0.0.1",
        "--http-port=1001",
        "--grpc-address=127.0.0.1",
        "--grpc-port=1002",
        "--metrics-address=127.0.0.1",
        "--metrics-port=1003",
        "--model-control-mode=explicit",
    } <= set(command)
    assert "--disable-auto-complete-config" not in command
    assert not [argument for argument in command if argument.startswith("--load-model")]


def test_choices():
    command = line(
        repository="s3://http://127.0.0.1:9000/bucket/models",
        host="0.0.0.0",
        load_models=("a", "b"),
        disable_auto_complete=True,
        exit_timeout=30,
        extra_args=("--log-verbose=1",),
    )
    assert {
        "--model-repository=s3://http://127.0.0.1:9000/bucket/models",
        "--http-address=0.0.0.0",
        "--load-model=a",
        "--load-model=b",
        "--disable-auto-complete-config",
        "--exit-timeout-secs=30",
    } <= set(command)
    assert command[-1] == "--log-verbose=1"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"model_control_mode": "auto"}, "'auto' is unknown: choose one of explicit, none, poll"),
        ({"model_control_mode": "poll", "load_models": ("a",)}, "works with .*'explicit' only"),
        ({"exit_timeout": -1}, "exit_timeout=-1 is negative"),
    ],
)
def test_contradictions(options, reason):
    with pytest.raises(InvalidOptionError, match=reason):
        ServerOptions("/models", **options)


def test_services_that_are_switched_off():
    options = ServerOptions("/models", extra_args=("--allow-grpc=false",))
    assert (options.serves("http"), options.serves("grpc")) == (True, False)
