"""A local repository for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from triton_deploy_storage.local import LocalStore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    directory = tmp_path / "models"
    directory.mkdir()
    return directory


@pytest.fixture
def store(root: Path) -> LocalStore:
    return LocalStore(root)
