from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from triton_local_server.backend_directory import backend_directory
from triton_local_server.environment import (
    ServerEnvironment,
    ensure_environment,
    environments_home,
)
from triton_local_server.errors import (
    EnvironmentBuildError,
    PackageDownloadError,
    UnsupportedPlatformError,
)
from triton_local_server.file_lock import file_lock
from triton_local_server.installer import clean_variables, install
from triton_local_server.interpreter import Interpreter
from triton_local_server.platform_support import require_supported_platform
from triton_local_server.requirements import environment_name

VERSION = "3.11"


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """A home that holds an environment which looks complete."""
    monkeypatch.delenv("TRITON_LOCAL_SERVER_PYTHON", raising=False)
    monkeypatch.setattr(sys, "version_info", (3, 11, 0, "final", 0))
    environment = ServerEnvironment(
        tmp_path / environment_name(VERSION), Interpreter("/base/python", VERSION, "/base/lib")
    )
    for program in (environment.python, environment.server):
        program.parent.mkdir(parents=True)
        program.touch()
        program.chmod(0o755)
    marker = json.dumps(asdict(environment.interpreter))
    (environment.root / ".complete").write_text(marker)
    return tmp_path, environment


def test_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/home/me")
    for name in ("TRITON_LOCAL_SERVER_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert environments_home() == Path("/home/me/.cache/triton-local-server")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert environments_home() == Path("/cache/triton-local-server")
    monkeypatch.setenv("TRITON_LOCAL_SERVER_HOME", "~/servers")
    assert environments_home() == Path("/home/me/servers")
    assert environments_home(tmp_path) == tmp_path


def test_a_complete_environment_is_used_as_it_is(finished):
    home, environment = finished
    lines: list[str] = []
    assert ensure_environment(home, progress=lines.append) == environment
    assert not lines


def test_what_models_need_makes_an_environment_of_its_own():
    plain, more = environment_name(VERSION), environment_name(VERSION, ["pandas<3", "mlflow"])
    assert plain == environment_name(VERSION, [])
    assert more == environment_name(VERSION, ["mlflow", "pandas<3", "mlflow"])
    assert len({plain, more, environment_name(VERSION, ["pandas"])}) == 3


@pytest.mark.parametrize("damage", ["marker", "content", "interpreter"])
def test_an_incomplete_environment_is_built_again(finished, damage, monkeypatch):
    home, environment = finished
    if damage == "marker":
        (environment.root / ".complete").unlink()
    elif damage == "content":
        (environment.root / ".complete").write_text("{}")
    else:
        environment.python.unlink()
        environment.python.symlink_to("/removed/python")
    monkeypatch.setenv("TRITON_LOCAL_SERVER_PYTHON", "/no/such/python")
    monkeypatch.setenv("UV", "/no/such/uv")
    fake = home / "python"
    facts = json.dumps({**asdict(environment.interpreter), "implementation": "cpython"})
    fake.write_text(f"#!/bin/sh\necho '{facts}'\n")
    fake.chmod(0o755)
    lines: list[str] = []
    with pytest.raises(EnvironmentBuildError, match="Could not install nvidia-pytriton=="):
        ensure_environment(home, python=str(fake), progress=lines.append)
    assert lines == [f"Setting up the local Triton server in {environment.root} (first use only) …"]
    assert not environment.root.exists()


def test_a_home_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    fake = tmp_path / "python"
    fake.write_text(
        '#!/bin/sh\necho \'{"executable": "x", "version": "3.11", "implementation": "cpython", '
        '"library_directory": ""}\'\n'
    )
    fake.chmod(0o755)
    with pytest.raises(EnvironmentBuildError, match="Name another directory in TRITON_LOCAL_"):
        ensure_environment(tmp_path / "file", python=str(fake))


def test_variables(finished):
    _, environment = finished
    inherited = {
        "PATH": "/usr/bin",
        "LD_LIBRARY_PATH": "/mine",
        "PYTHONPATH": "/foreign",
        "VIRTUAL_ENV": "/foreign",
        "AWS_REGION": "here",
    }
    variables = environment.variables(inherited)
    site = environment.root / "lib/python3.11/site-packages"
    assert variables == {
        "PATH": f"{environment.root}/bin:/usr/bin",
        "LD_LIBRARY_PATH": f"{site}/nvidia_pytriton.libs:/base/lib:/mine",
        "PYTHONNOUSERSITE": "1",
        "AWS_REGION": "here",
    }


@pytest.mark.parametrize(
    ("system", "machine"), [("darwin", "arm64"), ("linux", "aarch64"), ("win32", "AMD64")]
)
def test_other_platforms_are_refused(system, machine):
    with pytest.raises(UnsupportedPlatformError, match=f"this is {system} on {machine}: use a"):
        require_supported_platform(system, machine)


def test_linux_on_x86_64_is_supported():
    require_supported_platform("linux", "x86_64")


def installer(folder: Path, output: str) -> str:
    path = folder / "installer"
    path.write_text(f"#!/bin/sh\necho '{output}'\nexit 3\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("output", "kind"),
    [
        ("Temporary failure in name resolution", PackageDownloadError),
        ("error: Failed to fetch: http://index.invalid/x", PackageDownloadError),
        ("No matching distribution found", EnvironmentBuildError),
    ],
)
def test_a_failed_install_shows_the_installers_last_lines(tmp_path, monkeypatch, output, kind):
    program = installer(tmp_path, output)
    monkeypatch.setenv("UV", program)
    with pytest.raises(EnvironmentBuildError) as caught:
        install(tmp_path / "env", program, ["a==1", "b==2"], timeout=30)
    assert type(caught.value) is kind
    first, *tail = str(caught.value).splitlines()
    assert "a==1, b==2" in first
    # uv came first, then venv and pip.
    assert tail == [f"    {output}"] * 2


def test_what_models_need_is_installed_with_the_servers_numpy(tmp_path, monkeypatch):
    uv = tmp_path / "uv"
    uv.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >> {tmp_path}/calls\n'
        'for file in "$@"; do case "$file" in\n'
        f"*.txt) cat $file >> {tmp_path}/files;;\n"
        "esac; done\n"
    )
    uv.chmod(0o755)
    monkeypatch.setenv("UV", str(uv))
    install(tmp_path / "env", "python", ["x==1"], timeout=60, more=["mlflow", "pandas<3"])
    _, exact, further = (tmp_path / "calls").read_text().splitlines()
    assert "--no-deps" in exact
    assert "--no-deps" not in further
    assert "--constraint" in further
    assert (tmp_path / "files").read_text() == "numpy==1.26.4mlflow\npandas<3"
    assert not list(tmp_path.glob(".requirements-*"))


