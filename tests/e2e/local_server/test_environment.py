"""Building the server's environment for real, from the package index."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from triton_local_server import LocalTriton, PackageDownloadError, ensure_environment

BUILD = "from triton_local_server import ensure_environment as e; print(e(progress=print).root)"


def test_two_processes_build_one_environment(tmp_path, repository, api):
    home = tmp_path / "the home"  # a space in it must do no harm
    variables = {**os.environ, "TRITON_LOCAL_SERVER_HOME": str(home)}
    builders = [
        subprocess.Popen(
            [sys.executable, "-c", BUILD], env=variables, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    outputs = [builder.communicate(timeout=600)[0] for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0]
    told = "".join(outputs)
    assert told.count("Setting up the local Triton server in") == 1
    assert told.count("Waiting for another process") <= 1
    (root,) = {output.splitlines()[-1] for output in outputs}
    assert list(Path(root).rglob("__pycache__/*.pyc")), "bytecode is compiled"

    repository.python("plus")
    repository.identity("same")
    with LocalTriton(repository.root, home=home, load_models=["plus"], exit_timeout=0) as triton:
        assert triton.is_running
        assert not list(Path(root).glob("backends-*/*/packages")), "no model has needed any yet"
        assert api(triton.url).load("same") is None
    (packages,) = Path(root).glob("backends-*/*/packages")
    assert packages.parent.name == "onnxruntime"

    # A build that was cut short is begun again.
    (Path(root) / ".complete").unlink()
    shutil.rmtree(Path(root) / "lib")
    lines: list[str] = []
    again = ensure_environment(home, progress=lines.append)
    assert str(again.root) == root
    assert again.server.exists()
    assert lines[0].startswith("Setting up")
    # And one that is complete is left alone.
    assert ensure_environment(home, progress=lines.append) == again
    assert len(lines) == 2
    assert json.loads((Path(root) / ".complete").read_text())["version"] in root


def test_no_network(tmp_path, monkeypatch):
    nowhere = "http://127.0.0.1:9/simple"
    for name in ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "PIP_INDEX_URL"):
        monkeypatch.setenv(name, nowhere)
    for name in ("UV_FIND_LINKS", "PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "UV_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip"))
    home = tmp_path / "home"
    with pytest.raises(PackageDownloadError, match="check the network") as caught:
        ensure_environment(home)
    assert len(str(caught.value).splitlines()) > 1
    assert not [entry for entry in home.iterdir() if entry.is_dir()]
