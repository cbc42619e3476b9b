"""Sees to it that Triton notices a new configuration.

A load does nothing unless the newest time in the model's directory is later than at the last
load, and Triton reads an object's time in whole seconds. So a configuration, whose write is what
every load follows, is written in a later second than all that lies beside it. Both times are
the service's own: the clock of this machine does not matter.
"""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from triton_deploy_core.clock import Clock
from triton_deploy_storage._s3.listing import pages
from triton_deploy_storage._s3.location import S3Location

_CONFIG_FILE = "config.pbtxt"
_TICK_SECONDS = 1.0


def wait_until_noticed(client: Any, location: S3Location, key: str, clock: Clock) -> None:
    """Wait, a second at most, until a write of this key gets a time that is new to Triton."""
    directory, _, name = key.rpartition("/")
    if name != _CONFIG_FILE or not directory or "/" in directory:
        return
    newest, now = datetime.min.replace(tzinfo=timezone.utc), None
    for page in pages(client, Bucket=location.bucket, Prefix=f"{location.root}{directory}/"):
        now = now or _served_at(page)
        newest = max([newest, *(item["LastModified"] for item in page.get("Contents", ()))])
    if now is None or newest.replace(microsecond=0) >= now:
        clock.sleep(_TICK_SECONDS)


def _served_at(page: Any) -> datetime | None:
    date = page["ResponseMetadata"]["HTTPHeaders"].get("date")
    return None if date is None else parsedate_to_datetime(date)
