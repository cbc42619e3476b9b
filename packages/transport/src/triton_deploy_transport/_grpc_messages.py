"""The messages of Triton's gRPC service, to and from the port's values.

Source: https://github.com/triton-inference-server/common, ``protobuf/grpc_service.proto``.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from tritonclient.grpc import service_pb2 as pb

from triton_deploy_core.datatypes import datatype_of
from triton_deploy_core.ports.model_server import ModelMetadata, TensorSpec
from triton_deploy_core.ports.server import IndexEntry, ModelState, VersionStatistics
from triton_deploy_transport._infer_request import NO_PLACES
from triton_deploy_transport._one_line import without_traceback
from triton_deploy_transport._tensor_bytes import copied, decoded, encoded, from_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from triton_deploy_core.ports.request_options import Parameter, RequestOptions
    from triton_deploy_core.ports.server import LoadOverride
    from triton_deploy_transport._infer_request import InferRequest, Place, Places

    # Name, data type, shape, and where the bytes are, if they do not follow.
    _Described = tuple[str, str, tuple[int, ...], Place | None]

_RAW_CONTENTS_TAG = bytes([pb.ModelInferRequest.RAW_INPUT_CONTENTS_FIELD_NUMBER << 3 | 2])
_FINAL = "triton_final_response"
# Elements that are not raw, by data type; FP16 and BF16 are always raw.
_CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def index_entries(answer: Any) -> tuple[IndexEntry, ...]:
    """Read the repository index.

    Raises:
        ValueError: a state or a version is none.
    """
    return tuple(
        IndexEntry(
            name=row.name,
            version=int(row.version) if row.version else None,
            state=ModelState(row.state or "UNKNOWN"),
            reason=without_traceback(row.reason),
        )
        for row in answer.models
    )


def model_metadata(answer: Any) -> ModelMetadata:
    """Read a model's metadata.

    Raises:
        ValueError: a version is none.
    """
    return ModelMetadata(
        name=answer.name,
        versions=tuple(sorted(int(version) for version in answer.versions)),
        platform=answer.platform,
        inputs=_tensor_specs(answer.inputs),
        outputs=_tensor_specs(answer.outputs),
    )


def version_statistics(answer: Any) -> tuple[VersionStatistics, ...]:
    """Read the statistics of the versions of one model or of many, ascending.

    Raises:
        ValueError: a version is none.
    """
    rows = (_statistics(row) for row in answer.model_stats)
    return tuple(sorted(rows, key=lambda row: (row.name, row.version)))


def load_request(name: str, override: LoadOverride | None) -> bytes:
    """Write the request that loads a model, with the model itself where it comes along.

    Raises:
        MessageTooLargeError: protobuf can't hold so much.
    """
    request = pb.RepositoryModelLoadRequest(model_name=name)
    if override is not None:
        size = sum(len(content) for content in override.files.values())
        _require_size(size)
        request.parameters["config"].string_param = json.dumps(dict(override.config))
        for path, content in override.files.items():
            request.parameters[f"file:{path}"].bytes_param = bytes(content)
    return bytes(request.SerializeToString())


def infer_request(request: InferRequest, *, in_stream: bool = False) -> bytes:
    """Write an inference request with raw tensors.

    In a stream it asks for a last answer that says so, though it be empty.

    Raises:
        InvalidInputError: an array's dtype has no counterpart in the protocol.
        MessageTooLargeError: protobuf can't hold so much.
    """
    described: list[_Described] = []
    pieces: list[bytes | memoryview] = [b""]
    for name, array in request.inputs.items():
        place = request.input_places.get(name)
        if place is not None:
            described.append((name, datatype_of(array), array.shape, place))
            continue
        datatype, data = encoded(name, array)
        described.append((name, datatype, array.shape, None))
        # By hand, since protobuf would copy each tensor twice.
        pieces += [_RAW_CONTENTS_TAG, _varint(len(data)), data]
    if request.options is None and not request.input_places and not in_stream:
        pieces[0] = _plain_head(request.name, tuple(described))
    else:
        head = _head(request.name, described)
        if request.options is not None:
            _set_options(head, request.options, request.output_places)
        if in_stream:
            head.parameters["triton_enable_empty_final_response"].bool_param = True
        pieces[0] = head.SerializeToString()
    _require_size(sum(map(len, pieces)))
    return b"".join(pieces)


# Requests come in series of the same shapes: what they have in common is made once.
@lru_cache(maxsize=256)
def _plain_head(model: str, described: tuple[_Described, ...]) -> bytes:
    return bytes(_head(model, described).SerializeToString())


def _head(model: str, described: Sequence[_Described]) -> Any:
    head = pb.ModelInferRequest(model_name=model)
    for name, datatype, shape, place in described:
        tensor = head.inputs.add(name=name, datatype=datatype, shape=shape)
        if place is not None:
            _set_parameters(tensor, place.parameters())
    return head


def outputs(answer: Any, places: Places = NO_PLACES) -> dict[str, NDArray[np.generic]]:
    """Read the outputs of an inference, as arrays that may be written to.

    Args:
        answer: the message.
        places: where the server wrote outputs instead, which are copied from there.

    Raises:
        ValueError, KeyError: the tensors are not what they are said to be.
    """
    if not answer.raw_output_contents:
        return {output.name: _without_raw(output, places) for output in answer.outputs}
    found = {}
    for output, data in zip(answer.outputs, answer.raw_output_contents, strict=True):
        name = output.name
        if name in places:
            found[name] = _placed(output, places)
        else:
            found[name] = decoded(memoryview(bytearray(data)), output.datatype, tuple(output.shape))
    return found


def is_final(answer: Any) -> bool | None:
    """Tell whether an answer of a stream is its last; None where it does not say."""
    if _FINAL not in answer.parameters:
        return None
    return bool(answer.parameters[_FINAL].bool_param)


class MessageTooLargeError(ValueError):
    """A request over the limit of protobuf: the argument is the bytes that it has."""


MAX_MESSAGE_BYTES = (1 << 31) - 1
"""What a message of protobuf, and so of gRPC, can have at most."""
_ROOM = 1 << 20  # for what is not content: names, a configuration


def _placed(output: Any, places: Places) -> NDArray[np.generic]:
    return copied(places[output.name].memory, output.datatype, tuple(output.shape))


def _without_raw(output: Any, places: Places) -> NDArray[np.generic]:
    if output.name in places:
        return _placed(output, places)
    values = getattr(output.contents, _CONTENTS[output.datatype])
    return from_values(values, output.datatype, tuple(output.shape))


def _set_options(request: Any, options: RequestOptions, places: Places) -> None:
    request.id = options.request_id
    if options.version is not None:
        request.model_version = str(options.version)
    _set_parameters(request, {**options.parameters, **options.scheduling()})
    for output in options.outputs:
        asked = request.outputs.add(name=output.name)
        if output.name in places:
            _set_parameters(asked, places[output.name].parameters())
        elif output.classes:
            asked.parameters["classification"].int64_param = output.classes


def _set_parameters(message: Any, parameters: Mapping[str, Parameter]) -> None:
    for key, value in parameters.items():
        setattr(message.parameters[key], _parameter_field(value), value)


def _parameter_field(value: Parameter) -> str:
    if isinstance(value, bool):
        return "bool_param"
    if isinstance(value, int):
        return "int64_param"
    return "double_param" if isinstance(value, float) else "string_param"


def _require_size(size: int) -> None:
    if size > MAX_MESSAGE_BYTES - _ROOM:
        raise MessageTooLargeError(size)


def _varint(value: int) -> bytes:
    encoding = bytearray()
    while rest := value >> 7:
        encoding.append(value & 0x7F | 0x80)
        value = rest
    encoding.append(value)
    return bytes(encoding)


def _tensor_specs(rows: Iterable[Any]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(row.name, row.datatype, tuple(row.shape)) for row in rows)


def _statistics(row: Any) -> VersionStatistics:
    stats = row.inference_stats
    parts = (stats.compute_input, stats.compute_infer, stats.compute_output)
    return VersionStatistics(
        name=row.name,
        version=int(row.version),
        inference_count=row.inference_count,
        execution_count=row.execution_count,
        success_count=stats.success.count,
        fail_count=stats.fail.count,
        queue_ns=stats.queue.ns,
        compute_ns=sum(part.ns for part in parts),
    )
