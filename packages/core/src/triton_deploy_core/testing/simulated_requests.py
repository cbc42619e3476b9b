"""What the simulated Triton makes of a request's options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triton_deploy_core.errors import ModelNotServedError, RequestRefusedError
from triton_deploy_core.ports.request_options import RequestOptions, SequenceStep
from triton_deploy_core.testing.simulated_model import LoadedVersion

Outputs = dict[str, NDArray[np.generic]]


def chosen_version(
    name: str, versions: Mapping[int, LoadedVersion], options: RequestOptions
) -> LoadedVersion:
    """Return the version that answers: the newest, unless another is asked for.

    Raises:
        ModelNotServedError: that one does not serve.
    """
    number = max(versions) if options.version is None else options.version
    if number not in versions:
        raise ModelNotServedError(
            f"Triton does not serve '{name}': Request for unknown model: '{name}' version "
            f"{number} is not found"
        )
    return versions[number]


def enter_sequence(name: str, loaded: LoadedVersion, step: SequenceStep | None) -> None:
    """Take a request into its sequence, where the model is configured to have sequences.

    Raises:
        RequestRefusedError: it belongs to none, or to one that did not start.
    """
    if "sequence_batching" not in loaded.config:
        return
    if step is None:
        reason = (
            f"inference request to model '{name}' must specify a non-zero or non-empty "
            "correlation ID"
        )
        raise _refused(name, reason)
    if not step.start and step.id not in loaded.sequences:
        reason = (
            f"inference request for sequence {step.id} to model '{name}' must specify the START "
            "flag on the first request of the sequence"
        )
        raise _refused(name, reason)
    loaded.sequences.add(step.id)
    if step.end:
        loaded.sequences.discard(step.id)


def is_decoupled(config: Mapping[str, Any]) -> bool:
    """Tell whether a model may answer a request any number of times."""
    return bool(config.get("model_transaction_policy", {}).get("decoupled"))


def refuse_decoupled(name: str, config: Mapping[str, Any]) -> None:
    """Refuse a request outside of a stream to a model that needs one.

    Raises:
        RequestRefusedError: it does.
    """
    if is_decoupled(config):
        raise _refused(name, "no support for models with decoupled transaction policy")


def require_outputs(name: str, known: Outputs, options: RequestOptions) -> None:
    """Check that a model has the outputs that a request asks for.

    Raises:
        RequestRefusedError: it has not.
    """
    for output in options.outputs:
        if output.name not in known:
            raise _refused(name, f"unexpected inference output '{output.name}' for model '{name}'")


def requested(loaded: LoadedVersion, outputs: Outputs, options: RequestOptions) -> Outputs:
    """Return the outputs that a request asks for, or of some the largest elements with labels."""
    if not options.outputs:
        return outputs
    labels = {tensor["name"]: _labels(loaded, tensor) for tensor in loaded.config["output"]}
    in_batches = loaded.config.get("max_batch_size", 0) > 0
    return {
        output.name: _classes(
            outputs[output.name], output.classes, labels[output.name], in_batches=in_batches
        )
        if output.classes
        else outputs[output.name]
        for output in options.outputs
    }


def rows_of(name: str, inputs: Mapping[str, NDArray[Any]], outputs: Outputs) -> Iterator[Outputs]:
    """Yield what a decoupled model answers: each row of the outputs alone.

    Raises:
        RequestRefusedError: the row's input begins with a negative number.
    """
    first = next(iter(inputs.values()))
    for row in range(first.shape[0]):
        if first[row].ravel()[0] < 0:
            raise _refused(name, "negative")
        yield {key: array[row : row + 1] for key, array in outputs.items()}


def _labels(loaded: LoadedVersion, tensor: Mapping[str, Any]) -> list[str]:
    text = loaded.files.get(tensor.get("label_filename", ""), b"")
    return text.decode().splitlines()


def _classes(
    array: NDArray[Any], count: int, labels: list[str], *, in_batches: bool
) -> NDArray[np.generic]:
    rows = array.reshape(array.shape[0], -1) if in_batches else array.reshape(1, -1)
    best = np.argsort(-rows, axis=1, kind="stable")[:, :count]
    found = np.empty(best.shape, dtype=np.object_)
    for (row, place), index in np.ndenumerate(best):
        label = f":{labels[index]}" if index < len(labels) else ""
        found[row, place] = f"{rows[row, index]:f}:{index}{label}".encode()
    return found if in_batches else found[0]


def _refused(name: str, reason: str) -> RequestRefusedError:
    return RequestRefusedError(f"Triton refused the request to '{name}': {reason}", reason=reason)
