"""gRPC calls of bytes for bytes, for several threads, each under one deadline.

No proxy of the environment is used. A channel whose connection failed is left to the calls that
still wait on it; the next call dials anew, at once, where a channel itself would wait and answer
with the old error meanwhile.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import grpc

from triton_deploy_transport._answer_watch import AnswerWatch
from triton_deploy_transport._grpc_errors import lost_connection
from triton_deploy_transport._grpc_messages import MAX_MESSAGE_BYTES
from triton_deploy_transport._grpc_winding_up import wind_up_stream
from triton_deploy_transport._server_url import bracketed
from triton_deploy_transport._tls_files import pem_texts

if TYPE_CHECKING:
    from collections.abc import Generator

    from triton_deploy_transport._server_url import ServerUrl
    from triton_deploy_transport.access import Access

_SERVICE = "/inference.GRPCInferenceService/"


class GrpcChannel:
    """Calls the methods of one server's inference service. Raises what `grpc` raises."""

    def __init__(
        self, url: ServerUrl, access: Access, *, connect_timeout: float, keepalive: float
    ) -> None:
        self._target = f"dns:///{bracketed(url.host)}:{url.port}"
        self._authorization = {"authorization": url.authorization} if url.authorization else {}
        self._access = access
        self._tls = url.tls
        self._options = _options(connect_timeout, keepalive) + _name_options(url)
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._methods: dict[str, tuple[grpc.Channel, grpc.UnaryUnaryMultiCallable]] = {}
        if url.tls:
            pem_texts(access)  # a file that is of no use is said so now

    def call(self, method: str, request: bytes, *, timeout: float) -> bytes:
        """Return the answer to a request, both serialized.

        Raises:
            grpc.RpcError: there is none, for whatever reason; DEADLINE_EXCEEDED after `timeout`
                seconds.
            InvalidSettingError: a certificate or a token can't be read any more.
        """
        headers = self._authorization | self._access.request_headers()
        channel = self._open()
        try:
            answer: bytes = self._method(channel, method)(
                request, timeout=timeout, metadata=tuple(headers.items())
            )
        except grpc.RpcError as error:
            if lost_connection(error):
                self._leave(channel)
            raise
        return answer

    def begin(self, method: str, request: bytes, *, timeout: float) -> grpc.Future:
        """Send a request; its future's `result` is what `call` returns, or raises what it does.

        Raises:
            InvalidSettingError: a certificate or a token can't be read any more.
        """
        headers = self._authorization | self._access.request_headers()
        channel = self._open()
        return self._method(channel, method).future(
            request, timeout=timeout, metadata=tuple(headers.items())
        )

    def stream(
        self, method: str, request: bytes, *, timeout: float
    ) -> Generator[bytes, None, None]:
        """Send a request and yield its answers; closing the iterator ends the call.

        The methods with streams in both directions take it as such with one request.

        Raises:
            grpc.RpcError: there is no next answer, for whatever reason.
            TimeoutError: a next answer, or the end, was not there after `timeout` seconds.
            InvalidSettingError: a certificate or a token can't be read any more.
        """
        headers = self._authorization | self._access.request_headers()
        channel = self._open()
        call = channel.unary_stream(_SERVICE + method)(request, metadata=tuple(headers.items()))
        watch = AnswerWatch(call.cancel, timeout)
        try:
            while True:
                with watch.waiting():
                    answer = next(call, None)
                if answer is None:
                    return
                yield answer
        except grpc.RpcError as error:
            if watch.expired:
                raise TimeoutError from error
            if lost_connection(error):
                self._leave(channel)
            raise
        finally:
            watch.close()
            wind_up_stream(call)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _open(self) -> grpc.Channel:
        with self._lock:
            if self._channel is None:
                self._channel = self._new()
            return self._channel

    def _method(self, channel: grpc.Channel, method: str) -> grpc.UnaryUnaryMultiCallable:
        """Return a method of a channel, made once: that takes longer than to call it."""
        made = self._methods.get(method)
        if made is None or made[0] is not channel:
            made = self._methods[method] = channel, channel.unary_unary(_SERVICE + method)
        return made[1]

    def _new(self) -> grpc.Channel:
        if not self._tls:
            return grpc.insecure_channel(self._target, self._options)
        pem = pem_texts(self._access)
        credentials = grpc.ssl_channel_credentials(
            pem.authorities, pem.key if pem.certificate else None, pem.certificate
        )
        return grpc.secure_channel(self._target, credentials, self._options)

    def _leave(self, channel: grpc.Channel) -> None:
        with self._lock:
            if self._channel is channel:
                self._channel = None


def _name_options(url: ServerUrl) -> list[tuple[str, int | str]]:
    if url.name == url.host:
        return []
    return [
        ("grpc.ssl_target_name_override", url.name),
        ("grpc.default_authority", f"{bracketed(url.name)}:{url.port}"),
    ]


def _options(connect_timeout: float, keepalive: float) -> list[tuple[str, int | str]]:
    return [
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        # A connection attempt lasts at least so long, and here, being the first, at most.
        ("grpc.min_reconnect_backoff_ms", round(connect_timeout * 1000)),
        ("grpc.keepalive_time_ms", round(keepalive * 1000)),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.enable_http_proxy", 0),
        ("grpc.service_config_disable_resolution", 1),
        # Otherwise a new channel shares the old one's connection, and its waiting.
        ("grpc.use_local_subchannel_pool", 1),
    ]
