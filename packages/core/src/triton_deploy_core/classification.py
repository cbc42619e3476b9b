"""Requests for the classes of an output, as far as a server has to be protected from them."""

from __future__ import annotations

from triton_deploy_core.errors import InvalidRequestError
from triton_deploy_core.ports.model_server import ModelMetadata
from triton_deploy_core.ports.request_options import RequestOptions


def require_numbers(options: RequestOptions, metadata: ModelMetadata) -> None:
    """Check that nobody asks for the classes of text: Triton 2.51 crashes when it is.

    Raises:
        InvalidRequestError: somebody does.
    """
    texts = {spec.name for spec in metadata.outputs if spec.datatype == "BYTES"}
    found = [name for name in options.classified if name in texts]
    if found:
        message = (
            f"model {metadata.name!r} has no numbers in {', '.join(map(repr, found))}, so there "
            "are no classes: ask for the output itself"
        )
        raise InvalidRequestError(message)
