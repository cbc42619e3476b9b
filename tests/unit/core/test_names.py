"""Names of deployments: which there can be, and what is said of the others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triton_deploy_core.errors import InvalidNameError
from triton_deploy_core.names import MAX_NAME_BYTES, DeploymentName
from triton_deploy_core.testing import strategies


@given(strategies.names())
def test_a_name_keeps_its_text(name: DeploymentName) -> None:
    assert str(name) == name.value
    assert DeploymentName(name.value) == name
    assert DeploymentName.is_valid(name.value)


@pytest.mark.parametrize(
    "text", ["iris", "a", "0", "-", "_", "~", "...", ".hidden", "a..b", "A.b-C_d~1", "n" * 255]
)
def test_names_that_can_be(text: str) -> None:
    assert DeploymentName(text).value == text


@given(strategies.invalid_names())
def test_any_other_text_is_refused_in_one_line(text: str) -> None:
    assert not DeploymentName.is_valid(text)
    with pytest.raises(InvalidNameError) as raised:
        DeploymentName(text)
    assert len(str(raised.value).splitlines()) == 1


@given(st.text())
def test_every_text_is_either_a_name_or_refused(text: str) -> None:
    if DeploymentName.is_valid(text):
        assert set(text) <= set(strategies.NAME_CHARACTERS)
        assert 0 < len(text) <= MAX_NAME_BYTES
    else:
        with pytest.raises(InvalidNameError):
            DeploymentName(text)


@pytest.mark.parametrize("text", ["", " ", "\t", "\n", "  \r\n", "\u00a0"])
def test_the_message_for_an_empty_name_is_the_one_scripts_know(text: str) -> None:
    with pytest.raises(InvalidNameError) as raised:
        DeploymentName(text)
    assert str(raised.value) == "Model name cannot be empty. Please enter a valid name to deploy."


@pytest.mark.parametrize("text", ["..", "/", "a/b", "../a", "/etc", "a/", "a/../b"])
def test_the_message_for_traversal_is_the_one_scripts_know(text: str) -> None:
    with pytest.raises(InvalidNameError) as raised:
        DeploymentName(text)
    assert str(raised.value) == f"Path traversal is not allowed in model's name: {text}"


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        (".", "repository itself"),
        ("n" * 256, "shorter"),
        ("é" * 128, "shorter"),
        ("my model", "letters, digits"),
        ("iris\n", "letters, digits"),
        ("iris\0", "letters, digits"),
        ("a\\b", "letters, digits"),
        ("é", "letters, digits"),
        ("\ud800", "letters, digits"),
        ("٣", "letters, digits"),
        ("a%20b", "letters, digits"),
    ],
)
def test_the_message_says_what_to_do(text: str, remedy: str) -> None:
    with pytest.raises(InvalidNameError, match=remedy):
        DeploymentName(text)


def test_names_are_ordered_like_their_texts() -> None:
    texts = ["b", "B", "a.1", "a", "a1"]
    assert [str(name) for name in sorted(map(DeploymentName, texts))] == sorted(texts)


def test_no_text_at_all_is_an_empty_name() -> None:
    with pytest.raises(InvalidNameError, match="cannot be empty"):
        DeploymentName(None)  # type: ignore[arg-type]
