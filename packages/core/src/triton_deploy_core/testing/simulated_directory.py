"""A model's directory as Triton sees it when it polls the repository."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from triton_deploy_core.errors import BlobNotFoundError, InvalidPackageError
from triton_deploy_core.package import CONFIG_FILE
from triton_deploy_core.ports.server import LoadOverride
from triton_deploy_core.ports.store import BlobStore
from triton_deploy_core.testing.config_format import parse, policy_of

# Triton takes every directory that starts with a digit for a version, and reads the number
# as C's `atoi` does. One with leading zeros it ignores with a warning.
_VERSION = re.compile(r"(?!0\d)(\d+)")

_BACKEND_OF_FILE = {"model.py": "python", "model.onnx": "onnxruntime", "model.pt": "pytorch"}


class PollFailedError(Exception):
    """Triton could not read the model's directory. Its HTTP answer does not say why."""


@dataclass(frozen=True, slots=True)
class ModelDirectory:
    """What one look at a model's directory found.

    Attributes:
        config: the configuration in force, JSON-ready.
        versions: version number → path inside the model's directory → tag of the content.
        beside: the same for all that is in no version, ``config.pbtxt`` left out.
        contents: path → bytes of an override; None where the repository holds them.
        config_tag: tag of ``config.pbtxt``.
    """

    config: Mapping[str, Any]
    versions: Mapping[int, Mapping[str, str]]
    beside: Mapping[str, str] = field(default_factory=dict)
    contents: Mapping[str, bytes] | None = None
    config_tag: str = ""

    @property
    def visible(self) -> frozenset[int]:
        """The versions that the policy in force picks."""
        return policy_of(self.config).visible(self.versions)

    @property
    def fingerprint(self) -> tuple[object, ...]:
        """Differs whenever anything in the directory was changed."""
        tags = {path: tag for files in self.versions.values() for path, tag in files.items()}
        return (self.config_tag, sorted((tags | dict(self.beside)).items()))


def read_directory(
    store: BlobStore, name: str, *, auto_complete: bool, config_name: str | None = None
) -> ModelDirectory:
    """Look at a model's directory in the repository.

    Args:
        store: the repository.
        name: the model's.
        auto_complete: whether a model without a configuration is completed.
        config_name: ``--model-config-name``: the file of that name goes before ``config.pbtxt``.

    Raises:
        PollFailedError: there is none, or its configuration is not one that Triton takes.
    """
    tags = {blob.key.removeprefix(f"{name}/"): blob.etag for blob in store.list(f"{name}/")}
    if not tags:
        raise PollFailedError("directory does not exist")
    try:
        named = f"configs/{config_name}.pbtxt"
        file = named if named in tags else CONFIG_FILE
        config = _config(store, name, file, tags, auto_complete=auto_complete)
    except (BlobNotFoundError, InvalidPackageError) as error:
        raise PollFailedError(str(error)) from error
    config_tag = tags.pop(file, "")
    versions, beside = _split(tags)
    return _checked(ModelDirectory(config, versions, beside, None, config_tag), name)


def directory_of(override: LoadOverride, name: str) -> ModelDirectory:
    """Look at a model that came with the load call, its files included.

    Raises:
        PollFailedError: its configuration is not one that Triton takes.
    """
    tags = {path: data.hex() for path, data in override.files.items()}
    versions, beside = _split(tags)
    return _checked(ModelDirectory(override.config, versions, beside, override.files), name)


def with_config(directory: ModelDirectory, config: Mapping[str, Any], name: str) -> ModelDirectory:
    """Return the directory under a configuration that came with the load call.

    Raises:
        PollFailedError: it is not one that Triton takes.
    """
    return _checked(replace(directory, config=config), name)


def _config(
    store: BlobStore, name: str, file: str, tags: Mapping[str, str], *, auto_complete: bool
) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if file in tags:
        config = parse(store.read(f"{name}/{file}").data)
    elif not auto_complete:
        raise PollFailedError(f"{CONFIG_FILE} does not exist")
    if auto_complete and not (config.get("backend") or config.get("platform")):
        # A configuration without a backend is completed like none at all (seen on Triton 2.51).
        files = {path.rpartition("/")[2] for path in tags}
        backends = [_BACKEND_OF_FILE[file] for file in sorted(files & _BACKEND_OF_FILE.keys())]
        config |= {"backend": backends[0]} if backends else {}
    return config


def _checked(directory: ModelDirectory, name: str) -> ModelDirectory:
    config = directory.config
    if config.get("name", name) != name:
        raise PollFailedError(f"model name {config['name']!r} is not the directory's name")
    if directory.versions and not (config.get("backend") or config.get("platform")):
        raise PollFailedError("the configuration names neither backend nor platform")
    try:
        policy_of(config)
    except InvalidPackageError as error:
        raise PollFailedError(str(error)) from error
    return directory


def _split(
    tags: Mapping[str, str],
) -> tuple[dict[int, dict[str, str]], dict[str, str]]:
    versions: dict[int, dict[str, str]] = {}
    beside: dict[str, str] = {}
    for path, tag in tags.items():
        directory, slash, _ = path.partition("/")
        match = _VERSION.match(directory)
        if slash and match is not None:
            versions.setdefault(int(match.group()), {})[path] = tag
        elif slash and directory.isdigit():
            continue
        else:
            beside[path] = tag
    return versions, beside
