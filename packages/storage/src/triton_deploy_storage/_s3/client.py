"""Makes the boto3 client and the fast lane beside it, when they are first needed."""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.loaders import Loader, create_loader

from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_storage._s3.fast_lane import open_lane
from triton_deploy_storage._s3.limits import Limits
from triton_deploy_storage._s3.location import S3Location
from triton_deploy_storage._s3.s3_errors import s3_errors
from triton_deploy_storage._s3.whole_answers import require_whole_answers

if TYPE_CHECKING:
    from triton_deploy_storage._objects.fast_lane import FastLane

_CONNECT_SECONDS = 10
_READ_SECONDS = 60


class LazyClient:
    """A boto3 client of the default credential chain, made once and shared by all threads."""

    def __init__(self, location: S3Location, limits: Limits) -> None:
        self._location = location
        self._limits = limits
        self._lock = threading.Lock()
        self._made: tuple[Any, FastLane | None] | None = None

    def get(self) -> Any:
        """Return the client.

        Raises:
            InvalidSettingError: the endpoint that boto3 is set to is none.
            StoreAccessError: its profile or its credentials are missing.
        """
        return self._get()[0]

    def lane(self) -> FastLane | None:
        """Return the short cut beside the client, None where there is none.

        Raises:
            InvalidSettingError: as `get`.
            StoreAccessError: as `get`.
        """
        return self._get()[1]

    def _get(self) -> tuple[Any, FastLane | None]:
        with self._lock:
            if self._made is None:
                self._made = _make(self._location, self._limits)
            return self._made


def _make(location: S3Location, limits: Limits) -> tuple[Any, FastLane | None]:
    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": limits.attempts},
        max_pool_connections=limits.workers,
        # Triton addresses buckets of an endpoint by path, too.
        s3={"addressing_style": "path" if location.endpoint else "auto"},
    )
    try:
        with s3_errors(location.bucket, "use", "the settings for the repository"):
            core = _session()
            session = boto3.session.Session(botocore_session=core)
            client = session.client("s3", endpoint_url=location.endpoint, config=config)
            lane = open_lane(core, client, location.bucket, limits)
    except ValueError as error:
        raise InvalidSettingError(
            "the settings of boto3 name no S3 service: check AWS_ENDPOINT_URL and AWS_REGION"
        ) from error
    require_whole_answers(client, limits.attempts)
    return client, lane


def _session() -> Any:
    session = botocore.session.Session()
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    return session


@cache
def _loader(data_path: str | None) -> Loader:
    """Return what has read the description of S3: it takes ten times as long as all else here."""
    return create_loader(data_path)
