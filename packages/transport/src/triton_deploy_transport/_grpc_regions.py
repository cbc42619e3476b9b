"""Regions of shared memory on a server, over gRPC.

Source: Triton's ``docs/protocol/extension_shared_memory.md``.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2 as pb

from triton_deploy_transport._grpc_errors import raise_explained, unreadable
from triton_deploy_transport._refusals import raise_refused
from triton_deploy_transport._region_support import has_regions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from triton_deploy_transport._grpc_channel import GrpcChannel
    from triton_deploy_transport._shared_region import Region


class GrpcRegions:
    """The regions of one server: `RegionServer`."""

    def __init__(self, channel: GrpcChannel, url: str) -> None:
        self._channel = channel
        self._url = url

    def supports_regions(self, *, timeout: float) -> bool:
        """See `RegionServer.supports_regions`."""
        request = pb.ServerMetadataRequest()
        answer = self._done("ServerMetadata", request, pb.ServerMetadataResponse, timeout)
        return has_regions(answer.name, answer.version, answer.extensions)

    def register(self, region: Region, *, timeout: float) -> None:
        """See `RegionServer.register`."""
        request = pb.SystemSharedMemoryRegisterRequest(
            name=region.name, key=region.key, offset=0, byte_size=region.size
        )
        kind = pb.SystemSharedMemoryRegisterResponse
        self._done("SystemSharedMemoryRegister", request, kind, timeout)

    def unregister(self, name: str, *, timeout: float) -> None:
        """See `RegionServer.unregister`."""
        request = pb.SystemSharedMemoryUnregisterRequest(name=name)
        kind = pb.SystemSharedMemoryUnregisterResponse
        self._done("SystemSharedMemoryUnregister", request, kind, timeout)

    def registered(self, *, timeout: float) -> Sequence[str]:
        """See `RegionServer.registered`."""
        request, kind = pb.SystemSharedMemoryStatusRequest(), pb.SystemSharedMemoryStatusResponse
        return list(self._done("SystemSharedMemoryStatus", request, kind, timeout).regions)

    def _done(self, method: str, request: Any, kind: Any, timeout: float) -> Any:
        refuse = partial(raise_refused, doing="to share memory", url=self._url)
        try:
            answer = self._channel.call(method, request.SerializeToString(), timeout=timeout)
            return kind.FromString(answer)
        except grpc.RpcError as error:
            raise_explained(error, refuse, url=self._url, timeout=timeout)
        except DecodeError as error:
            raise unreadable(self._url) from error
