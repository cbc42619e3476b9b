"""One prediction: inputs as users give them, outputs as NVIDIA's plugin returns them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_triton.predict_inputs import to_inputs
from mlflow_triton.predict_outputs import to_frame
from triton_deploy_core.names import DeploymentName

if TYPE_CHECKING:
    from pandas import DataFrame

    from triton_deploy_core.ports.server import InferenceServer


def predict(
    server: InferenceServer, name: str | None, inputs: object, *, timeout: float
) -> DataFrame:
    """Run a deployment on inputs and return its outputs, one a row.

    Raises:
        InvalidInputError: the inputs are not what the model takes.
        ModelNotServedError: the server does not serve that name.
    """
    parsed = DeploymentName(name or "")
    metadata = server.metadata(str(parsed))
    answered = server.infer(str(parsed), to_inputs(inputs, metadata), timeout=timeout)
    # Triton answers in the order in which the backend was done, and a model may leave some out.
    place = {spec.name: number for number, spec in enumerate(metadata.outputs)}
    names = sorted(answered, key=lambda name: place.get(name, len(place)))
    return to_frame({name: answered[name] for name in names})
