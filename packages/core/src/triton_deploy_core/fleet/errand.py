"""One request on its way: what it needs of a server, and what became of it so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from triton_deploy_core.errors import ModelNotServedError, ServerError, ServerUnreachableError
from triton_deploy_core.failures import merged
from triton_deploy_core.ports.request_options import NO_OPTIONS, RequestOptions, SequenceStep
from triton_deploy_core.ports.server import InferenceServer


@dataclass(slots=True)
class Errand:
    """A request for a model, until a server has answered it.

    Attributes:
        name: the model.
        options: what else the request says.
        in_stream: whether only servers with streams can answer it.
        tried: the servers that have not answered it, and why.
    """

    name: str
    options: RequestOptions = NO_OPTIONS
    in_stream: bool = False
    tried: dict[InferenceServer, ServerError] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What a server that does not serve it rests for: the model, or one version of it."""
        version = self.options.version
        return self.name if version is None else f"{self.name}/{version}"

    @property
    def step(self) -> SequenceStep | None:
        """The place of the request in a sequence."""
        return self.options.sequence

    @property
    def goes_on(self) -> bool:
        """Whether it goes on with a sequence, of which only one server knows."""
        return self.step is not None and not self.step.start

    @property
    def nobody_answers(self) -> bool:
        """Whether no server has been found that answers at all."""
        return not any(isinstance(error, ModelNotServedError) for error in self.tried.values())

    def may_go_to(self, server: InferenceServer) -> bool:
        """Tell whether a server may be asked."""
        return server not in self.tried and (server.streams or not self.in_stream)

    def failure(self) -> ServerError:
        """Return the error for a request that no further server can be asked."""
        if not self.tried:
            return ServerUnreachableError(
                f"no server is known that could answer a request for model {self.name!r}: "
                "the last ones have just left the fleet. Try again"
            )
        failures = {server.url: error for server, error in self.tried.items()}
        return merged(failures, servers=len(failures))
