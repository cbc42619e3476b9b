"""Dynamic and sequence batching, as Triton judges them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tritonclient.grpc import model_config_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator

_Control = pb.ModelSequenceBatching.Control
_CORRID_TYPES = {
    pb.TYPE_UINT64,
    pb.TYPE_INT64,
    pb.TYPE_UINT32,
    pb.TYPE_INT32,
    pb.TYPE_STRING,
}


def scheduling_problems(config: pb.ModelConfig) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the way requests are batched, each with its remedy."""
    choice = config.WhichOneof("scheduling_choice")
    if choice == "dynamic_batching":
        yield from _preferred_sizes(config)
        yield from _priorities(config.dynamic_batching)
    elif choice == "sequence_batching":
        yield from _controls(config.sequence_batching)


def _preferred_sizes(config: pb.ModelConfig) -> Iterator[tuple[str, str]]:
    for size in config.dynamic_batching.preferred_batch_size:
        if size <= 0:
            yield f"dynamic_batching prefers a batch of {size}", "make it positive, or leave it out"
        elif size > config.max_batch_size:
            yield (
                f"dynamic_batching prefers a batch of {size}, over max_batch_size",
                f"make it {config.max_batch_size} or less, or raise max_batch_size",
            )


def _priorities(batching: pb.ModelDynamicBatching) -> Iterator[tuple[str, str]]:
    levels = batching.priority_levels
    if not levels:
        return
    if not 1 <= batching.default_priority_level <= levels:
        yield (
            f"dynamic_batching.default_priority_level is {batching.default_priority_level}",
            f"make it one of 1 to {levels}, which priority_levels allows",
        )
    for level in sorted(batching.priority_queue_policy):
        if not 1 <= level <= levels:
            yield (
                f"dynamic_batching.priority_queue_policy is set for level {level}",
                f"make it one of 1 to {levels}, which priority_levels allows",
            )
    if levels > 1 and batching.preserve_ordering:
        yield (
            f"dynamic_batching preserves the ordering and has {levels} priority levels",
            "take preserve_ordering or priority_levels out",
        )


def _controls(batching: pb.ModelSequenceBatching) -> Iterator[tuple[str, str]]:
    seen = set()
    for number, tensor in enumerate(batching.control_input):
        where = f"sequence_batching.control_input[{number}]"
        if tensor.control and not tensor.name:
            yield f"{where} has no name", "name it as the model does"
        for control in tensor.control:
            yield from _control(control, where)
            if control.kind in seen:
                kind = _Control.Kind.Name(control.kind)
                yield f"{where} is a second {kind}", "keep one tensor for each kind of control"
            seen.add(control.kind)


def _control(control: pb.ModelSequenceBatching.Control, where: str) -> Iterator[tuple[str, str]]:
    kind = _Control.Kind.Name(control.kind)
    if control.kind == _Control.CONTROL_SEQUENCE_CORRID:
        if control.data_type not in _CORRID_TYPES:
            yield f"{where} ({kind}) has no data_type for an id", "make it TYPE_UINT64"
        return
    values = (control.int32_false_true, control.fp32_false_true, control.bool_false_true)
    lengths = [len(pair) for pair in values if pair]
    if lengths != [2]:
        yield (
            f"{where} ({kind}) has not exactly one pair of values for false and true",
            "write for example int32_false_true: [ 0, 1 ]",
        )
