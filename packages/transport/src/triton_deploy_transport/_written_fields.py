"""Triton's ModelConfig with every field's presence kept: what somebody wrote, and nothing else.

In the message itself a number that is 0 and one that nobody wrote are the same. Changes to a
configuration have to tell them apart: ``enable: false`` over one that says true is a change. So
they are read into the same message built anew from its own descriptor, with proto2's rules.
"""

from __future__ import annotations

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from tritonclient.grpc import model_config_pb2

_NAME = model_config_pb2.ModelConfig.DESCRIPTOR.full_name


def _built() -> type[Message]:
    file = descriptor_pb2.FileDescriptorProto()
    model_config_pb2.DESCRIPTOR.CopyToProto(file)
    file.syntax = "proto2"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(_NAME))


WrittenFields = _built()
"""A ModelConfig whose ``ListFields`` names just the fields that were written, zeros too."""
