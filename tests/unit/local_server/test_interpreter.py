from __future__ import annotations

import sys

import pytest

from triton_local_server.errors import UnsupportedPythonError
from triton_local_server.interpreter import (
    Interpreter,
    choose_interpreter,
    find_uv,
    preferred_versions,
    probe,
)
from triton_local_server.requirements import PINS, SUPPORTED_PYTHONS, environment_name


def fake_python(folder, name, facts) -> str:
    """A program that answers the probe with `facts`."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{facts}'\n")
    path.chmod(0o755)
    return str(path)


def answer(version="3.11", implementation="cpython", library='"/lib"') -> str:
    return (
        f'{{"executable": "/base/python", "version": "{version}", '
        f'"implementation": "{implementation}", "library_directory": {library}}}'
    )


def test_probe_takes_an_interpreter_that_fits(tmp_path):
    python = fake_python(tmp_path, "python", answer())
    assert probe(python) == Interpreter("/base/python", "3.11", "/lib")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (answer(version="3.13"), "(is cpython 3.13)"),
        (answer(version="3.9"), "(is cpython 3.9)"),
        (answer(implementation="pypy"), "(is pypy 3.11)"),
        (answer(library="null"), "(has no libpython3.11.so.1.0)"),
        ("nonsense", "(does not run)"),
    ],
)
def test_probe_refuses_with_a_reason(tmp_path, facts, reason):
    python = fake_python(tmp_path, "python", facts)
    assert probe(python) == f"{python} {reason}"


def test_probe_of_what_is_not_there():
    assert probe("/no/such/python") == "/no/such/python (does not run)"


def test_probe_of_this_interpreter_runs():
    found = probe(sys.executable)
    if isinstance(found, Interpreter):
        assert found.version == f"{sys.version_info[0]}.{sys.version_info[1]}"
    else:
        assert found.startswith(sys.executable)


def test_the_parameter_comes_before_the_variable(tmp_path, monkeypatch):
    one = fake_python(tmp_path, "one", answer("3.10"))
    two = fake_python(tmp_path, "two", answer("3.12"))
    monkeypatch.setenv("TRITON_LOCAL_SERVER_PYTHON", two)
    assert choose_interpreter(one).version == "3.10"
    assert choose_interpreter().version == "3.12"


def test_a_chosen_interpreter_is_the_only_one_looked_at(tmp_path):
    python = fake_python(tmp_path, "python", answer("3.13"))
    with pytest.raises(UnsupportedPythonError, match=r"3\.10, 3\.11 or 3\.12") as caught:
        choose_interpreter(python)
    assert f"Looked at: {python} (is cpython 3.13)." in str(caught.value)


def test_another_interpreter_on_path_is_found(tmp_path, monkeypatch):
    own = fake_python(tmp_path, "own", answer("3.13"))
    fake_python(tmp_path, "python3.12", answer("3.12"))
    monkeypatch.setattr(sys, "executable", own)
    monkeypatch.setattr(sys, "version_info", (3, 13, 0, "final", 0))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("TRITON_LOCAL_SERVER_PYTHON", raising=False)
    assert choose_interpreter().version == "3.12"


def test_the_own_version_is_preferred(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 0, "final", 0))
    assert list(preferred_versions()) == ["3.10", "3.12", "3.11"]
    monkeypatch.setattr(sys, "version_info", (3, 13, 0, "final", 0))
    assert list(preferred_versions()) == ["3.12", "3.11", "3.10"]


def test_uv_from_its_own_variable(monkeypatch):
    monkeypatch.setenv("UV", "/opt/uv")
    assert find_uv() == "/opt/uv"


def test_every_supported_version_has_a_name_of_its_own():
    names = {environment_name(version) for version in SUPPORTED_PYTHONS}
    assert len(names) == len(SUPPORTED_PYTHONS)
    assert all(pin.count("==") == 1 for pin in PINS)
    assert "numpy==1." in " ".join(PINS)
