"""``config.pbtxt``: Triton's ModelConfig in protobuf's text format.

Importing this module imports protobuf and the classes that tritonclient generated from Triton's
``model_config.proto``, which takes a tenth of a second; nothing else of the package needs it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from triton_deploy_core.errors import InvalidPackageError
from triton_deploy_core.ports.config_format import AllVersions, Latest, Specific
from triton_deploy_transport._one_line import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from triton_deploy_core.ports.config_format import VersionPolicy

ModelConfig = model_config_pb2.ModelConfig
"""Triton's message ``inference.ModelConfig``."""

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
        text = config.decode("utf-8")
    except UnicodeDecodeError as error:
        place = _place(config[: error.start])
        message = f"{_FILE}:{place}: not UTF-8 text; save the file in that encoding"
        raise InvalidPackageError(message) from None
    control = _CONTROL.search(text)
    if control is not None:
        # Triton's parser refuses them even in a comment, Python's lets some pass.
        place = _place(text[: control.start()].encode())
        message = f"{_FILE}:{place}: a control character; take it out"
        raise InvalidPackageError(message)
    try:
        return text_format.Parse(text, ModelConfig())
    except text_format.ParseError as error:
        raise InvalidPackageError(_explained(error)) from None


def to_text(config: model_config_pb2.ModelConfig) -> bytes:
    """Write a configuration: fields in the order of their numbers, maps by key, UTF-8 as it is."""
    return text_format.MessageToString(config, as_utf8=True).encode("utf-8")


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


def _place(before: bytes) -> str:
    """Return line and column, in bytes and from 1, of what comes after."""
    return f"{before.count(10) + 1}:{len(before) - before.rfind(10)}"


def _explained(error: text_format.ParseError) -> str:
    """Return the parser's words behind ``config.pbtxt:line:column``, on one line."""
    words = one_line(_PLACE.sub("", str(error))).rstrip(".")
    line, column = error.GetLine(), error.GetColumn()
    place = f":{line}:{column}" if line is not None and column is not None else ""
    return f"{_FILE}{place}: {words}. Correct the file: Triton reads it as its ModelConfig"
