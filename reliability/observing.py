"""What a server serves, asked without any of the code under test."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from reliability.models import REQUEST

_SECONDS = 30


def answers(url: str, name: str) -> frozenset[str]:
    """Return what each version of a model that serves answers."""
    rows = _post(f"{url}/v2/repository/index", {"ready": True})
    versions = [row["version"] for row in rows if row["name"] == name and "version" in row]
    found = set()
    for version in versions:
        reply = _post(f"{url}/v2/models/{name}/versions/{version}/infer", REQUEST)
        found.add(reply["outputs"][0]["data"][0])
    return frozenset(found)


def is_ready(url: str) -> bool:
    """Return what ``/v2/health/ready`` says."""
    try:
        with urllib.request.urlopen(f"{url}/v2/health/ready", timeout=_SECONDS):
            return True
    except urllib.error.HTTPError:
        return False


def _post(url: str, body: Any) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=_SECONDS) as reply:
        return json.load(reply)
