"""The library's client, made when it is first needed, and how each of its calls is made."""

from __future__ import annotations

import os
import threading
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import google.auth
from google.api_core.retry import Retry
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError
from google.cloud.storage import Client
from google.cloud.storage.retry import DEFAULT_RETRY

from triton_deploy_storage._gcs.gcs_errors import gcs_errors
from triton_deploy_storage._gcs.limits import Limits
from triton_deploy_storage._gcs.location import GcsLocation
from triton_deploy_storage._gcs.whole_answers import WholeAnswers

_CONNECT_SECONDS = 10
_READ_SECONDS = 60


class Service:
    """A client of the application default credentials, shared by all threads.

    Where there are none, it asks as anybody, as Triton does: public buckets and emulators answer.

    Attributes:
        location: the repository's.
        limits: the store's.
        options: what each call to the library gets: time-outs in seconds, and which faults are
            tried again for how long.
    """

    def __init__(self, location: GcsLocation, limits: Limits) -> None:
        self.location = location
        self.limits = limits
        # The outcome of each call is the same when it is made twice, so all may be tried again.
        retry: Retry = DEFAULT_RETRY.with_timeout(limits.patience_seconds).with_delay(
            initial=limits.first_pause_seconds, maximum=limits.longest_pause_seconds
        )
        self.options: dict[str, Any] = {
            "timeout": (_CONNECT_SECONDS, _READ_SECONDS),
            "retry": retry,
        }
        self._lock = threading.Lock()
        self._client: Any = None
        self._adapter = WholeAnswers(
            pool_connections=2, pool_maxsize=limits.workers + limits.large_at_once
        )

    def client(self) -> Any:
        """Return the client.

        Raises:
            StoreAccessError: the credentials that are set can't be read.
        """
        with self._lock:
            if self._client is None:
                with gcs_errors(self.location.bucket, "use", "the settings for the repository"):
                    self._client = _make(self._adapter)
            return self._client

    def now(self) -> datetime:
        """Return the service's time, as its last answer has it; else this machine's."""
        date = self._adapter.date
        return parsedate_to_datetime(date) if date else datetime.now(timezone.utc)

    def blob(self, key: str) -> Any:
        """Return the library's handle of a key of the repository."""
        return self.foreign(self.location.bucket, self.location.root + key)

    def foreign(self, bucket: str, name: str) -> Any:
        """Return the library's handle of any object."""
        return self.client().bucket(bucket).blob(name)


def _make(adapter: WholeAnswers) -> Any:
    # Without a project: it is needed to make buckets only, and not always known.
    client = Client(project=None, credentials=_credentials())
    # For traces that nobody asked for, it would look up the bucket, which our role may not.
    client._bucket_metadata_cache = None  # noqa: SLF001
    for scheme in ("https://", "http://"):
        client._http.mount(scheme, adapter)  # noqa: SLF001  (as the library's own samples do)
    return client


def _credentials() -> Any:
    if os.environ.get("STORAGE_EMULATOR_HOST"):
        return AnonymousCredentials()  # type: ignore[no-untyped-call]
    try:
        return google.auth.default(scopes=Client.SCOPE)[0]
    except DefaultCredentialsError:
        if os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
            raise
        return AnonymousCredentials()  # type: ignore[no-untyped-call]
