"""Changes to a configuration: how they are read, merged and refused."""

from __future__ import annotations

import pytest

from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_transport.config_changes import FIELDS, ConfigChange, ConfigChanges
from triton_deploy_transport.pbtxt import ModelConfig, parse

BASE = b"""
backend: "onnxruntime"
max_batch_size: 4
input { name: "x" data_type: TYPE_FP32 dims: [ 3 ] }
input { name: "z" data_type: TYPE_INT64 dims: [ 1 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ 3 ] }
dynamic_batching { preferred_batch_size: [ 2, 4 ] }
instance_group { count: 2 }
optimization { input_pinned_memory { enable: true } gather_kernel_buffer_threshold: 7 }
parameters { key: "a" value { string_value: "1" } }
"""


def _changed(name: str, value: object, fixed: dict[str, str] | None = None) -> ModelConfig:
    change = ConfigChange.of_field(name, value, f"-C {name}")
    return ConfigChanges((change,)).over(parse(BASE), fixed or {})


@pytest.mark.parametrize(
    ("name", "value", "same_as"),
    [
        ("max_batch_size", "0", "0"),
        ("max_batch_size", 0, "0"),
        ("instance_group", "[{kind: KIND_CPU, count: 3}]", '{"kind": "KIND_CPU", "count": 3}'),
        ("instance_group", [{"kind": "KIND_CPU", "count": 3}], "{kind: KIND_CPU count: 3}"),
        ("parameters", '{"b": {"string_value": "2"}}', '{key: "b" value {string_value: "2"}}'),
        ("default_model_filename", "net.onnx", '"net.onnx"'),
        ("dynamic_batching", "{}", {}),
        ("instance_group", "[]", []),
        ("parameters", "[]", "{}"),
    ],
)
def test_text_and_json_say_the_same(name: str, value: object, same_as: object) -> None:
    assert _changed(name, value) == _changed(name, same_as)


def test_what_is_written_wins_and_the_rest_stays() -> None:
    config = _changed("optimization", "{input_pinned_memory {enable: false}}")
    expected = parse(BASE)
    expected.optimization.input_pinned_memory.enable = False
    assert config == expected


def test_zero_and_false_are_written_too() -> None:
    assert _changed("max_batch_size", "0").max_batch_size == 0
    assert parse(BASE).max_batch_size == 4


def test_a_list_replaces_the_list() -> None:
    assert [group.count for group in _changed("instance_group", "{count: 9}").instance_group] == [9]
    assert not _changed("instance_group", "[]").instance_group
    batches = _changed("dynamic_batching", "{preferred_batch_size: [3]}").dynamic_batching
    assert list(batches.preferred_batch_size) == [3]


def test_tensors_and_samples_are_merged_by_name() -> None:
    config = _changed("input", '[{name: "z" dims: [-1]}, {name: "new" dims: [2]}]')
    assert [(i.name, i.data_type, list(i.dims)) for i in config.input] == [
        ("x", 11, [3]),
        ("z", 9, [-1]),
        ("new", 0, [2]),
    ]


def test_entries_of_a_map_are_replaced_by_key() -> None:
    config = _changed("parameters", '{"b": {"string_value": "2"}}')
    assert {key: entry.string_value for key, entry in config.parameters.items()} == {
        "a": "1",
        "b": "2",
    }
    assert not _changed("parameters", "{}").parameters


def test_of_what_excludes_each_other_the_written_stays() -> None:
    config = _changed("sequence_batching", "{max_sequence_idle_microseconds: 5}")
    assert config.WhichOneof("scheduling_choice") == "sequence_batching"


def test_the_later_change_wins() -> None:
    first = ConfigChange.of_file(b"max_batch_size: 8\ninstance_group { count: 5 }", "a")
    second = ConfigChange.of_file(b'{"max_batch_size": 0}', "b")
    changes = ConfigChanges((first, second))
    config = changes.over(parse(BASE), {})
    assert config.max_batch_size == changes.max_batch_size == 0
    assert config.instance_group[0].count == 5
    assert changes.fields == {"max_batch_size", "instance_group"}


def test_what_is_fixed_is_refused_unless_it_stays_the_same() -> None:
    fixed = {"backend": "the flavor decides"}
    assert _changed("backend", "onnxruntime", fixed) == parse(BASE)
    with pytest.raises(InvalidSettingError, match=r"^-C backend: backend can't be changed: the fl"):
        _changed("backend", "python", fixed)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("instance_group", "[{kid: 1}]", r"^-C instance_group:1:3: .*\(did you mean kind\?\)\.$"),
        ("instance_group", "[{kind: CPU}]", r":1:9: .*no value named CPU .*mean KIND_CPU\?\)"),
        ("instance_group", '[{"kid": 1}]', r"^-C instance_group: .*\(did you mean kind\?\)\.$"),
        ("instance_group", '[{"kind": "CPU"}]', r"mean KIND_CPU\?"),
        ("instance_group", "[\n{count: x}]", r":2:9: .*integer"),
        ("max_batch_size", "1.5", r"^-C max_batch_size:1:1: '1\.5': Couldn't parse integer"),
        ("max_batch_size", '1 name: "x"', "name is a setting of its own"),
        ("max_batch_size", " ", "it is empty"),
        ("response_cache", "true", r'Expected "\{"'),
    ],
)
def test_what_is_no_value_is_refused(name: str, value: str, message: str) -> None:
    with pytest.raises(InvalidSettingError, match=message) as caught:
        _changed(name, value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"max_batch_size: 8\ninstance_groop {}",
            r"^c:2:1: .*\(did you mean instance_group\?\)\.$",
        ),
        (b"# \xe9", "^c:1:3: not UTF-8"),
        (b'{"instance_groop": []}', r"^c: .*\(did you mean instance_group\?\)\.$"),
        (b"max_batch_size: 1 max_batch_size: 2", "multiple"),
    ],
)
def test_a_file_that_triton_would_not_read_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(InvalidSettingError, match=message):
        ConfigChange.of_file(content, "c")


def test_every_field_is_known() -> None:
    assert {field.name for field in ModelConfig.DESCRIPTOR.fields} == set(FIELDS)
