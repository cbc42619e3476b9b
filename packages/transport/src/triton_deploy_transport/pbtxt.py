"""``config.pbtxt``: Triton's ModelConfig in protobuf's text format.

Importing this module imports protobuf and the classes that tritonclient generated from Triton's
``model_config.proto``, which takes a tenth of a second; nothing else of the package needs it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from triton_deploy_core.errors import InvalidPackageError
from triton_deploy_core.ports.config_format import AllVersions, Latest, Specific
from triton_deploy_transport._message_json import to_json
from triton_deploy_transport._one_line import one_line
from triton_deploy_transport._suggestions import suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

    from triton_deploy_core.ports.config_format import VersionPolicy

ModelConfig = model_config_pb2.ModelConfig
"""Triton's message ``inference.ModelConfig``."""

_MessageT = TypeVar("_MessageT", bound="Message")

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")
_PLACE = re.compile(r"^(\d+):(\d+) : ")
_FILE = "config.pbtxt"


def parse(config: bytes) -> model_config_pb2.ModelConfig:
    """Read a configuration as strictly as Triton does.

    Raises:
        InvalidPackageError: it is not UTF-8, not protobuf's text format, or has a field or a value
            that ModelConfig has not; the message names line and column.
    """
    try:
        return read_text(config, ModelConfig())
    except CannotReadError as error:
        remedy = error.remedy or "Correct the file: Triton reads it as its ModelConfig"
        link = "; " if error.remedy else ". "
        message = f"{_FILE}{error.place()}: {error.words}{link}{remedy}"
        raise InvalidPackageError(message) from None


class CannotReadError(ValueError):
    """A text is no message.

    Attributes:
        words: what is wrong, on one line.
        line: where, from 1; None where nobody knows.
        column: where in that line, from 1.
        remedy: what to do, where it is not just to correct the text.
    """

    def __init__(self, words: str, line: int | None, column: int | None, remedy: str = "") -> None:
        """Take what is wrong, and where."""
        super().__init__(words)
        self.words = words
        self.line = line
        self.column = column
        self.remedy = remedy

    def place(self, before: int = 0) -> str:
        """Return ``:line:column``, without what was put before the first line by us."""
        if self.line is None or self.column is None:
            return ""
        column = self.column - before if self.line == 1 else self.column
        return f":{self.line}:{max(column, 1)}"


def read_text(config: bytes, into: _MessageT) -> _MessageT:
    """Read protobuf's text format into a message and return it.

    Raises:
        CannotReadError: Triton could not read it.
    """
    try:
        text = config.decode("utf-8")
    except UnicodeDecodeError as error:
        place = _place(config[: error.start])
        raise CannotReadError("not UTF-8 text", *place, "save the file in that encoding") from None
    control = _CONTROL.search(text)
    if control is not None:
        # Triton's parser refuses them even in a comment, Python's lets some pass.
        place = _place(text[: control.start()].encode())
        raise CannotReadError("a control character", *place, "take it out")
    try:
        return text_format.Parse(text, into)
    except text_format.ParseError as error:
        said = _PLACE.sub("", str(error))
        words = one_line(said).rstrip(".") + suggestion(said)
        raise CannotReadError(words, error.GetLine(), error.GetColumn()) from None


def to_text(config: model_config_pb2.ModelConfig) -> bytes:
    """Write a configuration: fields in the order of their numbers, maps by key, UTF-8 as it is."""
    return text_format.MessageToString(config, as_utf8=True).encode("utf-8")


def data_type_name(number: int) -> str:
    """Return what a data type is called in a configuration: ``TYPE_FP32``."""
    return str(model_config_pb2.DataType.Name(number))


def as_json(config: model_config_pb2.ModelConfig) -> dict[str, Any]:
    """Return a configuration as Triton tells it over HTTP."""
    return to_json(config)


class PbtxtFormat:
    """``config.pbtxt`` as the core's port `ConfigFormat` wants it."""

    def version_policy(self, config: bytes) -> VersionPolicy:
        """See `ConfigFormat.version_policy`."""
        message = parse(config)
        policy = message.version_policy
        choice = policy.WhichOneof("policy_choice")
        if choice == "specific":
            return Specific(frozenset(policy.specific.versions))
        if choice == "latest":
            return Latest(policy.latest.num_versions)
        # Triton takes a policy that says nothing for all versions, and no policy for the latest.
        return AllVersions() if message.HasField("version_policy") else Latest()

    def label_files(self, config: bytes) -> frozenset[str]:
        """See `ConfigFormat.label_files`."""
        return frozenset(
            output.label_filename for output in parse(config).output if output.label_filename
        )

    def with_label_files(self, config: bytes, renamed: Mapping[str, str]) -> bytes:
        """See `ConfigFormat.with_label_files`."""
        message = parse(config)
        for output in message.output:
            if output.label_filename in renamed:
                output.label_filename = renamed[output.label_filename]
        return to_text(message)

    def with_version_policy(self, config: bytes, policy: VersionPolicy) -> bytes:
        """See `ConfigFormat.with_version_policy`."""
        message = parse(config)
        message.ClearField("version_policy")
        if isinstance(policy, AllVersions):
            message.version_policy.all.SetInParent()
        elif isinstance(policy, Specific):
            message.version_policy.specific.SetInParent()
            message.version_policy.specific.versions.extend(sorted(policy.versions))
        else:
            message.version_policy.latest.SetInParent()
            message.version_policy.latest.num_versions = policy.count
        return to_text(message)


def _place(before: bytes) -> tuple[int, int]:
    """Return line and column, in bytes and from 1, of what comes after."""
    return before.count(10) + 1, len(before) - before.rfind(10)
