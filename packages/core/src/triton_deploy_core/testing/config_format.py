"""`ConfigFormat` without protobuf, for tests and for `SimulatedTriton`.

The real one, which knows the whole schema, is ``triton_deploy_transport.PbtxtFormat``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from triton_deploy_core.errors import InvalidPackageError
from triton_deploy_core.ports.config_format import AllVersions, Latest, Specific, VersionPolicy
from triton_deploy_core.testing.config_text import Field, Message, Scalar, Value, Word, parse_text

_POLICY = "version_policy"
_LABELS = "label_filename"

# Source: triton-inference-server/common, protobuf/model_config.proto, message ModelConfig.
_REPEATED_AT_TOP = {
    "input", "output", "batch_input", "batch_output", "instance_group", "model_warmup",
}  # fmt: skip
_MAPS_AT_TOP = {"cc_model_filenames", "metric_tags", "parameters"}
_SINGLE_AT_TOP = {
    "name", "platform", "backend", "runtime", _POLICY, "max_batch_size", "optimization",
    "sequence_batching", "dynamic_batching", "ensemble_scheduling", "default_model_filename",
    "model_operations", "model_transaction_policy", "model_repository_agents", "response_cache",
    "model_metrics",
}  # fmt: skip
_REPEATED = _REPEATED_AT_TOP | {
    "dims", "shape", "versions", "gpus", "step", "profile", "preferred_batch_size", "accelerator",
    "secondary_devices", "source_input", "target_name", "control_input", "control", "state",
    "agents", "metric_control",
}  # fmt: skip
_MAPS = _MAPS_AT_TOP | {"input_map", "output_map", "inputs", "priority_queue_policy"}
_WORDS = {"true": True, "false": False}


class SimpleConfigFormat:
    """A `ConfigFormat` over a small parser of the text format."""

    def version_policy(self, config: bytes) -> VersionPolicy:
        """See `ConfigFormat.version_policy`."""
        return policy_of(parse(config))

    def label_files(self, config: bytes) -> frozenset[str]:
        """See `ConfigFormat.label_files`."""
        names = (str(field.value) for field in _label_fields(_checked(_decoded(config))))
        return frozenset(name for name in names if name)

    def with_label_files(self, config: bytes, renamed: Mapping[str, str]) -> bytes:
        """See `ConfigFormat.with_label_files`. All the rest is kept byte for byte."""
        text = _decoded(config)
        for field in reversed(_label_fields(_checked(text))):
            if field.value in renamed:
                written = f"{_LABELS}: {json.dumps(renamed[str(field.value)], ensure_ascii=False)} "
                text = text[: field.start] + written + text[field.end :]
        return text.encode()

    def with_version_policy(self, config: bytes, policy: VersionPolicy) -> bytes:
        """See `ConfigFormat.with_version_policy`. All the rest is kept byte for byte."""
        text = _decoded(config)
        for field in reversed(_checked(text)):
            if field.name == _POLICY:
                text = _without(text, field)
        if text and not text.endswith("\n"):
            text += "\n"
        return (text + _written(policy)).encode()


def parse(config: bytes) -> dict[str, Any]:
    """Return a ``config.pbtxt`` as JSON-ready data, as Triton's own JSON has it.

    Repeated fields are lists, maps are dicts, enum values their names. Nothing is filled in.

    Raises:
        InvalidPackageError: it is not in the text format, or Triton knows no such field.
    """
    return _as_dict(_checked(_decoded(config)))


def policy_of(config: Mapping[str, Any]) -> VersionPolicy:
    """Return the version policy in force under a parsed configuration.

    An empty ``version_policy {}`` serves every version, and ``latest {}`` none (seen on Triton
    2.51).

    Raises:
        InvalidPackageError: it is not a version policy.
    """
    if _POLICY not in config:
        return Latest()
    policy = config[_POLICY]
    if not isinstance(policy, Mapping) or len(policy) > 1:
        raise InvalidPackageError(f"config.pbtxt: {_POLICY} has not one choice; name just one")
    choice = next(iter(policy), "all")
    inner = policy.get(choice, {})
    if not isinstance(inner, Mapping):
        raise InvalidPackageError(f"config.pbtxt: {choice} in {_POLICY} is no message")
    if choice == "all":
        return AllVersions()
    if choice == "latest":
        return Latest(_whole(inner.get("num_versions", 0)))
    if choice == "specific":
        return Specific(frozenset(_whole(number) for number in inner.get("versions", ())))
    raise InvalidPackageError(f"config.pbtxt: {_POLICY} has no choice {choice!r}")


def _whole(number: object) -> int:
    if isinstance(number, bool) or not isinstance(number, (int, str)):
        raise InvalidPackageError(f"config.pbtxt: {number!r} in {_POLICY} is no whole number")
    try:
        return int(number)
    except ValueError:
        raise InvalidPackageError(
            f"config.pbtxt: {number!r} in {_POLICY} is no whole number"
        ) from None


def _decoded(config: bytes) -> str:
    try:
        return config.decode()
    except UnicodeDecodeError:
        raise InvalidPackageError("config.pbtxt is not text; write it in UTF-8") from None


def _checked(text: str) -> Message:
    message = parse_text(text)
    seen: set[str] = set()
    for field in message:
        if field.name not in _SINGLE_AT_TOP | _REPEATED_AT_TOP | _MAPS_AT_TOP:
            raise InvalidPackageError(f"config.pbtxt: Triton knows no field {field.name!r}")
        if field.name in seen & _SINGLE_AT_TOP:
            raise InvalidPackageError(f"config.pbtxt: {field.name!r} is there twice; keep one")
        seen.add(field.name)
    policy_of(_as_dict(message))
    return message


def _label_fields(message: Message) -> list[Field]:
    """Return the fields that name a label file, in the order in which they are written."""
    outputs = [item for field in message if field.name == "output" for item in _items(field.value)]
    return [
        field
        for output in outputs
        if isinstance(output, tuple)
        for field in output
        if field.name == _LABELS
    ]


def _without(text: str, field: Field) -> str:
    """Cut a field out, and its line too where nothing else stands on it."""
    line_start = text.rfind("\n", 0, field.start) + 1
    line_end = text.find("\n", field.end)
    line_end = len(text) if line_end < 0 else line_end + 1
    if text[line_start : field.start].strip() or text[field.end : line_end].strip():
        # A space, so that what stood on either side of the field does not grow together.
        return text[: field.start] + " " + text[field.end :]
    return text[:line_start] + text[line_end:]


def _written(policy: VersionPolicy) -> str:
    if isinstance(policy, AllVersions):
        return f"{_POLICY} {{ all {{ }} }}\n"
    if isinstance(policy, Latest):
        return f"{_POLICY} {{ latest {{ num_versions: {policy.count} }} }}\n"
    numbers = ", ".join(str(number) for number in sorted(policy.versions))
    return f"{_POLICY} {{ specific {{ versions: [ {numbers} ] }} }}\n"


def _as_dict(message: Message) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for field in message:
        if field.name in _MAPS:
            result.setdefault(field.name, {}).update(_entries(field.value))
        elif field.name in _REPEATED or isinstance(field.value, list):
            result.setdefault(field.name, []).extend(_plain(item) for item in _items(field.value))
        else:
            result[field.name] = _plain(field.value)
    return result


def _entries(value: Value) -> dict[str, Any]:
    entries = [_plain(item) for item in _items(value)]
    if not all(isinstance(entry, dict) for entry in entries):
        raise InvalidPackageError("config.pbtxt: an entry of a map has no key and value")
    return {str(entry.get("key", "")): entry.get("value", "") for entry in entries}


def _items(value: Value) -> list[Scalar | Message]:
    return value if isinstance(value, list) else [value]


def _plain(value: Value) -> Any:
    if isinstance(value, Word):
        return _WORDS.get(value.text, value.text)
    if isinstance(value, tuple):
        return _as_dict(value)
    return value
