"""Tells whether an object is what one certain request has put there.

The answer to a write can be lost, and the library sends it again. The second one finds the work
of the first: its condition does not hold any more, or its upload is over. So such a write bears a
mark in its object's metadata that no other has. Comparing contents would not do: two who write the
same would both take themselves for the winner.
"""

from __future__ import annotations

import uuid
from typing import Any

from botocore.exceptions import ClientError

_FIELD = "triton-deploy-write"
_GONE = frozenset({"404", "NoSuchKey", "NotFound"})


def mark() -> dict[str, Any]:
    """Return the parameter that marks a request to write as this one."""
    return {"Metadata": {_FIELD: uuid.uuid4().hex}}


def tag_of(client: Any, target: dict[str, str], marked: dict[str, Any]) -> str | None:
    """Return the tag of what the request with this mark has written; None if that is not there.

    Raises:
        ClientError: the service does not say.
    """
    try:
        head = client.head_object(**target)
    except ClientError as error:
        if str(error.response.get("Error", {}).get("Code", "")) in _GONE:
            return None
        raise
    if head.get("Metadata", {}).get(_FIELD) != marked["Metadata"][_FIELD]:
        return None
    return str(head["ETag"])
