"""What a user writes of a model's configuration: files and single fields."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from triton_deploy_core.errors import InvalidSettingError

if TYPE_CHECKING:
    from triton_deploy_transport.config_changes import ConfigChange, ConfigChanges

CONFIG_KEY = "config"
NAMED_PREFIX = f"{CONFIG_KEY}."

_SWITCHED = "dynamic_batching"
_BATCH = "max_batch_size"
_OURS = frozenset({_BATCH, _SWITCHED})
"""Fields that are settings too, since a generated configuration depends on them."""


@dataclass(frozen=True, slots=True)
class WrittenConfig:
    """It, not yet read.

    Attributes:
        path: a file to merge over the configuration.
        fields: field of ModelConfig → value, as text or as JSON's own values.
        named: name → file for ``configs/<name>.pbtxt``.
    """

    path: str | None = None
    fields: Mapping[str, object] = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Tell whether anything was written."""
        return bool(self.path is not None or self.fields or self.named)

    def changes(self, *, max_batch_size: int | None = None) -> ConfigChanges:
        """Read the file and the fields; fields go before the file.

        Args:
            max_batch_size: the setting of that name, which goes before the file too.

        Raises:
            InvalidSettingError: one of them can't be read.
        """
        from triton_deploy_transport.config_changes import (  # noqa: PLC0415 (imports protobuf)
            ConfigChange,
            ConfigChanges,
        )

        files = [] if self.path is None else [_read(self.path, f"-C {CONFIG_KEY}={self.path}")]
        fields = (ConfigChange.of_field(*item, f"-C {item[0]}") for item in self.fields.items())
        changes = ConfigChanges().then([*files, *fields])
        if max_batch_size is None or changes.max_batch_size is None:
            return changes
        return changes.then([ConfigChange.of_field(_BATCH, max_batch_size, f"-C {_BATCH}")])

    def named_changes(self) -> dict[str, ConfigChange]:
        """Read the files for kinds of hardware: name → what it says.

        Raises:
            InvalidSettingError: one of them can't be read.
        """
        return {
            name: _read(path, f"-C {NAMED_PREFIX}{name}={path}")
            for name, path in self.named.items()
        }


def fields_of_config() -> tuple[str, ...]:
    """Return every field of Triton's model configuration."""
    from triton_deploy_transport.config_changes import FIELDS  # noqa: PLC0415 (imports protobuf)

    return FIELDS


def split_config(
    given: Mapping[str, object], *, flavors: Collection[str] = ()
) -> tuple[dict[str, object], WrittenConfig]:
    """Part settings of ours from what is Triton's.

    Args:
        given: what was given as ``-C``.
        flavors: settings of flavors, which go before fields of the same name.

    Returns:
        What is left for `settings`, and what a user writes of the configuration.

    Raises:
        InvalidSettingError: a configuration for hardware has no proper name.
    """
    known = frozenset(fields_of_config()) - _OURS - frozenset(flavors)
    ours: dict[str, object] = {}
    fields: dict[str, object] = {}
    named: dict[str, str] = {}
    for key, value in given.items():
        if value is None:
            continue
        if key.startswith(NAMED_PREFIX):
            named[_name(key)] = str(value)
        elif key in known or (key == _SWITCHED and _is_message(value)):
            fields[key] = value
        else:
            ours[key] = value
    path = ours.pop(CONFIG_KEY, None)
    return ours, WrittenConfig(None if path is None else str(path), fields, named)


def _is_message(value: object) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, str) and value.lstrip()[:1] == "{")


def _name(key: str) -> str:
    from triton_deploy_core.names import DeploymentName  # noqa: PLC0415

    name = key.removeprefix(NAMED_PREFIX)
    if not DeploymentName.is_valid(name):
        raise InvalidSettingError(
            f"-C {key!r}: {name!r} is no name for --model-config-name. Use letters, digits and "
            "._~- alone."
        )
    return name


def _read(path: str, source: str) -> ConfigChange:
    from triton_deploy_transport.config_changes import (  # noqa: PLC0415 (imports protobuf)
        ConfigChange,
    )

    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidSettingError(
            f"{source}: the file can't be read: {reason}. It has to be a file on this machine, "
            "with any part of a config.pbtxt."
        ) from None
    return ConfigChange.of_file(content, source)
