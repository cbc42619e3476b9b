"""The contract of `ConfigFormat`, as a suite that an adapter binds.

In a test module of its own::

class TestPbtxtFormat(ConfigFormatContract):
    @pytest.fixture
    def configs(self) -> ConfigFormat:
        return PbtxtFormat()
"""

from __future__ import annotations

import pytest

from triton_deploy_core.errors import InvalidPackageError
from triton_deploy_core.ports.config_format import (
    AllVersions,
    ConfigFormat,
    Latest,
    Specific,
    VersionPolicy,
)
from triton_deploy_core.testing.config_format import parse

CONFIG = b"""# Served since spring.
name: "iris"
platform: 'onnxruntime_onnx'  # the C++ backend
max_batch_size: 8
input [
  { name: "IN" data_type: TYPE_FP32 dims: [ -1, 4 ] },
  { name: "LABELS", data_type: TYPE_STRING, dims: [ 1 ] }
]
output { name: "OUT" data_type: TYPE_FP32 dims: -1 dims: 4 label_filename: "labels.txt" }
instance_group: [ { count: 2; kind: KIND_CPU } ]
dynamic_batching { max_queue_delay_microseconds: 100 }
parameters: { key: "note" value: { string_value: "say \\"version_policy { all { } }\\" {" } }
"""

POLICIES: dict[str, VersionPolicy] = {
    "version_policy { latest { num_versions: 3 } }": Latest(3),
    "version_policy: { latest: { num_versions: 1 } }": Latest(1),
    "version_policy { all { } }": AllVersions(),
    "version_policy: { all: {} }": AllVersions(),
    "version_policy { }": AllVersions(),
    "version_policy { specific { versions: [ 1, 7 ] } }": Specific(frozenset({1, 7})),
    "version_policy { specific { versions: 7 versions: 1 } }": Specific(frozenset({1, 7})),
    "version_policy { specific { } }": Specific(frozenset()),
}
"""A policy as it is written in ``config.pbtxt`` → what Triton 2.51 makes of it."""

GARBAGE = [
    b"name: ",
    b"input [ { name: 'IN' ",
    b"max_batch_size 8 {",
    b"\xff\xfe binary",
    b"{}",
    b"no_such_field: 1",
    b"version_policy { all { } } version_policy { all { } }",
    b"version_policy { specific { versions: [ one ] } }",
]


class ConfigFormatContract:
    """What every `ConfigFormat` does. A subclass gives the fixture `configs`."""

    @pytest.fixture
    def configs(self) -> ConfigFormat:
        """Return the adapter under test."""
        raise NotImplementedError

    @pytest.mark.parametrize("config", [b"", CONFIG, b"# nothing but a comment"])
    def test_no_policy_is_the_latest_version(self, configs: ConfigFormat, config: bytes) -> None:
        """Triton's default policy is in force where none is written."""
        assert configs.version_policy(config) == Latest(1)

    @pytest.mark.parametrize("text", POLICIES)
    def test_policy_is_read(self, configs: ConfigFormat, text: str) -> None:
        """Every way to write a policy is understood as Triton understands it."""
        assert configs.version_policy(CONFIG + text.encode()) == POLICIES[text]
        assert configs.version_policy(text.encode() + b"\n" + CONFIG) == POLICIES[text]

    @pytest.mark.parametrize("policy", set(POLICIES.values()), ids=str)
    @pytest.mark.parametrize("before", ["", *POLICIES])
    def test_policy_is_replaced(
        self, configs: ConfigFormat, before: str, policy: VersionPolicy
    ) -> None:
        """What was written is read back, whatever the policy was before."""
        rewritten = configs.with_version_policy(CONFIG + before.encode(), policy)
        assert configs.version_policy(rewritten) == policy

    @pytest.mark.parametrize("before", ["", *POLICIES])
    def test_the_rest_survives(self, configs: ConfigFormat, before: str) -> None:
        """Nothing else of the configuration changes its meaning."""
        rewritten = configs.with_version_policy(before.encode() + b"\n" + CONFIG, Latest(2))
        expected = parse(CONFIG)
        found = parse(rewritten)
        del found["version_policy"]
        assert found == expected

    @pytest.mark.parametrize("policy", set(POLICIES.values()), ids=str)
    def test_a_second_time_changes_nothing(
        self, configs: ConfigFormat, policy: VersionPolicy
    ) -> None:
        """Rewriting is idempotent, byte for byte."""
        once = configs.with_version_policy(CONFIG, policy)
        assert configs.with_version_policy(once, policy) == once

    def test_label_files_are_read_and_replaced(self, configs: ConfigFormat) -> None:
        """Each output may name one; an output may also be an entry of a list."""
        more = b'output [ { name: "A" label_filename: "a b.txt" }, { name: "B" } ]\n'
        config = CONFIG + more + b"output { name: \"C\" label_filename: 'labels.txt' }"
        assert configs.label_files(config) == {"labels.txt", "a b.txt"}
        assert configs.label_files(b"") == frozenset()
        rewritten = configs.with_label_files(config, {"labels.txt": '.own/é "labels".txt'})
        assert configs.label_files(rewritten) == {'.own/é "labels".txt', "a b.txt"}
        expected, found = parse(config), parse(rewritten)
        names = [output.pop("label_filename", "") for output in found["output"]]
        assert names == ['.own/é "labels".txt', "a b.txt", "", '.own/é "labels".txt']
        for output in expected["output"]:
            output.pop("label_filename", "")
        assert found == expected
        assert configs.with_label_files(rewritten, {}) == rewritten

    def test_an_empty_config_can_get_a_policy(self, configs: ConfigFormat) -> None:
        """A configuration may be empty."""
        policy = Specific(frozenset({3}))
        assert configs.version_policy(configs.with_version_policy(b"", policy)) == policy

    @pytest.mark.parametrize("config", GARBAGE)
    def test_garbage_is_refused(self, configs: ConfigFormat, config: bytes) -> None:
        """What Triton could not parse is an error that fits in one line."""
        with pytest.raises(InvalidPackageError) as reading:
            configs.version_policy(config)
        with pytest.raises(InvalidPackageError):
            configs.with_version_policy(config, Latest())
        with pytest.raises(InvalidPackageError):
            configs.label_files(config)
        with pytest.raises(InvalidPackageError):
            configs.with_label_files(config, {})
        assert "\n" not in str(reading.value)
