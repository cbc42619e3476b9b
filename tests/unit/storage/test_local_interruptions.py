"""System calls of a local repository that are interrupted, or meet a file that NFS has replaced."""

from __future__ import annotations

import errno
import os
import signal

import pytest

from triton_deploy_core.errors import StoreUnavailableError
from triton_deploy_core.ports.store import Guard
from triton_deploy_core.service import DeploymentService
from triton_deploy_core.testing.clock import FakeClock
from triton_deploy_core.testing.config_format import SimpleConfigFormat
from triton_deploy_core.testing.simulator import SimulatedTriton
from triton_deploy_core.testing.world import version_package
from triton_deploy_storage.local import LocalStore

GUARD = Guard(".iris.@journal", "a" * 32)


def _service(store: LocalStore) -> DeploymentService:
    clock = FakeClock()
    server = SimulatedTriton(store, clock=clock)
    return DeploymentService(store, server, SimpleConfigFormat(), clock=clock)


@pytest.fixture
def signals():
    """A signal every few hundred microseconds, whose handler does nothing."""
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_signals_change_nothing(tmp_path, signals):
    store = LocalStore(tmp_path)
    service = _service(store)
    service.create("iris", version_package(b"one" * 100_000, 1))
    service.update("iris", version_package(b"two" * 100_000, 2))
    assert store.read("iris/2/model.onnx").data == b"two" * 100_000
    service.delete("iris")
    assert list(store.list("")) == []


@pytest.fixture
def stale(monkeypatch):
    """Have the next so many attempts to open a file that is there end in ESTALE."""
    left = [0]
    real = os.fstat

    def fstat(descriptor):
        if left[0]:
            left[0] -= 1
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return real(descriptor)

    monkeypatch.setattr(os, "fstat", fstat)
    return left


@pytest.mark.parametrize("times", [1, 5])
def test_a_file_that_was_replaced_on_nfs_is_read_again(tmp_path, stale, times):
    store = LocalStore(tmp_path)
    store.write("iris/f", b"x")
    stale[0] = times
    assert store.read("iris/f").data == b"x"


def test_one_that_stays_stale_is_an_error_in_one_line(tmp_path, stale):
    store = LocalStore(tmp_path)
    store.write("iris/f", b"x")
    stale[0] = 1000
    with pytest.raises(StoreUnavailableError, match="tale file handle") as caught:
        store.read("iris/f")
    stale[0] = 0
    assert "\n" not in str(caught.value)


def test_a_guard_that_was_replaced_on_nfs_is_read_again(tmp_path, monkeypatch):
    store = LocalStore(tmp_path)
    store.write(GUARD.key, GUARD.token.encode())
    real, failed = open, []

    def stale_once(path, *arguments, **how):
        if str(path).endswith(GUARD.key) and not failed:
            failed.append(path)
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return real(path, *arguments, **how)

    monkeypatch.setattr("builtins.open", stale_once)
    store.write("iris/config.pbtxt", b"new", guard=GUARD)
    assert failed
    assert store.read("iris/config.pbtxt").data == b"new"