def test_an_installer_that_hangs(tmp_path, monkeypatch):
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("UV", str(slow))
    with pytest.raises(EnvironmentBuildError, match=r"did not end within 0\.1 s"):
        install(tmp_path / "env", str(slow), ["a==1"], timeout=0.1)


def test_one_pythons_variables_do_not_reach_another():
    assert clean_variables({"PYTHONHOME": "/x", "PIP_TARGET": "/x", "PIP_INDEX_URL": "u"}) == {
        "PIP_INDEX_URL": "u"
    }


def test_backend_directory(tmp_path):
    triton = tmp_path / "tritonserver"
    python = triton / "backends/python"
    python.mkdir(parents=True)
    (python / "libtriton_python.so").write_text("library")
    stub = triton / "python_backend_stubs/3.11/triton_python_backend_stub"
    stub.parent.mkdir(parents=True)
    stub.write_text("stub")
    made = backend_directory(tmp_path, triton, "3.11")
    assert sorted(str(p.relative_to(made)) for p in made.rglob("*") if p.is_file()) == [
        "fil/model.py",
        "fil/requirements.txt",
        "fil/treelite_forest.py",
        "local_server_config.py",
        "local_server_packages.py",
        "onnxruntime/model.py",
        "onnxruntime/requirements.txt",
        "openvino/model.py",
        "openvino/openvino_parameters.py",
        "openvino/requirements.txt",
        "python/libtriton_python.so",
        "python/triton_python_backend_stub",
        "pytorch/model.py",
        "pytorch/requirements.txt",
        "pytorch/tensor_names.py",
        "pytorch/torch_settings.py",
        "pytorch/torchscript.py",
    ]
    assert not [p for p in made.rglob("*") if p.is_symlink()]
    assert (made / "python/triton_python_backend_stub").stat().st_mode & 0o111
    assert backend_directory(tmp_path, triton, "3.11") == made
    assert len(list(tmp_path.iterdir())) == 2


def test_the_lock_is_exclusive_and_given_back(tmp_path):
    path = tmp_path / "lock"
    waits: list[int] = []
    with file_lock(path, 0, lambda: waits.append(1)):
        with (
            pytest.raises(TimeoutError, match="has held"),
            file_lock(path, 0.2, lambda: waits.append(2)),
        ):
            pytest.fail("two holders")
        assert waits == [2]
    with file_lock(path, 0, lambda: waits.append(3)):
        assert waits == [2]


def test_the_lock_of_a_holder_that_was_killed_is_free(tmp_path):
    path = tmp_path / "lock"
    hold = (
        "import sys, time\nfrom pathlib import Path\n"
        "from triton_local_server.file_lock import file_lock\n"
        "with file_lock(Path(sys.argv[1]), 0, print):\n"
        "    print('held', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.kill()
        holder.wait()
        with file_lock(path, 5, lambda: None):
            pass
