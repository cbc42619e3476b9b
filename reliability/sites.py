"""Where models lie: a directory, a bucket on S3, a bucket on Google Cloud Storage."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

BUCKET = "models"
_PREFIX = "triton"


@dataclass(frozen=True)
class Site:
    """A repository, and the environment that everyone needs who reads it."""

    location: str
    environment: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def _local() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="reliability") as directory:
        yield Site(directory)


@contextmanager
def _s3() -> Iterator[Site]:
    from triton_deploy_storage.testing_s3 import CREDENTIALS, MotoServer  # noqa: PLC0415

    with MotoServer() as moto:
        client = moto.client()
        client.create_bucket(Bucket=BUCKET)
        # Triton does not start where nothing is below its prefix.
        client.put_object(Bucket=BUCKET, Key=f"{_PREFIX}/", Body=b"")
        with _environment(CREDENTIALS):
            yield Site(f"s3://{moto.endpoint}/{BUCKET}/{_PREFIX}", CREDENTIALS)


@contextmanager
def _gs() -> Iterator[Site]:
    from triton_deploy_storage.testing_gcs import GcsServer  # noqa: PLC0415

    with GcsServer() as server:
        # As on S3.
        server.bucket(BUCKET).put(f"{_PREFIX}/", b"")
        with _environment(server.environment):
            yield Site(f"gs://{BUCKET}/{_PREFIX}", server.environment)


SITES: Mapping[str, Callable[[], AbstractContextManager[Site]]] = {
    "local": _local,
    "s3": _s3,
    "gs": _gs,
}


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
