"""Opens the fast lane of a bucket on S3, with the credentials and the address that boto3 found."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triton_deploy_storage._s3.limits import Limits

if TYPE_CHECKING:
    from obstore.store import ClientConfig

    from triton_deploy_storage._objects.fast_lane import FastLane

_CONNECT_SECONDS = 10
_REQUEST_SECONDS = 180
_LONGEST_PAUSE_SECONDS = 15
# obstore asks again five minutes before the end; boto3 renews them by itself long before.
_CREDENTIALS_LAST = timedelta(minutes=10)


def open_lane(session: Any, client: Any, bucket: str, limits: Limits) -> FastLane | None:
    """Return the lane to a bucket, None where there is none: all can be done without.

    Args:
        session: botocore's.
        client: boto3's, made of it.
        bucket: the bucket's name.
        limits: the store's.
    """
    try:
        from obstore.exceptions import BaseError  # noqa: PLC0415  (where there is none, boto3 does)
        from obstore.store import S3Store  # noqa: PLC0415

        from triton_deploy_storage._objects.fast_lane import FastLane  # noqa: PLC0415
    except ModuleNotFoundError:
        return None
    credentials = session.get_credentials()
    if credentials is None:
        return None
    endpoint = client.meta.endpoint_url
    options: ClientConfig = {
        "allow_http": endpoint.startswith("http://"),
        "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
        "timeout": timedelta(seconds=_REQUEST_SECONDS),
    }
    bundle = session.get_config_variable("ca_bundle")
    region = client.meta.region_name
    try:
        if bundle:
            options["root_certificate"] = Path(bundle).read_bytes()
        store = S3Store(
            bucket,
            endpoint=endpoint,
            region="us-east-1" if region in {None, "aws-global"} else region,
            virtual_hosted_style_request=False,
            # The service checks it, for every request and every part.
            checksum_algorithm="SHA256",
            unsigned_payload=False,
            skip_signature=False,
            credential_provider=_provider(credentials),
            client_options=options,
            retry_config={
                "max_retries": limits.lane_attempts - 1,
                "backoff": {
                    "init_backoff": timedelta(seconds=limits.lane_pause_seconds),
                    "max_backoff": timedelta(seconds=_LONGEST_PAUSE_SECONDS),
                    "base": 2,
                },
                "retry_timeout": timedelta(seconds=_REQUEST_SECONDS),
            },
        )
    except (BaseError, ValueError, OSError):
        return None
    return FastLane(store, limits.parts_at_once)


def _provider(credentials: Any) -> Callable[[], Any]:
    def provide() -> dict[str, Any]:
        frozen = credentials.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(timezone.utc) + _CREDENTIALS_LAST,
        }

    return provide
