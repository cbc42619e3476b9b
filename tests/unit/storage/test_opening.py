"""From a location to a store."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_storage import open_store


@pytest.mark.parametrize("form", ["{}", "file://{}", "file://localhost{}", "file:{}", "FILE://{}"])
def test_a_directory_can_be_named_in_many_ways(form: str, root: Path) -> None:
    location = form.format(root)
    store = open_store(location)
    store.write("iris/f", b"x")
    assert (root / "iris" / "f").read_bytes() == b"x"
    assert store.location == location


def test_a_uri_is_unquoted_and_a_path_is_not(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "a%20b").mkdir()
    open_store((tmp_path / "a b").as_uri()).write("uri", b"")
    open_store(str(tmp_path / "a%20b")).write("path", b"")
    assert (tmp_path / "a b" / "uri").exists()
    assert (tmp_path / "a%20b" / "path").exists()


def test_a_relative_path_stays_what_it_was_when_it_was_opened(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = open_store("models")
    monkeypatch.chdir("/")
    store.check()
    assert store.location == "models"


@pytest.mark.parametrize("scheme", ["as", "http", "memory"])
def test_other_schemes_are_refused_with_what_is_supported(scheme: str) -> None:
    with pytest.raises(InvalidSettingError, match="local") as raised:
        open_store(f"{scheme}://user:hunter2@bucket/prefix")
    assert "hunter2" not in str(raised.value)
    assert f"{scheme.lower()}://" in str(raised.value)


@pytest.mark.parametrize("location", ["", " ", "\n", "file://host/path", "file:", "file:relative"])
def test_a_location_that_names_nothing_is_refused(location: str) -> None:
    with pytest.raises(InvalidSettingError):
        open_store(location)


def test_an_adapter_is_imported_only_when_it_is_used() -> None:
    script = "import sys, triton_deploy_storage as s; sys.exit('fcntl' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.parametrize(
    "location",
    [
        "s3://key:hunter2@bucket/prefix",
        "s3://http://key:hunter2@host:9000/bucket",
        "S3://hunter2@bucket",
        "gs://key:hunter2@bucket/prefix",
        "GS://hunter2@bucket",
    ],
)
def test_credentials_in_a_location_are_refused_and_not_shown(location: str) -> None:
    with pytest.raises(InvalidSettingError) as raised:
        open_store(location)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("library", "scheme", "extra"), [("boto3", "s3", "s3"), ("google.cloud.storage", "gs", "gcs")]
)
def test_without_the_library_the_error_says_what_to_install(
    library: str, scheme: str, extra: str
) -> None:
    script = f"""
import sys
sys.modules[{library!r}] = None
from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_storage import open_store
try:
    open_store("{scheme}://bucket/prefix")
except InvalidSettingError as error:
    assert "pip install 'triton-deploy-storage[{extra}]'" in str(error), error
else:
    sys.exit("opened")
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_no_library_is_imported_for_a_directory(root: Path) -> None:
    script = f"""
import sys
from triton_deploy_storage import open_store
open_store({str(root)!r}).check()
sys.exit(not {{"boto3", "botocore", "google", "requests"}}.isdisjoint(sys.modules))
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
