"""What a request to a model may say beside its inputs: the KServe v2 protocol's and Triton's own.

Sources: https://kserve.github.io/website/latest/modelserving/data_plane/v2_protocol/ and Triton's
``docs/protocol``: ``extension_parameters.md``, ``extension_sequence.md``,
``extension_schedule_policy.md`` and ``extension_classification.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from triton_deploy_core.errors import InvalidOptionsError

Parameter: TypeAlias = bool | int | float | str
"""A value that a model may be given as a parameter of a request."""

RESERVED_PARAMETERS = frozenset(
    {"sequence_id", "sequence_start", "sequence_end", "priority", "timeout", "binary_data_output"}
)
"""Names that Triton does not hand on to the model; nor any that begins with `RESERVED_PREFIX`."""
RESERVED_PREFIX = "triton_"

_INT64 = range(-(1 << 63), 1 << 63)
_MAX_INT64 = (1 << 63) - 1
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class SequenceStep:
    """The place of a request in a sequence: requests that go to the same instance, in order.

    Attributes:
        id: which sequence: an integer from 1 to 2^63 - 1 (what both protocols carry), or a text.
        start: whether it is the first request of its sequence.
        end: whether it is the last.
    """

    id: int | str
    start: bool = False
    end: bool = False


@dataclass(frozen=True, slots=True)
class RequestedOutput:
    """An output that a request asks for.

    Attributes:
        name: the output's.
        classes: above zero, not the tensor but its so many largest elements, of each row where the
            model takes batches: BYTES ``value:index:label``, the label where the model has any.
    """

    name: str
    classes: int = 0


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """What a request says beside its inputs. Every field may be left out.

    Attributes:
        version: which version answers; the server's choice if None.
        request_id: shows in the server's logs and traces.
        parameters: what the model itself is told; none of the reserved names.
        sequence: where the request belongs in a sequence.
        priority: for the queue of the model's dynamic batcher: 1 is the highest, 0 the default.
        queue_timeout: seconds that the request may wait in that queue.
        outputs: what to answer with; every output if there is none.

    Raises:
        InvalidOptionsError: a value that no server takes; the message lists all of them.
    """

    version: int | None = None
    request_id: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    sequence: SequenceStep | None = None
    priority: int | None = None
    queue_timeout: float | None = None
    outputs: tuple[RequestedOutput, ...] = ()

    def __post_init__(self) -> None:
        problems = tuple(self._problems())
        if problems:
            message = f"the request can't be made: {'; '.join(problems)}"
            raise InvalidOptionsError(message, problems=problems)

    @property
    def classified(self) -> tuple[str, ...]:
        """The outputs of which classes are asked for, not the tensor."""
        return tuple(output.name for output in self.outputs if output.classes)

    def scheduling(self) -> dict[str, bool | int | str]:
        """Return what is said to Triton's schedulers, by the names that both protocols have.

        ``timeout`` is in microseconds.
        """
        parameters: dict[str, bool | int | str] = {}
        if self.sequence is not None:
            parameters["sequence_id"] = self.sequence.id
            parameters["sequence_start"] = self.sequence.start
            parameters["sequence_end"] = self.sequence.end
        if self.priority is not None:
            parameters["priority"] = self.priority
        if self.queue_timeout is not None:
            parameters["timeout"] = round(self.queue_timeout * _MICROSECONDS)
        return parameters

    def _problems(self) -> Iterator[str]:
        if self.version is not None and self.version < 1:
            yield f"version is {self.version}: versions are positive numbers"
        if self.sequence is not None:
            yield from _sequence_problems(self.sequence)
        if self.priority is not None and not 0 <= self.priority <= _MAX_INT64:
            yield f"priority is {self.priority}: 1 is the highest, 0 the model's default"
        timeout = self.queue_timeout
        if timeout is not None and not 0 <= timeout * _MICROSECONDS <= _MAX_INT64:
            yield f"the time-out in the queue is {timeout}: give seconds"
        for name, value in self.parameters.items():
            yield from _parameter_problems(name, value)
        names = [output.name for output in self.outputs]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"output {name!r} is asked for more than once"
        for output in self.outputs:
            if output.classes < 0:
                yield f"output {output.name!r} with {output.classes} classes"


NO_OPTIONS = RequestOptions()
"""Only inputs: every output of the version that the server chooses."""


def _sequence_problems(sequence: SequenceStep) -> Iterator[str]:
    if isinstance(sequence.id, str):
        if not sequence.id:
            yield "the sequence's id is an empty text"
    elif not 1 <= sequence.id <= _MAX_INT64:
        yield f"the sequence's id is {sequence.id}: give one from 1 to {_MAX_INT64}, or a text"


def _parameter_problems(name: str, value: Parameter) -> Iterator[str]:
    if not name:
        yield "a parameter has no name"
    elif name in RESERVED_PARAMETERS or name.startswith(RESERVED_PREFIX):
        yield f"parameter {name!r} has a name that is reserved for Triton itself"
    elif isinstance(value, int) and value not in _INT64:
        yield f"parameter {name!r} is {value}, which has no 64 bits"
    elif isinstance(value, float) and not abs(value) < float("inf"):
        yield f"parameter {name!r} is {value}, which JSON has not"
