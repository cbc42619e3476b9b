"""A complete ``config.pbtxt`` for Triton's python backend from a model's signature.

Without ``max_batch_size`` the rows of a request are an ordinary dimension: a request is one call of
the model, of any number of rows, never joined with another one and never split. A model may
return something else for a part of its rows (a mean, a rank, a fixed number of answers), and only
its user knows whether it does. Who asks for ``max_batch_size`` says that each row stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlflow_triton.flavors.config_options import add_options
from mlflow_triton.flavors.signature_config import add_text_forms, batch_size
from triton_deploy_transport.pbtxt import ModelConfig, to_text

if TYPE_CHECKING:
    from mlflow_triton.flavors.packaging import PackageOptions
    from mlflow_triton.flavors.pyfunc_signature import ServedSignature, ServedTensor

BACKEND = "python"


def generate_config(
    signature: ServedSignature, options: PackageOptions, parameters: Mapping[str, str]
) -> bytes:
    """Return the text of a complete configuration: no name, no version policy.

    Args:
        signature: what the model takes and gives.
        options: what the user asks for.
        parameters: more parameters of the configuration.

    Raises:
        InvalidSettingError: an option that this model can't have.
    """
    config = ModelConfig(backend=BACKEND)
    config.max_batch_size = batch_size(signature, options.max_batch_size or 0)
    for tensor in signature.inputs:
        _describe(config.input.add(optional=tensor.optional), tensor, config)
    for tensor in signature.outputs:
        _describe(config.output.add(), tensor, config)
    add_text_forms(config, signature)
    for key, value in parameters.items():
        config.parameters[key].string_value = value
    add_options(config, options, joins_requests=False)
    return to_text(config)


def _describe(
    entry: ModelConfig.ModelInput | ModelConfig.ModelOutput,
    tensor: ServedTensor,
    config: ModelConfig,
) -> None:
    entry.name = tensor.name
    entry.data_type = tensor.data_type
    # Triton has no empty dims: a column of a batch, like a single number, has one element.
    entry.dims.extend(tensor.shape[1 if config.max_batch_size else 0 :] or (1,))
