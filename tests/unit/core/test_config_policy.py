from __future__ import annotations

import pytest

from triton_deploy_core.errors import InvalidPackageError
from triton_deploy_core.ports.config_format import AllVersions, Latest, Specific, VersionPolicy
from triton_deploy_core.testing.config_format import SimpleConfigFormat, parse
from triton_deploy_core.testing.config_text import parse_text


@pytest.mark.parametrize(
    ("policy", "visible"),
    [
        (Latest(), {10}),
        (Latest(2), {2, 10}),
        (Latest(9), {1, 2, 10}),
        (Latest(0), set()),
        (AllVersions(), {1, 2, 10}),
        (Specific(frozenset({2, 3})), {2}),
        (Specific(frozenset()), set()),
    ],
)
def test_policy_picks(policy: VersionPolicy, visible: set[int]) -> None:
    assert policy.visible([2, 10, 1]) == visible
    assert policy.visible([]) == frozenset()


def test_parse_is_what_tritons_json_is() -> None:
    config = b"""
    name: "iris" 'tail' # comment
    max_batch_size: 0x10
    input { name: "IN" data_type: TYPE_FP32 dims: [ -1, 010 ] optional: true }
    input < name: "\\x41\\n" dims: 3 dims: 4 >;
    parameters { key: "a" value { string_value: "b" } }
    parameters: [ { key: "c" value: { string_value: "d" } } ]
    optimization { priority: PRIORITY_MAX, execution_accelerators { } }
    metric_tags { key: "rate" value: "1.5" }
    dynamic_batching { }
    """
    assert parse(config) == {
        "name": "iristail",
        "max_batch_size": 16,
        "input": [
            {"name": "IN", "data_type": "TYPE_FP32", "dims": [-1, 8], "optional": True},
            {"name": "A\n", "dims": [3, 4]},
        ],
        "parameters": {"a": {"string_value": "b"}, "c": {"string_value": "d"}},
        "optimization": {"priority": "PRIORITY_MAX", "execution_accelerators": {}},
        "metric_tags": {"rate": "1.5"},
        "dynamic_batching": {},
    }


@pytest.mark.parametrize(
    ("text", "value"), [("1.5", 1.5), (".5f", 0.5), ("-2e3", -2000.0), ("-0x1F", -31), ("[]", [])]
)
def test_numbers_and_lists(text: str, value: object) -> None:
    (field,) = parse_text(f"a: {text}")
    assert field.value == value


@pytest.mark.parametrize(
    "text",
    ["a", "a:", "a: }", "a {", "a { b: 1", "a: [ 1 2 ]", "a: [ 1, ]", "-a: 1", '"a": 1', 'a: "\\q"',
     'a: "open', "a: 1 }", "a 1", "a: @"],
)  # fmt: skip
def test_text_that_is_no_message(text: str) -> None:
    with pytest.raises(InvalidPackageError, match="line 1"):
        parse_text(text)


def test_error_names_the_line() -> None:
    with pytest.raises(InvalidPackageError, match="line 3"):
        parse(b'name: "a"\n# note\n}')


@pytest.mark.parametrize(
    "text",
    ["version_policy: 1", "version_policy { all: 1 }", "version_policy { some { } }",
     "version_policy { all { } latest { } }", "version_policy { latest { num_versions: true } }",
     "version_policy { latest { num_versions: 'x' } }", "parameters: 1"],
)  # fmt: skip
def test_what_is_no_policy_or_map(text: str) -> None:
    with pytest.raises(InvalidPackageError):
        parse(text.encode())


def test_latest_without_a_number_picks_nothing() -> None:
    assert SimpleConfigFormat().version_policy(b"version_policy { latest { } }") == Latest(0)


def test_all_but_the_policy_stays_byte_for_byte() -> None:
    config = b'# head\nname: "a" version_policy: { all { } }, backend: "b" # tail\n'
    rewritten = SimpleConfigFormat().with_version_policy(config, Latest(2))
    assert rewritten == (
        b'# head\nname: "a"   backend: "b" # tail\nversion_policy { latest { num_versions: 2 } }\n'
    )


def test_a_line_of_its_own_vanishes_with_the_policy() -> None:
    config = b'name: "a"\nversion_policy {\n  all { }\n}\nbackend: "b"'
    rewritten = SimpleConfigFormat().with_version_policy(config, AllVersions())
    assert rewritten == b'name: "a"\nbackend: "b"\nversion_policy { all { } }\n'
