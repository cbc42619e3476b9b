"""What is a key, and how files and markers relate."""

from __future__ import annotations

import pytest
from hypothesis import given

from triton_deploy_core.keys import (
    check_file_key,
    check_key,
    check_transfer,
    enclosing,
    without_implied,
)
from triton_deploy_core.ports.store import Content, StoredBlob, Transfer
from triton_deploy_core.testing import strategies
from triton_deploy_core.testing.store_laws.fixtures import BAD_KEYS, ODD_SEGMENTS


@given(strategies.keys())
def test_every_relative_path_is_a_key(key: str) -> None:
    check_key(key)
    check_file_key(key)
    check_key(key + "/")


@pytest.mark.parametrize("segment", ODD_SEGMENTS)
def test_other_characters_are_ordinary(segment: str) -> None:
    check_key(f"{segment}/{segment}")


@pytest.mark.parametrize("key", BAD_KEYS)
def test_what_leads_elsewhere_is_no_key(key: str) -> None:
    with pytest.raises(ValueError):
        check_key(key)
    with pytest.raises(ValueError):
        check_file_key(key)


def test_a_marker_is_no_files_key() -> None:
    with pytest.raises(ValueError, match="directory marker"):
        check_file_key("iris/1/")


def test_a_marker_has_no_content() -> None:
    check_transfer(Transfer("iris/1/", Content(b"")))
    check_transfer(Transfer("iris/1", StoredBlob("x", 0)))
    for source in (Content(b"x"), StoredBlob("x", 0)):
        with pytest.raises(ValueError, match="no content"):
            check_transfer(Transfer("iris/1/", source))


def test_a_key_lies_in_directories() -> None:
    assert list(enclosing("a/b/c")) == ["a/b/", "a/"]
    assert list(enclosing("a/b/c/")) == ["a/b/", "a/"]
    assert list(enclosing("a")) == list(enclosing("a/")) == []


def test_a_marker_of_a_directory_that_holds_something_is_implied() -> None:
    keys = ["a/", "a/b/", "a/b/c", "d/", "e/", "e/f/", "a2/"]
    assert without_implied(keys) == {"a/b/c", "d/", "e/f/", "a2/"}
