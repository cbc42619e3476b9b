"""Predictions: inputs as users give them, outputs as NVIDIA's plugin returns them."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlflow_triton.predict_batches import infer_in_batches
from mlflow_triton.predict_inputs import Input, to_inputs
from mlflow_triton.predict_outputs import to_frame
from mlflow_triton.predict_params import to_options, without_params
from mlflow_triton.predict_signature import ModelSignature
from mlflow_triton.predict_text_forms import from_text
from triton_deploy_core.errors import (
    InvalidInputError,
    InvalidRequestError,
    ModelNotServedError,
    RequestRefusedError,
)
from triton_deploy_core.names import DeploymentName

if TYPE_CHECKING:
    from pandas import DataFrame

    from triton_deploy_core.ports.model_server import ModelServer
    from triton_deploy_core.ports.request_options import RequestOptions


class Predictor:
    """Predictions with the models of one server, or of several. Safe for several threads.

    A model is asked once what it takes. That it was updated since, perhaps by somebody else, shows
    when inputs do not fit or are refused: it is then asked again, and where the answer is
    another one, so is the prediction.
    """

    def __init__(self, server: ModelServer) -> None:
        self._server = server
        self._signatures: dict[str, ModelSignature] = {}

    def predict(
        self,
        name: str | None,
        inputs: object,
        *,
        timeout: float,
        params: Mapping[str, Any] | None = None,
    ) -> DataFrame:
        """Run a deployment on inputs and return its outputs, one a row.

        Args:
            name: the deployment.
            inputs: see `predict_forms`; of any number of rows.
            timeout: seconds that one request may take.
            params: see `predict_params`; they go before those that stand beside the inputs.

        Raises:
            InvalidInputError: inputs or params are not what the model takes.
            InvalidRequestError: the model may answer more than once.
            ModelNotServedError: the server does not serve that name.
            RequestRefusedError: the model failed on the inputs.
        """
        parsed = str(DeploymentName(name or ""))
        given = _Given(inputs, params or {}, timeout)
        known = self._signatures.get(parsed)
        if known is None:
            return self._run(self._ask(parsed), given)
        try:
            return self._run(known, given, may_be_old=True)
        except (InvalidRequestError, RequestRefusedError):
            signature = self._ask(parsed)
            if signature == known:
                raise
        except ModelNotServedError:
            self._signatures.pop(parsed, None)
            raise
        return self._run(signature, given)

    def predict_stream(
        self,
        name: str | None,
        inputs: object,
        *,
        timeout: float,
        params: Mapping[str, Any] | None = None,
    ) -> Generator[DataFrame, None, None]:
        """Run a deployment on inputs and yield its answers as they come.

        Args:
            name: the deployment.
            inputs: see `predict_forms`; at most as many rows as the model takes at once.
            timeout: seconds until the first answer, from one to the next, and to the end.
            params: see `predict_params`; they go before those that stand beside the inputs.

        Raises:
            InvalidInputError: inputs or params are not what the model takes.
            InvalidRequestError: the server is spoken to by a protocol without streams.
            ModelNotServedError: the server does not serve that name.
            RequestRefusedError: the model failed, perhaps after some answers.
        """
        parsed = str(DeploymentName(name or ""))
        given = _Given(inputs, params or {}, timeout)
        known = self._signatures.get(parsed)
        signature = self._ask(parsed) if known is None else known
        answered = False
        try:
            with closing(self._stream(signature, given)) as frames:
                for frame in frames:
                    answered = True
                    yield frame
                return
        except (InvalidRequestError, RequestRefusedError):
            if answered or known is None:
                raise
            signature = self._ask(parsed)
            if signature == known:
                raise
        except ModelNotServedError:
            self._signatures.pop(parsed, None)
            raise
        yield from self._stream(signature, given)

    def close(self) -> None:
        """Let go of connections."""
        self._server.close()

    def _ask(self, name: str) -> ModelSignature:
        self._signatures.pop(name, None)
        signature = ModelSignature.ask(self._server, name)
        self._signatures[name] = signature
        return signature

    def _run(
        self, signature: ModelSignature, given: _Given, *, may_be_old: bool = False
    ) -> DataFrame:
        if signature.decoupled:
            raise InvalidRequestError(
                f"Model '{signature.name}' is decoupled: it may answer a request any number of "
                "times, which predict can't return. Use predict_stream of the Python client"
                + ("." if self._server.streams else f". {_needs_grpc(self._server.url)}")
            )
        inputs, options = given.read(signature)
        if _is_too_large(inputs, signature):
            # No answer would show that the rows of a new model may not be sent apart.
            if may_be_old and self._ask(signature.name) != signature:
                return self.predict(
                    signature.name, given.raw, timeout=given.timeout, params=given.params
                )
            if options is not None and options.sequence is not None:
                raise InvalidInputError(
                    f"A request of a sequence can't be split, and model '{signature.name}' takes "
                    f"at most {signature.max_batch_size} rows at once. Send fewer."
                )
            outputs: Mapping[str, NDArray[Any]] = infer_in_batches(
                partial(
                    self._server.infer_many,
                    signature.name,
                    timeout=given.timeout,
                    options=options,
                ),
                inputs,
                batch_size=signature.max_batch_size,
            )
        else:
            outputs = self._server.infer(
                signature.name, _whole(inputs), timeout=given.timeout, options=options
            )
        return _frame(outputs, signature)

    def _stream(self, signature: ModelSignature, given: _Given) -> Generator[DataFrame, None, None]:
        if not self._server.streams:
            raise InvalidRequestError(
                f"Model '{signature.name}' can't be asked for a stream of answers. "
                f"{_needs_grpc(self._server.url)}"
            )
        inputs, options = given.read(signature)
        if _is_too_large(inputs, signature):
            raise InvalidInputError(
                f"A stream is one request, and model '{signature.name}' takes at most "
                f"{signature.max_batch_size} rows at once. Send fewer."
            )
        answers = self._server.infer_stream(
            signature.name, _whole(inputs), timeout=given.timeout, options=options
        )
        with closing(answers):
            for outputs in answers:
                yield _frame(outputs, signature)


@dataclass(frozen=True, slots=True)
class _Given:
    """What a user gave, before it is known what the model takes."""

    raw: object
    params: Mapping[str, Any]
    timeout: float

    def read(self, signature: ModelSignature) -> tuple[dict[str, Input], RequestOptions | None]:
        raw, beside = without_params(self.raw, signature.input_names)
        options = to_options({**beside, **self.params}, signature)
        return to_inputs(raw, signature), options


def _is_too_large(inputs: Mapping[str, Input], signature: ModelSignature) -> bool:
    limit = signature.max_batch_size
    return limit > 0 and any(array.shape[0] > limit for array in inputs.values())


def _whole(inputs: Mapping[str, Input]) -> dict[str, NDArray[Any]]:
    return {
        name: array if isinstance(array, np.ndarray) else array[:] for name, array in inputs.items()
    }


def _frame(outputs: Mapping[str, NDArray[Any]], signature: ModelSignature) -> DataFrame:
    if not signature.output_forms and tuple(outputs) == signature.output_names:
        return to_frame(outputs)
    # Triton answers in the order in which the backend was done, and a model may leave some out.
    place = {name: number for number, name in enumerate(signature.output_names)}
    names = sorted(outputs, key=lambda name: place.get(name, len(place)))
    forms = signature.output_forms
    return to_frame(
        {
            name: from_text(outputs[name], forms[name]) if name in forms else outputs[name]
            for name in names
        }
    )


def _needs_grpc(url: str) -> str:
    return (
        f"Streams need gRPC, and {url} is HTTP: set TRITON_URL to the server's gRPC port, as "
        "grpc://host:8001."
    )
