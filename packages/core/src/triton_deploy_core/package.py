"""A model as Triton wants it, before anybody has put it anywhere.

A *flavor* makes a package from a model; nothing past that point knows where it came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from triton_deploy_core import layout
from triton_deploy_core.errors import InvalidPackageError
from triton_deploy_core.ports.store import Content, LocalFile, Source

CONFIG_FILE = "config.pbtxt"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a model came from.

    Attributes:
        model_uri: as the user wrote it, without secrets.
        flavor: the flavor that made the package.
        registry_version: the registry's version number, where there is one. It is not Triton's.
    """

    model_uri: str
    flavor: str
    registry_version: int | None = None


@dataclass(frozen=True, slots=True)
class VersionPackage:
    """One version of a model, whose number and place the deployment chooses.

    Attributes:
        origin: where the model came from.
        files: path inside the version directory → source.
        config: ``config.pbtxt``, or None to leave it to the server's auto-complete.
        config_is_verbatim: the user wrote `config`: it is deployed byte for byte.
        beside: path inside the model's directory, outside any version (labels, configurations for
            kinds of hardware) → source. Such a configuration is given the version policy of
            `config` unless that is the user's.
    """

    origin: Origin
    files: Mapping[str, Source]
    config: bytes | None
    config_is_verbatim: bool = False
    beside: Mapping[str, Source] = field(default_factory=dict)

    def named_configs(self) -> dict[str, bytes]:
        """Return the configurations for kinds of hardware: path → content.

        Raises:
            InvalidPackageError: one can't be read on this machine.
        """
        return _named_configs(self.beside, self.origin)


@dataclass(frozen=True, slots=True)
class TreePackage:
    """A whole model directory that its user laid out: deployed as it is.

    Attributes:
        origin: where the model came from.
        files: path inside the model's directory → source. An empty version directory is a
            directory marker: ``1/`` with ``Content(b"")``.
    """

    origin: Origin
    files: Mapping[str, Source]

    def config(self) -> bytes | None:
        """Return the content of ``config.pbtxt``, None where the tree has none.

        Raises:
            InvalidPackageError: the file can't be read on this machine.
        """
        source = self.files.get(CONFIG_FILE)
        return None if source is None else _at_hand(source, CONFIG_FILE, self.origin)

    def named_configs(self) -> dict[str, bytes]:
        """Return the configurations for kinds of hardware: path → content.

        Raises:
            InvalidPackageError: one can't be read on this machine.
        """
        return _named_configs(self.files, self.origin)


def _named_configs(files: Mapping[str, Source], origin: Origin) -> dict[str, bytes]:
    return {
        path: _at_hand(files[path], path, origin)
        for path in sorted(files)
        if layout.is_named_config(path)
    }


def _at_hand(source: Source, path: str, origin: Origin) -> bytes:
    match source:
        case Content(data):
            return data
        case LocalFile(file):
            try:
                return file.read_bytes()
            except OSError as error:
                raise InvalidPackageError(
                    f"{file} can't be read: {error.strerror}. Check its permissions."
                ) from error
        case _:
            raise InvalidPackageError(
                f"{path} of {origin.model_uri} is not at hand: a package's "
                "configuration has to be content or a local file."
            )


ModelPackage: TypeAlias = VersionPackage | TreePackage
