"""Changes to a model configuration: any of its fields, merged over a configuration that there is.

What is written wins, field by field:

- A number, a text or a switch replaces what was there; 0, "" and false count as written.
- A message (``optimization``, ``dynamic_batching``) is merged by these same rules. Of several that
  exclude each other (``dynamic_batching``, ``sequence_batching``) the one that is written stays.
- An entry of a map (``parameters``) replaces the one of its key; the others stay.
- An ``input``, ``output`` or ``model_warmup`` is merged into the one of its name; one of a new name
  is added.
- Any other list (``instance_group``, ``dims``) replaces the whole list: protobuf's own merging
  would add to it, and a second instance group is not what somebody means who writes one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, MutableMapping, MutableSequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format
from tritonclient.grpc import model_config_pb2

from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_transport._one_line import one_line
from triton_deploy_transport._suggestions import suggestion
from triton_deploy_transport._written_fields import WrittenFields
from triton_deploy_transport.pbtxt import CannotReadError, read_text

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from triton_deploy_transport.pbtxt import ModelConfig

FIELDS: tuple[str, ...] = tuple(field.name for field in WrittenFields.DESCRIPTOR.fields)
"""Every field of Triton's model configuration."""

_TEXTS = frozenset(field.name for field in WrittenFields.DESCRIPTOR.fields if field.type == 9)  # noqa: PLR2004 (TYPE_STRING)
_BATCH = "max_batch_size"
_BY_NAME = frozenset(
    message.DESCRIPTOR.full_name
    for message in (
        model_config_pb2.ModelInput,
        model_config_pb2.ModelOutput,
        model_config_pb2.ModelWarmup,
    )
)


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """What one file or one setting says.

    Attributes:
        source: where it was written, for messages.
        written: its fields.
        emptied: the lists that it says are to be empty.
    """

    source: str
    written: Message
    emptied: frozenset[str] = frozenset()

    @property
    def fields(self) -> frozenset[str]:
        """The top-level fields that it says anything of."""
        return self.emptied | {field.name for field, _ in self.written.ListFields()}

    @classmethod
    def of_file(cls, content: bytes, source: str) -> ConfigChange:
        """Read a part of a ``config.pbtxt``, in protobuf's text format or as JSON.

        Raises:
            InvalidSettingError: it is neither, or has a field or a value that Triton does not
                know; the message is one line, with line and column where it is text.
        """
        document = _json(content.decode("utf-8", errors="replace"))
        if isinstance(document, dict):
            return cls(source, _of_json(document, source))
        return cls(source, _of_text(content, source))

    @classmethod
    def of_field(cls, name: str, value: object, source: str) -> ConfigChange:
        """Read one top-level field.

        Args:
            name: the field, one of `FIELDS`.
            value: what would stand behind its name in ``config.pbtxt``, or JSON; for a field
                that holds a text, that text. What is no text is taken as JSON's own values.
            source: where it was written, for messages.

        Raises:
            InvalidSettingError: it is not a value of that field.
        """
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        if not text.strip():
            raise InvalidSettingError(
                f"{source}: it is empty. Give a value, or leave the setting out."
            )
        if name in _TEXTS and text.strip()[0] not in "\"'":
            text = json.dumps(text, ensure_ascii=False)
        document = _json(text)
        # An empty list is the same in both, but JSON has none for a map.
        if (document and isinstance(document, list)) or isinstance(document, dict):
            written = _of_json({name: _as_list(name, document)}, source)
        else:
            written = _of_text(text.encode(), source, field=name)
        given = {field.name for field, _ in written.ListFields()}
        if given - {name}:
            other = min(given - {name})
            raise InvalidSettingError(f"{source}: {other} is a setting of its own; give it so.")
        return cls(source, written, frozenset({name} - given))


@dataclass(frozen=True, slots=True)
class ConfigChanges:
    """Changes in the order in which they are made: of two that say the same, the later wins."""

    changes: tuple[ConfigChange, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self.changes)

    @property
    def fields(self) -> frozenset[str]:
        """The top-level fields that they say anything of."""
        return frozenset().union(*(change.fields for change in self.changes))

    @property
    def max_batch_size(self) -> int | None:
        """What they say of ``max_batch_size``, None where they say nothing."""
        said = [getattr(c.written, _BATCH) for c in self.changes if _BATCH in c.fields]
        return int(said[-1]) if said else None

    def then(self, more: Iterable[ConfigChange]) -> ConfigChanges:
        """Return these changes and more after them."""
        return ConfigChanges((*self.changes, *more))

    def over(self, config: ModelConfig, fixed: Mapping[str, str]) -> ModelConfig:
        """Return a configuration with the changes made; the one that is given stays as it is.

        Args:
            config: what there is.
            fixed: fields that can't be changed, each with the reason.

        Raises:
            InvalidSettingError: such a field would become another.
        """
        changed = model_config_pb2.ModelConfig()
        changed.CopyFrom(config)
        for change in self.changes:
            for name in change.emptied:
                changed.ClearField(name)
            _merge(changed, change.written)
            for name, reason in fixed.items():
                if name in change.fields and getattr(changed, name) != getattr(config, name):
                    raise InvalidSettingError(
                        f"{change.source}: {name} can't be changed: {reason}. Leave it out."
                    )
        return changed


def _merge(target: Message, given: Message) -> None:
    for field, value in given.ListFields():
        there = getattr(target, field.name)
        if isinstance(value, MutableMapping):
            _merge_map(there, value)
        elif isinstance(value, MutableSequence):
            by_name = field.message_type is not None and field.message_type.full_name in _BY_NAME
            (_merge_by_name if by_name else _replace)(there, value)
        elif field.message_type is not None:
            there.SetInParent()
            _merge(there, value)
        else:
            setattr(target, field.name, value)


def _merge_map(there: MutableMapping[Any, Any], given: Mapping[Any, Any]) -> None:
    for key, value in given.items():
        if hasattr(value, "SerializeToString"):
            _copy(value, there[key])
        else:
            there[key] = value


def _merge_by_name(there: Any, given: Iterable[Any]) -> None:
    for entry in given:
        same = [old for old in there if entry.name and old.name == entry.name]
        _merge(same[0] if same else there.add(), entry)


def _replace(there: Any, given: Iterable[Any]) -> None:
    del there[:]
    for value in given:
        if hasattr(value, "SerializeToString"):
            _copy(value, there.add())
        else:
            there.append(value)


def _copy(written: Message, target: Message) -> None:
    target.ParseFromString(written.SerializeToString())


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _as_list(name: str, document: Any) -> Any:
    """Return one entry of a list as a list of one, as the text format takes it too."""
    empty = getattr(model_config_pb2.ModelConfig(), name)
    is_list = isinstance(empty, MutableSequence)
    return [document] if is_list and isinstance(document, dict) else document


def _of_json(document: dict[str, Any], source: str) -> Message:
    written = WrittenFields()
    try:
        json_format.ParseDict(document, written)
    except json_format.ParseError as error:
        said = str(error).splitlines()[0]
        words = one_line(said).rstrip(". ")
        raise InvalidSettingError(f"{source}: {words}{suggestion(said)}.") from None
    return written


def _of_text(content: bytes, source: str, field: str = "") -> Message:
    before = f"{field}: " if field else ""
    try:
        return read_text(before.encode() + content, WrittenFields())
    except CannotReadError as error:
        place = error.place(len(before))
        words = error.words.replace(f"'{before}", "'", 1) if before else error.words
        raise InvalidSettingError(f"{source}{place}: {words}.") from None
