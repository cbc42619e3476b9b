from __future__ import annotations

from pathlib import Path

import pytest
from mlflow.entities import FileInfo
from mlflow.store.artifact.artifact_repo import ArtifactRepository

from mlflow_triton.model_files import DirectoryFiles
from mlflow_triton.source_artifacts import Artifacts
from mlflow_triton.source_places import RemotePlace
from mlflow_triton.source_scratch import scratch_directory
from triton_deploy_core.ports.store import LocalFile


class BrokenOff(ArtifactRepository):
    """A remote store whose user presses Ctrl-C while the second file comes."""

    def list_artifacts(self, path=None):
        return [] if path else [FileInfo("MLmodel", False, 1), FileInfo("model.onnx", False, 1)]

    def _download_file(self, remote_file_path, local_path) -> None:
        Path(local_path).write_bytes(b"x")
        if remote_file_path == "model.onnx":
            raise KeyboardInterrupt

    def log_artifact(self, local_file, artifact_path=None) -> None:
        raise NotImplementedError

    def log_artifacts(self, local_dir, artifact_path=None) -> None:
        raise NotImplementedError


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    return tmp_path


def test_nothing_is_made_where_nothing_is_downloaded(temporary: Path) -> None:
    with scratch_directory():
        assert not list(temporary.iterdir())


def test_everything_is_removed(temporary: Path) -> None:
    with scratch_directory() as scratch:
        for name in ("model", "run"):
            (scratch.directory(name) / "file").write_bytes(b"x")
        assert len(list(temporary.iterdir())) == 1

    assert not list(temporary.iterdir())


def test_nothing_stays_of_a_download_that_is_broken_off(temporary: Path) -> None:
    place = RemotePlace("far://away", BrokenOff("far://away"))

    with pytest.raises(KeyboardInterrupt), scratch_directory() as scratch:
        place.files(scratch)

    assert not list(temporary.iterdir())


def test_a_directory_of_this_machine_is_itself(temporary: Path) -> None:
    (temporary / "model").mkdir()
    (temporary / "model" / "MLmodel").write_text("")
    place = Artifacts("", "").place((temporary / "model").as_uri())

    with scratch_directory() as scratch:
        assert place.names() == {"MLmodel"}
        assert place.files(scratch) == DirectoryFiles(temporary / "model")
        some = place.some_files(["MLmodel", "none"], scratch)
        assert some.sources == {"MLmodel": LocalFile(temporary / "model/MLmodel", 0)}
    assert [path.name for path in temporary.iterdir()] == ["model"]


def test_a_place_that_does_not_exist_is_empty(temporary: Path) -> None:
    assert Artifacts("", "").place(str(temporary / "nowhere")).names() == frozenset()
