"""One prediction: inputs as users give them, outputs as NVIDIA's plugin returns them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_triton.predict_inputs import to_inputs
from mlflow_triton.predict_outputs import to_frame
from mlflow_triton.predict_signature import ModelSignature
from triton_deploy_core.errors import RequestRefusedError
from triton_deploy_core.names import DeploymentName

if TYPE_CHECKING:
    from pandas import DataFrame

    from triton_deploy_core.ports.server import InferenceServer

# Triton's words, from CheckRequest in the core's infer_request.cc: "inference request batch-size
# must be <= 4 for 'iris'".
_TOO_MANY_ROWS = "batch-size must be <="


def predict(
    server: InferenceServer, name: str | None, inputs: object, *, timeout: float
) -> DataFrame:
    """Run a deployment on inputs and return its outputs, one a row.

    Raises:
        InvalidInputError: the inputs are not what the model takes.
        ModelNotServedError: the server does not serve that name.
    """
    parsed = DeploymentName(name or "")
    signature = ModelSignature.ask(server, str(parsed))
    try:
        answered = server.infer(str(parsed), to_inputs(inputs, signature), timeout=timeout)
    except RequestRefusedError as error:
        if _TOO_MANY_ROWS in error.reason:
            error.amend("Send fewer rows, or update the deployment with -C max_batch_size=N.")
        raise
    # Triton answers in the order in which the backend was done, and a model may leave some out.
    place = {spec.name: number for number, spec in enumerate(signature.metadata.outputs)}
    names = sorted(answered, key=lambda name: place.get(name, len(place)))
    return to_frame({name: answered[name] for name in names})
