"""What the local server's own backends work with: installed once, when it is needed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from triton_local_server.backend_directory import own_backends
from triton_local_server.backend_packages import (
    PACKAGES,
    VARIABLE,
    install_backend,
    setup_variables,
)
from triton_local_server.errors import (
    EnvironmentBuildError,
    InvalidOptionError,
    PackageDownloadError,
)

INSTALLS = """#!/bin/sh
echo "$@" >> "{log}"
while [ "$1" != --target ]; do shift; done
mkdir -p "$2/treelite"
"""
FAILS = """#!/bin/sh
echo "{output}"
exit 1
"""


@pytest.fixture
def backends(tmp_path: Path) -> Path:
    directory = tmp_path / "backends"
    (directory / "fil").mkdir(parents=True)
    (directory / "fil/requirements.txt").write_text("# why\ntreelite==1.0\n")
    return directory


def program(path: Path, text: str, **values: object) -> str:
    path.write_text(text.format(**values))
    path.chmod(0o755)
    return str(path)


def test_a_backend_is_installed_once(tmp_path, backends, monkeypatch):
    log = tmp_path / "log"
    monkeypatch.setenv("UV", program(tmp_path / "uv", INSTALLS, log=log))
    lines: list[str] = []
    for _ in range(2):
        install_backend(backends, Path("/env/python"), "fil", lines.append)
    assert lines == ["Installing the backend fil (first use only) …"]
    (call,) = log.read_text().splitlines()
    assert "--python /env/python" in call
    assert "--no-deps --only-binary :all:" in call
    assert (backends / "fil" / PACKAGES / "treelite").is_dir()
    assert not list(tmp_path.glob(".packages-*"))

    other = tmp_path / "backends-of-the-next-release"  # which has the same pins
    shutil.copytree(backends / "fil", other / "fil", ignore=shutil.ignore_patterns(PACKAGES))
    install_backend(other, Path("/env/python"), "fil", lines.append)
    assert (other / "fil" / PACKAGES).samefile(backends / "fil" / PACKAGES)
    assert len(log.read_text().splitlines()) == 1
    with (other / "fil/requirements.txt").open("a") as file:
        file.write("more==1.0\n")
    (other / "fil" / PACKAGES).unlink()
    install_backend(other, Path("/env/python"), "fil", lines.append)
    assert len(log.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("output", "refusal"),
    [
        ("no such version", (EnvironmentBuildError, "Could not install treelite==1.0")),
        ("dns error", (PackageDownloadError, "Could not download treelite==1.0: check the")),
    ],
)
def test_a_backend_that_cannot_be_installed_leaves_nothing(
    tmp_path, backends, monkeypatch, output, refusal
):
    error, message = refusal
    fails = program(tmp_path / "fails", FAILS, output=output)
    monkeypatch.setenv("UV", fails)
    with pytest.raises(error, match=message):
        install_backend(backends, Path(fails), "fil", lambda _: None)
    assert not (backends / "fil" / PACKAGES).exists()
    told = json.loads(setup_variables(backends, Path(fails), os.environ)[VARIABLE])
    done = subprocess.run(
        [*told["command"], "fil"],
        env={**os.environ, **told["environment"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(message)


LOGS_AND_FAILS = """#!/bin/sh
echo "$(basename "$0") $@ $UV_FIND_LINKS" >> "{log}"
echo "no version of torch==2+cpu"
exit 1
"""


def test_builds_of_pytorch_are_looked_for_where_pip_does_and_in_the_index_that_uv_knows(
    tmp_path, backends, monkeypatch
):
    (backends / "fil/requirements.txt").write_text("torch==2+cpu\n")
    log = tmp_path / "log"
    uv, pip = (program(tmp_path / name, LOGS_AND_FAILS, log=log) for name in ("uv", "python"))
    monkeypatch.setenv("UV", uv)
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels file:///more")
    monkeypatch.setenv("UV_FIND_LINKS", "/own")
    with pytest.raises(
        EnvironmentBuildError, match=r"torch==2\+cpu\. PyTorch's builds for CPUs are"
    ):
        install_backend(backends, Path(pip), "fil", lambda _: None)
    first, second, third = log.read_text().splitlines()
    assert first.startswith("uv pip install")
    assert first.endswith("requirements.txt /own,/wheels,file:///more")
    assert second.startswith("python -m pip install")
    assert third.startswith("uv pip install")
    assert "--torch-backend=cpu" in third
    assert not any("--compile-bytecode" in line for line in (first, third))


def test_a_backend_that_is_none_of_ours(backends):
    with pytest.raises(
        InvalidOptionError, match="no backend 'torch' of its own: choose one of fil"
    ):
        install_backend(backends, Path("/env/python"), "torch", lambda _: None)


def test_every_backend_has_exact_pins():
    root = Path(install_backend.__code__.co_filename).with_name("backends")
    assert own_backends() == ("fil", "onnxruntime", "openvino", "pytorch")
    for name in own_backends():
        lines = (root / name / "requirements.txt").read_text().splitlines()
        assert all(line.startswith("#") or line.count("==") == 1 for line in lines)
        assert not any(line.startswith("numpy") for line in lines)
