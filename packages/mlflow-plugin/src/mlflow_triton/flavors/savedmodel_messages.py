"""The messages of a ``saved_model.pb`` that say what a model takes and gives, and no others.

Source: ``tensorflow/core/protobuf/saved_model.proto`` and ``meta_graph.proto``,
``tensorflow/core/framework/tensor_shape.proto`` and ``types.proto`` of tensorflow/tensorflow. They
are in a pool of their own, so that TensorFlow may be there too.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_PACKAGE = "tensorflow"
_TEXT, _INT64, _INT32, _BOOL = (
    FieldDescriptorProto.TYPE_STRING,
    FieldDescriptorProto.TYPE_INT64,
    FieldDescriptorProto.TYPE_INT32,
    FieldDescriptorProto.TYPE_BOOL,
)
_MANY = FieldDescriptorProto.LABEL_REPEATED

TYPES: Mapping[int, str] = MappingProxyType(
    {
        1: "TYPE_FP32",
        2: "TYPE_FP64",
        3: "TYPE_INT32",
        4: "TYPE_UINT8",
        5: "TYPE_INT16",
        6: "TYPE_INT8",
        7: "TYPE_STRING",
        9: "TYPE_INT64",
        10: "TYPE_BOOL",
        17: "TYPE_UINT16",
        19: "TYPE_FP16",
        22: "TYPE_UINT32",
        23: "TYPE_UINT64",
    }
)
"""``DataType`` → what Triton's backend takes (its ``src/tensorflow_backend_tf.cc``)."""


def _message(called: str, /, **fields: tuple[int, Any] | tuple[int, Any, bool]) -> DescriptorProto:
    """Return a message: field's name → number, type (a message's name or a scalar), repeated."""
    message = DescriptorProto(name=called)
    for field, (number, kind, *repeated) in fields.items():
        entry = message.field.add(name=field, number=number)
        entry.label = _MANY if repeated else FieldDescriptorProto.LABEL_OPTIONAL
        if isinstance(kind, str):
            entry.type = FieldDescriptorProto.TYPE_MESSAGE
            entry.type_name = f".{_PACKAGE}.{kind}"
        else:
            entry.type = kind
    return message


def _file() -> FileDescriptorProto:
    # A map is written as a list of entries, each a key and a value.
    messages = (
        _message("Dim", size=(1, _INT64)),
        _message("Shape", dim=(2, "Dim", True), unknown_rank=(3, _BOOL)),
        _message("TensorInfo", name=(1, _TEXT), dtype=(2, _INT32), tensor_shape=(3, "Shape")),
        _message("TensorEntry", key=(1, _TEXT), value=(2, "TensorInfo")),
        _message("SignatureDef", inputs=(1, "TensorEntry", True), outputs=(2, "TensorEntry", True)),
        _message("SignatureEntry", key=(1, _TEXT), value=(2, "SignatureDef")),
        _message("MetaInfo", tags=(4, _TEXT, True)),
        _message(
            "MetaGraph", meta_info_def=(1, "MetaInfo"), signature_def=(5, "SignatureEntry", True)
        ),
        _message("SavedModel", meta_graphs=(2, "MetaGraph", True)),
    )
    return FileDescriptorProto(
        name="saved_model_signatures.proto",
        package=_PACKAGE,
        syntax="proto3",
        message_type=messages,
    )


_POOL = DescriptorPool()
_POOL.Add(_file())

SavedModel: Any = GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.SavedModel"))
"""The class of the whole message."""
