"""Triton over HTTP/REST: the KServe v2 protocol and Triton's extensions of it.

Sources: https://kserve.github.io/website/latest/modelserving/data_plane/v2_protocol/ and the
``docs/protocol`` of Triton's server.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from triton_deploy_core.classification import require_numbers
from triton_deploy_core.errors import (
    InvalidRequestError,
    ModelNotServedError,
    ServerTimeoutError,
)
from triton_deploy_core.in_flight import in_order
from triton_deploy_core.ports.single_server import SingleServer
from triton_deploy_transport import _kserve_json as kserve
from triton_deploy_transport._http_answers import accepted, not_triton, refusal
from triton_deploy_transport._http_client import HttpClient, PendingReply, Request
from triton_deploy_transport._http_errors import mapped_errors
from triton_deploy_transport._http_regions import HttpRegions
from triton_deploy_transport._http_reply import BINARY_HEADER, Reply
from triton_deploy_transport._infer_request import InferRequest
from triton_deploy_transport._refusals import (
    raise_refused,
    refuse_load,
    refuse_model_request,
    still_loading,
)
from triton_deploy_transport._server_url import ServerUrl
from triton_deploy_transport._shared_tensors import SharedTensors
from triton_deploy_transport._tensor_codec import decode_response, encode_request
from triton_deploy_transport._time_limits import seconds
from triton_deploy_transport._tls_files import ssl_context
from triton_deploy_transport.access import Access

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from triton_deploy_core.in_flight import Pending
    from triton_deploy_core.ports.model_server import ModelMetadata
    from triton_deploy_core.ports.request_options import RequestOptions
    from triton_deploy_core.ports.server import IndexEntry, LoadOverride, VersionStatistics
    from triton_deploy_transport._infer_request import Places

    Inputs = Mapping[str, NDArray[np.generic]]
    Outputs = Mapping[str, NDArray[np.generic]]

_T = TypeVar("_T")
KEEPALIVE_SECONDS = 60.0
"""How often a silent connection is tried, so that nothing in between forgets it."""


class HttpServer(SingleServer):
    """One Triton, spoken to over HTTP: the port `InferenceServer`.

    Safe for several threads. TLS is verified: by the authorities of `access`, else by the system's,
    to which the environment variable ``SSL_CERT_FILE`` adds. A user and password in the URL are
    sent as HTTP Basic.

    Args:
        url: ``host:port``, ``http://…`` or ``https://…``, a path before ``/v2`` included.
        request_timeout: seconds that a call without a time-out of its own may take in all.
        connect_timeout: seconds within which a connection must be there, TLS included.
        max_reply_bytes: a larger answer is refused instead of being held in memory.
        access: certificates, headers and a token.
        keepalive: seconds after which the system tries a silent connection (TCP).
        server_name: the name under which a directory knows the URL's address: TLS verifies it, and
            the header ``Host`` has it; the URL's own host if left out.
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
        max_reply_bytes: int = 1 << 31,
        access: Access | None = None,
        keepalive: float | None = None,
        server_name: str | None = None,
        shared_memory: bool = True,
    ) -> None:
        address = ServerUrl.parse(url, name=server_name)
        access = access or Access()
        self._url = address.shown
        self._request_timeout = seconds(request_timeout, "request_timeout")
        self._client = HttpClient(
            address,
            tls=ssl_context(access) if address.tls else None,
            headers=access.request_headers,
            connect_timeout=seconds(connect_timeout, "connect_timeout"),
            keepalive=seconds(KEEPALIVE_SECONDS if keepalive is None else keepalive, "keepalive"),
            max_reply_bytes=max_reply_bytes,
        )
        self._shared = SharedTensors(
            HttpRegions(self._client, self._url),
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
        """See `InferenceServer.streams`: HTTP has none."""
        return False

    def is_live(self) -> bool:
        """See `InferenceServer.is_live`."""
        return self._health("/v2/health/live")

    def is_ready(self) -> bool:
        """See `InferenceServer.is_ready`."""
        return self._health("/v2/health/ready")

    def index(self) -> Sequence[IndexEntry]:
        """See `InferenceServer.index`."""
        request = Request("POST", "/v2/repository/index")
        reply = self._exchange(request)
        if not accepted(reply, self._url):
            raise_refused(refusal(reply), doing="to list its model repository", url=self._url)
        return self._read(reply, lambda reply: kserve.index_entries(reply.json()))

    def load(self, name: str, *, timeout: float, override: LoadOverride | None = None) -> None:
        """See `InferenceServer.load`."""
        body = () if override is None else (kserve.load_parameters(override),)
        try:
            self._control(name, "load", body, timeout)
        except ServerTimeoutError as error:
            raise still_loading(name, url=self._url, timeout=timeout) from error

    def unload(self, name: str, *, timeout: float) -> None:
        """See `InferenceServer.unload`."""
        self._control(name, "unload", (), timeout)

    def ready_versions(self, name: str) -> frozenset[int]:
        """See `InferenceServer.ready_versions`."""
        try:
            return frozenset(self.metadata(name).versions)
        except ModelNotServedError:
            return frozenset()

    def loaded(self) -> frozenset[tuple[str, int]]:
        """See `InferenceServer.loaded`."""
        reply = self._exchange(Request("GET", "/v2/models/stats"))
        if not accepted(reply, self._url):
            raise_refused(refusal(reply), doing="to tell its statistics", url=self._url)
        rows = self._read(reply, lambda reply: kserve.version_statistics(reply.json()))
        return frozenset((row.name, row.version) for row in rows)

    def metadata(self, name: str) -> ModelMetadata:
        """See `InferenceServer.metadata`."""
        reply = self._about(name, "", "to describe")
        return self._read(reply, lambda reply: kserve.model_metadata(reply.json()))

    def config(self, name: str) -> Mapping[str, Any]:
        """See `InferenceServer.config`."""
        reply = self._about(name, "/config", "to tell the configuration of")
        return self._read(reply, _mapping)

    def infer(
        self, name: str, inputs: Inputs, *, timeout: float, options: RequestOptions | None = None
    ) -> Outputs:
        """See `InferenceServer.infer`.

        BF16 outputs are arrays of ``ml_dtypes.bfloat16``, or of uint16 with the same bits where
        that package is not installed.

        Raises:
            InvalidInputError: an array's dtype has no counterpart in the protocol.
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
        """See `InferenceServer.infer_many`: each request under way has a connection of its own."""

        def begin(inputs: Inputs) -> Pending[Outputs]:
            request = InferRequest(name, inputs, options)
            return self._shared.begin(request, self._begin, timeout=timeout)

        self._check_classes(name, options)
        return in_order(requests, begin, in_flight=in_flight)

    def infer_stream(
        self, name: str, inputs: Inputs, *, timeout: float, options: RequestOptions | None = None
    ) -> Generator[Outputs, None, None]:
        """See `InferenceServer.infer_stream`: HTTP has none.

        Triton's ``generate_stream`` gives answers as JSON without shapes and data types, takes
        neither tensors of several dimensions nor bytes that are no text.

        Raises:
            InvalidRequestError: always.
        """
        del inputs, timeout, options
        message = (
            f"answers of model {name!r} can't come as a stream from {self._url}: HTTP has no "
            "streams of tensors. Give the server's gRPC port, as grpc://host:8001"
        )
        raise InvalidRequestError(message)

    def statistics(self, name: str) -> Sequence[VersionStatistics]:
        """See `InferenceServer.statistics`."""
        reply = self._about(name, "/stats", "to tell statistics of")
        return self._read(reply, lambda reply: kserve.version_statistics(reply.json()))

    def close(self) -> None:
        """See `InferenceServer.close`."""
        self._shared.close()
        self._client.close()

    def _answer(self, request: InferRequest, timeout: float) -> Outputs:
        return self._outputs(request, self._exchange(_sent(request), timeout))

    def _begin(self, request: InferRequest, timeout: float) -> _PendingOutputs:
        with mapped_errors(self._url, timeout=timeout):
            pending = self._client.begin(_sent(request), timeout=timeout)
        return _PendingOutputs(pending, partial(self._finished, request, pending, timeout))

    def _finished(self, request: InferRequest, pending: PendingReply, timeout: float) -> Outputs:
        with mapped_errors(self._url, timeout=timeout):
            reply = pending.reply()
        return self._outputs(request, reply)

    def _check_classes(self, name: str, options: RequestOptions | None) -> None:
        if options is not None and options.classified:
            require_numbers(options, self.metadata(name))

    def _outputs(self, request: InferRequest, reply: Reply) -> Outputs:
        if not accepted(reply, self._url):
            doing = f"an inference with model {request.name!r}"
            refuse_model_request(refusal(reply), name=request.name, doing=doing, url=self._url)
        return self._read(reply, partial(_outputs, places=request.output_places))

    def _health(self, path: str) -> bool:
        reply = self._exchange(Request("GET", path))
        # Triton's answers have no body, other servers of the protocol send a JSON object.
        if reply.body and not _is_object(reply):
            raise not_triton(reply, self._url)
        if reply.status in {400, 503}:
            return False
        if not accepted(reply, self._url):
            raise_refused(refusal(reply), doing="to tell its health", url=self._url)
        return True

    def _control(self, name: str, verb: str, body: tuple[bytes, ...], timeout: float) -> None:
        request = Request(
            "POST",
            f"/v2/repository/models/{quote(name, safe='')}/{verb}",
            body=body,
            headers={"Content-Type": "application/json"},
            repeatable=False,
        )
        reply = self._exchange(request, timeout)
        if not accepted(reply, self._url):
            refuse_load(refusal(reply), name=name, url=self._url, verb=verb)
        if reply.body and not _is_object(reply):
            raise not_triton(reply, self._url)

    def _about(self, name: str, what: str, doing: str) -> Reply:
        reply = self._exchange(Request("GET", f"/v2/models/{quote(name, safe='')}{what}"))
        if not accepted(reply, self._url):
            doing = f"{doing} model {name!r}"
            refuse_model_request(refusal(reply), name=name, doing=doing, url=self._url)
        return reply

    def _exchange(self, request: Request, timeout: float | None = None) -> Reply:
        limit = self._request_timeout if timeout is None else timeout
        with mapped_errors(self._url, timeout=limit):
            return self._client.exchange(request, timeout=limit)

    def _read(self, reply: Reply, read: Callable[[Reply], _T]) -> _T:
        try:
            return read(reply)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise not_triton(reply, self._url) from error


@dataclass(frozen=True, slots=True)
class _PendingOutputs:
    pending: PendingReply
    result: Callable[[], Outputs]

    def cancel(self) -> None:
        self.pending.abandon()


def _sent(request: InferRequest) -> Request:
    encoded = encode_request(request)
    options = request.options
    version = f"/versions/{options.version}" if options is not None and options.version else ""
    return Request(
        "POST",
        f"/v2/models/{quote(request.name, safe='')}{version}/infer",
        body=(encoded.header, *encoded.tensors),
        headers={
            "Content-Type": "application/octet-stream",
            BINARY_HEADER: str(len(encoded.header)),
        },
        repeatable=False,
    )


def _outputs(reply: Reply, *, places: Places) -> Outputs:
    header_size = int(reply.header(BINARY_HEADER) or len(reply.body))
    return decode_response(reply.body, header_size, places)


def _mapping(reply: Reply) -> Mapping[str, Any]:
    answer: Any = reply.json()
    return {str(key): value for key, value in answer.items()}


def _is_object(reply: Reply) -> bool:
    try:
        return isinstance(reply.json(), dict)
    except ValueError:
        return False
