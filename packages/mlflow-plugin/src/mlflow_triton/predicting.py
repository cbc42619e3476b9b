"""Predictions: inputs as users give them, outputs as NVIDIA's plugin returns them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlflow_triton.predict_batches import infer_in_batches
from mlflow_triton.predict_inputs import to_inputs
from mlflow_triton.predict_outputs import to_frame
from mlflow_triton.predict_signature import ModelSignature
from triton_deploy_core.errors import (
    InvalidRequestError,
    ModelNotServedError,
    RequestRefusedError,
)
from triton_deploy_core.names import DeploymentName

if TYPE_CHECKING:
    from pandas import DataFrame

    from triton_deploy_core.ports.server import InferenceServer


class Predictor:
    """Predictions with the models of one server. Safe for several threads.

    A model is asked once what it takes. That it was updated since, perhaps by somebody else, shows
    when inputs do not fit or are refused: it is then asked again, and where the answer is
    another one, so is the prediction.
    """

    def __init__(self, server: InferenceServer) -> None:
        self._server = server
        self._signatures: dict[str, ModelSignature] = {}

    def predict(self, name: str | None, inputs: object, *, timeout: float) -> DataFrame:
        """Run a deployment on inputs and return its outputs, one a row.

        Args:
            name: the deployment.
            inputs: see `predict_forms`; of any number of rows.
            timeout: seconds that one request may take.

        Raises:
            InvalidInputError: the inputs are not what the model takes.
            InvalidRequestError: the model may answer more than once.
            ModelNotServedError: the server does not serve that name.
            RequestRefusedError: the model failed on the inputs.
        """
        parsed = str(DeploymentName(name or ""))
        known = self._signatures.get(parsed)
        if known is None:
            return self._run(self._ask(parsed), inputs, timeout)
        try:
            return self._run(known, inputs, timeout, may_be_old=True)
        except (InvalidRequestError, RequestRefusedError):
            signature = self._ask(parsed)
            if signature == known:
                raise
        except ModelNotServedError:
            self._signatures.pop(parsed, None)
            raise
        return self._run(signature, inputs, timeout)

    def close(self) -> None:
        """Let go of connections."""
        self._server.close()

    def _ask(self, name: str) -> ModelSignature:
        self._signatures.pop(name, None)
        signature = ModelSignature.ask(self._server, name)
        self._signatures[name] = signature
        return signature

    def _run(
        self, signature: ModelSignature, raw: object, timeout: float, *, may_be_old: bool = False
    ) -> DataFrame:
        if signature.decoupled:
            raise InvalidRequestError(
                f"Model '{signature.name}' is decoupled: it may answer a request any number of "
                "times, which predict can't return. Ask it by a stream, which only gRPC has: "
                "ModelStreamInfer, or start_stream of tritonclient.grpc."
            )
        inputs = to_inputs(raw, signature)
        limit = signature.max_batch_size
        if limit > 0 and any(array.shape[0] > limit for array in inputs.values()):
            # No answer would show that the rows of a new model may not be sent apart.
            if may_be_old and self._ask(signature.name) != signature:
                return self.predict(signature.name, raw, timeout=timeout)
            outputs: Mapping[str, NDArray[Any]] = infer_in_batches(
                partial(self._server.infer_many, signature.name, timeout=timeout),
                inputs,
                batch_size=limit,
            )
        else:
            whole = {
                name: array if isinstance(array, np.ndarray) else array[:]
                for name, array in inputs.items()
            }
            outputs = self._server.infer(signature.name, whole, timeout=timeout)
        # Triton answers in the order in which the backend was done, and a model may leave some out.
        place = {spec.name: number for number, spec in enumerate(signature.metadata.outputs)}
        names = sorted(outputs, key=lambda name: place.get(name, len(place)))
        return to_frame({name: outputs[name] for name in names})
