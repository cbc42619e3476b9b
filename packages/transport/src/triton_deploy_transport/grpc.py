"""Triton over gRPC: the KServe v2 protocol and Triton's extensions of it.

Source: https://github.com/triton-inference-server/common, ``protobuf/grpc_service.proto``.
Importing this module imports grpc and protobuf, which takes a fifth of a second.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import grpc
from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2 as pb

from triton_deploy_core.classification import require_numbers
from triton_deploy_core.errors import (
    InvalidInputError,
    InvalidPackageError,
    ModelNotServedError,
    ServerTimeoutError,
)
from triton_deploy_core.in_flight import in_order
from triton_deploy_core.ports.single_server import SingleServer
from triton_deploy_transport import _grpc_messages as messages
from triton_deploy_transport._grpc_channel import GrpcChannel
from triton_deploy_transport._grpc_errors import incomplete, raise_explained, unreadable
from triton_deploy_transport._grpc_regions import GrpcRegions
from triton_deploy_transport._grpc_winding_up import winding_up
from triton_deploy_transport._infer_request import InferRequest
from triton_deploy_transport._message_json import to_json
from triton_deploy_transport._refusals import (
    Cause,
    Refusal,
    raise_refused,
    refuse_load,
    refuse_model_request,
    still_loading,
)
from triton_deploy_transport._server_url import GRPC_SCHEMES, ServerUrl
from triton_deploy_transport._shared_tensors import SharedTensors
from triton_deploy_transport._time_limits import seconds
from triton_deploy_transport._unreachable import no_answer
from triton_deploy_transport.access import Access

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from triton_deploy_core.in_flight import Pending
    from triton_deploy_core.ports.model_server import ModelMetadata
    from triton_deploy_core.ports.request_options import RequestOptions
    from triton_deploy_core.ports.server import IndexEntry, LoadOverride, VersionStatistics

    Inputs = Mapping[str, NDArray[np.generic]]
    Outputs = Mapping[str, NDArray[np.generic]]
    Refuse = Callable[[Refusal], NoReturn]

_T = TypeVar("_T")
_UNREADABLE = (DecodeError, ValueError, KeyError)

KEEPALIVE_SECONDS = 330.0
"""How often an idle connection in a call is tried: Triton hangs up on more than once in 5 minutes
(``--grpc-http2-min-recv-ping-interval-without-data``)."""


class GrpcServer(SingleServer):
    """One Triton, spoken to over gRPC: the port `InferenceServer`.

    Safe for several threads. A user and password in the URL are sent as HTTP Basic.

    Args:
        url: ``grpc://host:port``, or ``grpcs://…`` with TLS; port 8001 where none is given.
        request_timeout: seconds that a call without a time-out of its own may take in all.
        connect_timeout: seconds within which a connection must be there, TLS included.
        access: certificates, headers and a token.
        keepalive: seconds after which a silent connection is tried while a call waits.
        server_name: the name under which a directory knows the URL's address: TLS verifies it, and
            ``:authority`` has it; the URL's own host if left out.
        shared_memory: whether large tensors may go through shared memory, where that can be.

    Raises:
        InvalidSettingError: the URL, a time-out or a file of `access` is none.
    """

    def __init__(
        self,
        url: str,
        *,
        request_timeout: float = 60.0,
        connect_timeout: float = 5.0,
        access: Access | None = None,
        keepalive: float | None = None,
        server_name: str | None = None,
        shared_memory: bool = True,
    ) -> None:
        address = ServerUrl.parse(url, GRPC_SCHEMES, name=server_name)
        self._url = address.shown
        self._request_timeout = seconds(request_timeout, "request_timeout")
        self._channel = GrpcChannel(
            address,
            access or Access(),
            connect_timeout=seconds(connect_timeout, "connect_timeout"),
            keepalive=seconds(KEEPALIVE_SECONDS if keepalive is None else keepalive, "keepalive"),
        )
        self._shared = SharedTensors(
            GrpcRegions(self._channel, self._url),
            address,
            metadata=self.metadata,
            enabled=shared_memory,
        )

    @property
    def url(self) -> str:
        """See `InferenceServer.url`."""
        return self._url

    @property
    def streams(self) -> bool:
        """See `InferenceServer.streams`: gRPC has them."""
        return True

    def is_live(self) -> bool:
        """See `InferenceServer.is_live`."""
        answer = self._ask(
            "ServerLive", pb.ServerLiveRequest(), self._refusing("to tell its health")
        )
        return self._read(answer, pb.ServerLiveResponse, lambda found: bool(found.live))

    def is_ready(self) -> bool:
        """See `InferenceServer.is_ready`."""
        answer = self._ask(
            "ServerReady", pb.ServerReadyRequest(), self._refusing("to tell its health")
        )
        return self._read(answer, pb.ServerReadyResponse, lambda found: bool(found.ready))

    def index(self) -> Sequence[IndexEntry]:
        """See `InferenceServer.index`."""
        refuse = self._refusing("to list its model repository")
        answer = self._ask("RepositoryIndex", pb.RepositoryIndexRequest(), refuse)
        return self._read(answer, pb.RepositoryIndexResponse, messages.index_entries)

    def load(self, name: str, *, timeout: float, override: LoadOverride | None = None) -> None:
        """See `InferenceServer.load`."""
        try:
            request = messages.load_request(name, override)
        except messages.MessageTooLargeError as error:
            message = (
                f"the files that should go with the load of model {name!r} have {error} bytes, "
                f"one message of gRPC has at most {messages.MAX_MESSAGE_BYTES}: "
                "put them into the model repository"
            )
            raise InvalidPackageError(message) from None
        try:
            self._control("RepositoryModelLoad", request, name, "load", timeout)
        except ServerTimeoutError as error:
            raise still_loading(name, url=self._url, timeout=timeout) from error

    def unload(self, name: str, *, timeout: float) -> None:
        """See `InferenceServer.unload`."""
        request = pb.RepositoryModelUnloadRequest(model_name=name).SerializeToString()
        self._control("RepositoryModelUnload", request, name, "unload", timeout)

    def ready_versions(self, name: str) -> frozenset[int]:
        """See `InferenceServer.ready_versions`."""
        try:
            return frozenset(self.metadata(name).versions)
        except ModelNotServedError:
            return frozenset()

    def loaded(self) -> frozenset[tuple[str, int]]:
        """See `InferenceServer.loaded`."""
        refuse = self._refusing("to tell its statistics")
        answer = self._ask("ModelStatistics", pb.ModelStatisticsRequest(), refuse)
        rows = self._read(answer, pb.ModelStatisticsResponse, messages.version_statistics)
        return frozenset((row.name, row.version) for row in rows)

    def metadata(self, name: str) -> ModelMetadata:
        """See `InferenceServer.metadata`."""
        request = pb.ModelMetadataRequest(name=name)
        answer = self._ask("ModelMetadata", request, self._refusing_model(name, "to describe"))
        return self._read(answer, pb.ModelMetadataResponse, messages.model_metadata)

    def config(self, name: str) -> Mapping[str, Any]:
        """See `InferenceServer.config`."""
        refuse = self._refusing_model(name, "to tell the configuration of")
        answer = self._ask("ModelConfig", pb.ModelConfigRequest(name=name), refuse)
        return self._read(answer, pb.ModelConfigResponse, lambda found: to_json(found.config))

    def infer(
        self, name: str, inputs: Inputs, *, timeout: float, options: RequestOptions | None = None
    ) -> Outputs:
        """See `InferenceServer.infer`.

        BF16 outputs are arrays of ``ml_dtypes.bfloat16``, or of uint16 with the same bits where
        that package is not installed.

        Raises:
            InvalidInputError: an array's dtype has no counterpart in the protocol, or all of them
                are too large for one request.
        """
        self._check_classes(name, options)
        request = InferRequest(name, inputs, options)
        return self._shared.infer(request, self._answer, timeout=timeout)

    def infer_many(
        self,
        name: str,
        requests: Iterable[Inputs],
        *,
        timeout: float,
        in_flight: int = 8,
        options: RequestOptions | None = None,
    ) -> Generator[Outputs, None, None]:
        """See `InferenceServer.infer_many`."""
        send = partial(self._begin, winding_up())

        def begin(inputs: Inputs) -> Pending[Outputs]:
            request = InferRequest(name, inputs, options)
            return self._shared.begin(request, send, timeout=timeout)

        self._check_classes(name, options)
        return in_order(requests, begin, in_flight=in_flight)

    def infer_stream(
        self, name: str, inputs: Inputs, *, timeout: float, options: RequestOptions | None = None
    ) -> Generator[Outputs, None, None]:
        """See `InferenceServer.infer_stream`."""
        self._check_classes(name, options)
        request = _encoded(InferRequest(name, inputs, options), in_stream=True)
        refuse = self._refusing_model(name, "an inference with")
        final: bool | None = None
        with closing(self._channel.stream("ModelStreamInfer", request, timeout=timeout)) as stream:
            while True:
                with self._refusals(refuse, timeout):
                    found = next(stream, None)
                if found is None:
                    break
                answer: Any = self._read(found, pb.ModelStreamInferResponse)
                if answer.error_message:
                    refuse(Refusal(Cause.REQUEST, answer.error_message))
                final = messages.is_final(answer.infer_response)
                if answer.infer_response.outputs or not final:
                    yield self._outputs(answer.infer_response)
        if final is False:  # None: a server that does not mark the last one
            raise incomplete(self._url)

    def statistics(self, name: str) -> Sequence[VersionStatistics]:
        """See `InferenceServer.statistics`."""
        refuse = self._refusing_model(name, "to tell statistics of")
        answer = self._ask("ModelStatistics", pb.ModelStatisticsRequest(name=name), refuse)
        return self._read(answer, pb.ModelStatisticsResponse, messages.version_statistics)

    def close(self) -> None:
        """See `InferenceServer.close`."""
        self._shared.close()
        self._channel.close()

    def _answer(self, request: InferRequest, timeout: float) -> Outputs:
        encoded = _encoded(request)
        try:
            answer = self._channel.call("ModelInfer", encoded, timeout=timeout)
        except grpc.RpcError as error:
            refuse = self._refusing_model(request.name, "an inference with")
            raise_explained(error, refuse, url=self._url, timeout=timeout)
        return self._received(request, answer)

    def _begin(
        self, wind_up: Callable[[grpc.Future], None], request: InferRequest, timeout: float
    ) -> _PendingOutputs:
        future = self._channel.begin("ModelInfer", _encoded(request), timeout=timeout)
        return _PendingOutputs(
            partial(self._finished, request, future, timeout), partial(wind_up, future)
        )

    def _refusing(self, doing: str) -> Refuse:
        return partial(raise_refused, doing=doing, url=self._url)

    def _refusing_model(self, name: str, doing: str) -> Refuse:
        doing = f"{doing} model {name!r}"
        return partial(refuse_model_request, name=name, doing=doing, url=self._url)

    def _control(self, method: str, request: bytes, name: str, verb: str, timeout: float) -> None:
        refuse = partial(refuse_load, name=name, url=self._url, verb=verb)
        self._call(method, request, refuse, timeout)

    def _ask(self, method: str, request: Any, refuse: Refuse) -> bytes:
        return self._call(method, request.SerializeToString(), refuse, self._request_timeout)

    def _call(self, method: str, request: bytes, refuse: Refuse, timeout: float) -> bytes:
        try:
            return self._channel.call(method, request, timeout=timeout)
        except grpc.RpcError as error:
            raise_explained(error, refuse, url=self._url, timeout=timeout)

    def _finished(self, request: InferRequest, future: grpc.Future, timeout: float) -> Outputs:
        with self._refusals(self._refusing_model(request.name, "an inference with"), timeout):
            answer = future.result()
        return self._received(request, answer)

    def _received(self, request: InferRequest, answer: bytes) -> Outputs:
        return self._read(
            answer,
            pb.ModelInferResponse,
            lambda found: messages.outputs(found, request.output_places),
        )

    def _check_classes(self, name: str, options: RequestOptions | None) -> None:
        if options is not None and options.classified:
            require_numbers(options, self.metadata(name))

    @contextmanager
    def _refusals(self, refuse: Refuse, timeout: float) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise_explained(error, refuse, url=self._url, timeout=timeout)
        except TimeoutError as error:
            raise no_answer(self._url, timeout) from error

    def _outputs(self, answer: Any) -> Outputs:
        with self._readable():
            return messages.outputs(answer)

    def _read(
        self, answer: bytes, kind: Any, read: Callable[[Any], _T] = lambda found: found
    ) -> _T:
        try:
            return read(kind.FromString(answer))
        except _UNREADABLE as error:
            raise unreadable(self._url) from error

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except _UNREADABLE as error:
            raise unreadable(self._url) from error


@dataclass(frozen=True, slots=True)
class _PendingOutputs:
    result: Callable[[], Outputs]
    cancel: Callable[[], None]


def _encoded(request: InferRequest, *, in_stream: bool = False) -> bytes:
    try:
        return messages.infer_request(request, in_stream=in_stream)
    except messages.MessageTooLargeError as error:
        message = (
            f"the inputs for model {request.name!r} have {error} bytes, one message of gRPC has at "
            f"most {messages.MAX_MESSAGE_BYTES}: send fewer rows at once"
        )
        raise InvalidInputError(message) from None
