"""The port to what answers requests to models: a server, or whatever spreads them over several."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from triton_deploy_core.ports.request_options import RequestOptions
from triton_deploy_core.ports.server import ModelMetadata


class ModelServer(Protocol):
    """The part of `InferenceServer` that predictions need: each method is the one there."""

    @property
    def url(self) -> str:
        """See `InferenceServer.url`."""
        ...

    @property
    def streams(self) -> bool:
        """See `InferenceServer.streams`."""
        ...

    def metadata(self, name: str) -> ModelMetadata:
        """See `InferenceServer.metadata`."""
        ...

    def config(self, name: str) -> Mapping[str, Any]:
        """See `InferenceServer.config`."""
        ...

    def infer(
        self,
        name: str,
        inputs: Mapping[str, NDArray[np.generic]],
        *,
        timeout: float,
        options: RequestOptions | None = None,
    ) -> Mapping[str, NDArray[np.generic]]:
        """See `InferenceServer.infer`."""
        ...

    def infer_many(
        self,
        name: str,
        requests: Iterable[Mapping[str, NDArray[np.generic]]],
        *,
        timeout: float,
        in_flight: int = 8,
        options: RequestOptions | None = None,
    ) -> Generator[Mapping[str, NDArray[np.generic]], None, None]:
        """See `InferenceServer.infer_many`."""
        ...

    def infer_stream(
        self,
        name: str,
        inputs: Mapping[str, NDArray[np.generic]],
        *,
        timeout: float,
        options: RequestOptions | None = None,
    ) -> Generator[Mapping[str, NDArray[np.generic]], None, None]:
        """See `InferenceServer.infer_stream`."""
        ...

    def close(self) -> None:
        """See `InferenceServer.close`."""
        ...
