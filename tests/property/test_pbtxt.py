"""Any configuration comes back from its text as it was, and goes over any other."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st

from triton_deploy_core.errors import InvalidPackageError
from triton_deploy_core.ports.config_format import AllVersions, Latest, Specific
from triton_deploy_transport.config_changes import ConfigChange, ConfigChanges
from triton_deploy_transport.config_check import check_config
from triton_deploy_transport.pbtxt import ModelConfig, PbtxtFormat, parse, to_text

NUMBERS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_FLOAT: st.floats(width=32, allow_nan=False),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(allow_nan=False),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_STRING: st.text(max_size=12),
}
MAX_DEPTH = 4
BY_NAME = {"input", "output", "model_warmup"}
SCHEDULING = {"dynamic_batching", "sequence_batching", "ensemble_scheduling"}
policies = st.one_of(
    st.builds(Latest, st.integers(0, 2**32 - 1)),
    st.just(AllVersions()),
    st.builds(Specific, st.frozensets(st.integers(-(2**63), 2**63 - 1), max_size=5)),
)


def value(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return fields(field.message_type, depth + 1)
    if field.enum_type is not None:
        return st.sampled_from([choice.number for choice in field.enum_type.values])
    return NUMBERS[field.cpp_type]


def is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


@st.composite
def fields(draw: st.DrawFn, message: Descriptor, depth: int = 0) -> dict[str, Any]:
    """Draw some fields of a message as the dictionary that its constructor takes."""
    drawn: dict[str, Any] = {}
    usable = [f for f in message.fields if depth < MAX_DEPTH or f.message_type is None]
    if not usable:
        return drawn
    for field in draw(st.lists(st.sampled_from(usable), max_size=4, unique_by=lambda f: f.name)):
        one_of = field.containing_oneof
        if one_of is not None and any(f.name in drawn for f in one_of.fields):
            continue
        if field.message_type is not None and is_map(field):
            entry = field.message_type.fields_by_name
            drawn[field.name] = draw(
                st.dictionaries(
                    value(entry["key"], depth), value(entry["value"], depth), max_size=2
                )
            )
        elif field.is_repeated:
            drawn[field.name] = draw(st.lists(value(field, depth), max_size=2))
        else:
            drawn[field.name] = draw(value(field, depth))
    return drawn


@st.composite
def configs(draw: st.DrawFn) -> Any:
    return build(ModelConfig(), draw(fields(ModelConfig.DESCRIPTOR)))


def build(message: Any, drawn: dict[str, Any]) -> Any:
    for name, content in drawn.items():
        field = message.DESCRIPTOR.fields_by_name[name]
        target = getattr(message, name)
        if is_map(field):
            for key, entry in content.items():
                if isinstance(entry, dict):
                    build(target[key], entry)
                else:
                    target[key] = entry
        elif field.is_repeated and field.message_type is not None:
            for entry in content:
                build(target.add(), entry)
        elif field.is_repeated:
            target.extend(content)
        elif field.message_type is not None:
            target.SetInParent()
            build(target, content)
        else:
            setattr(message, name, content)
    return message


@given(configs())
def test_text_round_trip(config: Any) -> None:
    text = to_text(config)
    assert parse(text) == config
    assert to_text(parse(text)) == text


@given(configs(), policies)
def test_a_new_policy_changes_nothing_else(config: Any, policy: Any) -> None:
    rewritten = PbtxtFormat().with_version_policy(to_text(config), policy)
    assert PbtxtFormat().version_policy(rewritten) == policy
    found = parse(rewritten)
    found.ClearField("version_policy")
    config.ClearField("version_policy")
    assert found == config


@given(configs(), st.booleans())
def test_any_config_can_be_checked(config: Any, auto_complete: bool) -> None:
    for problem in check_config(config, name="m", auto_complete=auto_complete, files=[]):
        assert str(problem).startswith("config.pbtxt: ")
        assert str(problem).isprintable()


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        parse(data)
    except InvalidPackageError as error:
        assert str(error).isprintable()  # noqa: PT017 (either way is right)


def change(config: Any) -> ConfigChanges:
    return ConfigChanges((ConfigChange.of_file(to_text(config), "it"),))


def without_lists_by_name(config: Any) -> Any:
    copied = ModelConfig()
    copied.CopyFrom(config)
    for name in BY_NAME:
        copied.ClearField(name)
    return copied


@given(configs())
def test_over_nothing_it_is_itself(config: Any) -> None:
    alone = without_lists_by_name(config)
    assert change(alone).over(ModelConfig(), {}) == alone


@given(configs(), configs())
def test_what_is_not_written_stays_and_what_is_counts(base: Any, over: Any) -> None:
    before = to_text(base)
    merged = change(over).over(base, {})
    assert to_text(base) == before
    written = {field.name for field, _ in over.ListFields()}
    excluded = SCHEDULING if SCHEDULING & written else set()
    for field in ModelConfig.DESCRIPTOR.fields:
        there, found = getattr(base, field.name), getattr(merged, field.name)
        if field.name not in written | excluded:
            assert found == there
        elif field.name in written and field.message_type is None:
            assert found == getattr(over, field.name)


@given(configs(), configs())
def test_doing_it_twice_is_doing_it_once(base: Any, over: Any) -> None:
    over = without_lists_by_name(over)
    once = change(over).over(base, {})
    assert change(over).over(once, {}) == once


@given(configs())
def test_json_says_the_same_as_text(config: Any) -> None:
    alone = without_lists_by_name(config)
    written = MessageToDict(alone, preserving_proto_field_name=True).items()
    said = tuple(ConfigChange.of_field(name, value, name) for name, value in written)
    assert ConfigChanges(said).over(ModelConfig(), {}) == alone
