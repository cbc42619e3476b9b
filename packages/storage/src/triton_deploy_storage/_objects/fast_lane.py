"""A short cut for the many objects of a model: `obstore`, beside the service's own client.

It is ten times as fast with small objects (see ``docs/adr/0007-data-path.md``), but says little
of what went wrong. So it never has the last word: what it can't do, its caller does once more by
the service's own client, whose errors tell why. A lane that never got anywhere closes itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import obstore
from obstore.exceptions import BaseError

from triton_deploy_core.ports.store import BlobContent
from triton_deploy_core.small_files import MAX_SMALL_FILE_BYTES

_Result = TypeVar("_Result")
# Before 0.12, parts of an upload that failed stay in the bucket, and cost.
_REMOVES_PARTS = tuple(map(int, obstore.__version__.split(".")[:2])) >= (0, 12)
_NO_SUCH_OBJECT = "<Code>NoSuchKey</Code>"


class FastLane:
    """Puts, reads and deletes objects of one bucket; may be used by many threads at once.

    Args:
        bucket: an object store of `obstore`. It has the service check what it is sent.
        parts_at_once: of one object that is put in parts.
    """

    def __init__(self, bucket: Any, parts_at_once: int) -> None:
        self._bucket = bucket
        self._parts_at_once = parts_at_once
        self._is_proven = False
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """Whether it never got anywhere, so that trying again is no use."""
        return self._is_closed

    def put(self, name: str, data: bytes) -> bool:
        """Put an object in one request; tell whether that was possible."""
        done = self._attempt(
            name, lambda: obstore.put(self._bucket, name, data, use_multipart=False)
        )
        return done is not None

    def put_parts(self, name: str, parts: Iterator[bytes], length: int) -> bool:
        """Put an object in parts of this length; tell whether that was possible.

        What the iterator raises ends the upload, whose parts are removed, and is raised here.
        """
        if not _REMOVES_PARTS:
            return False
        done = self._attempt(
            name,
            lambda: obstore.put(
                self._bucket,
                name,
                parts,
                use_multipart=True,
                chunk_size=length,
                max_concurrency=self._parts_at_once,
            ),
        )
        return done is not None

    def read(self, name: str) -> BlobContent | None:
        """Return a small object, None if that was not possible.

        Raises:
            KeyError: the service says that there is no such object.
        """
        return self._attempt(name, lambda: self._get(name))

    def delete(self, names: Sequence[str]) -> bool:
        """Delete objects, whether they are there or not; tell whether that was possible."""
        if any(map(_is_changed, names)):
            return False

        def delete() -> bool:
            try:
                obstore.delete(self._bucket, names)
            except TypeError as error:  # for a name that it does not take
                raise ValueError from error
            return True

        return self._attempt("", delete) is not None

    def _get(self, name: str) -> BlobContent | None:
        try:
            found = obstore.get(self._bucket, name)
        except FileNotFoundError as error:
            if _NO_SUCH_OBJECT in str(error):
                raise KeyError(name) from None
            raise
        tag = found.meta["e_tag"]
        if tag is None or found.meta["size"] > MAX_SMALL_FILE_BYTES:
            return None
        return BlobContent(bytes(found.bytes()), tag)

    def _attempt(self, name: str, request: Callable[[], _Result]) -> _Result | None:
        if self._is_closed or _is_changed(name):
            return None
        try:
            result = request()
        except ValueError:
            return None  # a name that it does not take, such as one with a line break
        except (BaseError, OSError):
            self._is_closed = not self._is_proven
            return None
        self._is_proven = True
        return result


def _is_changed(name: str) -> bool:
    """Tell whether obstore would ask for another name: it drops slashes at both ends."""
    return name != name.strip("/")
