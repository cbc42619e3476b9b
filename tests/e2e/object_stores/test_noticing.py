"""A configuration must get a later time to count: Triton reads S3's in seconds, GCS's in full."""

from __future__ import annotations

import pytest

from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import Content, Transfer
from triton_deploy_storage import open_store
from triton_deploy_transport import connect

FLIPS = 6
# An ensemble is loaded within milliseconds, several times in a second.
CONFIG = """\
platform: "ensemble"
input [ { name: "IN" data_type: TYPE_FP32 dims: [ -1, 3 ] } ]
output [ { name: "OUT" data_type: TYPE_FP32 dims: [ -1, 3 ] } ]
ensemble_scheduling {
  step [
    {
      model_name: "twice"
      model_version: -1
      input_map { key: "x" value: "IN" }
      output_map { key: "y" value: "OUT" }
    }
  ]
}
version_policy { specific { versions: [ %d ] } }
"""


@pytest.fixture
def flip(site, client):
    """Writes a configuration, has Triton load it, and tells whether it serves what that says."""
    client.create_deployment("twice", "models:/twice/1")
    store, server = open_store(site.repository), connect(site.triton.http_url)
    store.transfer([Transfer(f"flip/{number}/", Content(b"")) for number in (1, 2)], NoProgress())

    def flip(version: int, write) -> bool:
        write("flip/config.pbtxt", (CONFIG % version).encode())
        server.load("flip", timeout=60)
        return version in server.ready_versions("flip")

    yield flip
    server.unload("flip", timeout=60)
    store.delete([blob.key for blob in store.list("flip/")])
    server.close()


def test_every_configuration_that_the_store_writes_is_noticed(site, flip):
    write = open_store(site.repository).write
    assert all(flip(1 + turn % 2, write) for turn in range(FLIPS))


def test_of_those_that_are_written_at_once_some_are_lost_on_s3(site, flip):
    """Why the store waits on S3, and does not on GCS."""
    noticed = [flip(1 + turn % 2, site.put) for turn in range(5 * FLIPS)]
    assert all(noticed) == (site.scheme == "gs")
