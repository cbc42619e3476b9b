"""A location means to us what it means to Triton, or it is refused."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_core.testing.strategies import keys
from triton_deploy_storage.gcs import GcsLocation

segments = st.sampled_from(
    ["", ".", "..", "models", "my models", "a_b", "%41", "é", "~", "gs:", "x:1", "?a=b", "#1", "\n"]
)
buckets = st.text("ab9.-_A:@", max_size=6) | st.just("bucket")
locations = st.builds(
    lambda scheme, bucket, path: "/".join([scheme + bucket, *path]),
    st.sampled_from(["gs://", "gs://", "gs://", "GS://", "gs:/", ""]),
    buckets,
    st.lists(segments, max_size=4),
)


def tritons_reading(path: str) -> tuple[str, str]:
    """Bucket and object, as in `ParsePath` of GCSFileSystem in Triton's core."""
    start = path.find("gs://") + len("gs://")
    end = path.find("/", start)
    if end > start:
        return path[start:end], path[end + 1 :]
    return path[start:], ""


def joined(path: str, *segments: str) -> str:
    """As Triton's `JoinPath` does."""
    for segment in segments:
        path += segment if path.endswith("/") else f"/{segment}"
    return path


@given(locations, keys())
@example("gs://bucket/prefix/", "iris/config.pbtxt")
@example("gs://bucket//", "iris/config.pbtxt")
@example("gs://bucket/prefix//", "iris/config.pbtxt")
@example("gs://bucket", "iris/a b")
def test_what_is_taken_is_read_as_triton_reads_it(location: str, key: str) -> None:
    try:
        parsed = GcsLocation.parse(location)
    except InvalidSettingError:
        return
    model, *path = key.removesuffix("/").split("/")
    found = tritons_reading(joined(location, model, *path))
    assert found == (parsed.bucket, parsed.root + key.removesuffix("/"))


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("gs://bucket", GcsLocation("bucket")),
        ("gs://bucket/", GcsLocation("bucket")),
        (
            "gs://my_bucket.example.com/some/my models/",
            GcsLocation("my_bucket.example.com", "some/my models"),
        ),
        ("gs://bucket/a?b#c%20", GcsLocation("bucket", "a?b#c%20")),
    ],
)
def test_what_is_taken(location: str, expected: GcsLocation) -> None:
    assert GcsLocation.parse(location) == expected


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("gs://", "no bucket"),
        ("gs:///prefix", "no bucket"),
        ("GS://bucket", "lower case"),
        ("gs:/bucket", "begin with"),
        ("gs://Bucket/p", "lower-case"),
        ("gs://-bucket/p", "lower-case"),
        ("gs://localhost:4443/bucket", "STORAGE_EMULATOR_HOST"),
        ("gs://user@bucket/p", "credentials"),
        ("gs://user:hunter2@bucket/p", "credentials"),
        ("gs://bucket//", "empty part"),
        ("gs://bucket//prefix", "empty part"),
        ("gs://bucket/prefix//", "empty part"),
        ("gs://bucket/a/../b", "empty part"),
        ("gs://bucket/a\nb", "control"),
    ],
)
def test_what_is_refused_and_why(location: str, reason: str) -> None:
    with pytest.raises(InvalidSettingError, match=reason) as raised:
        GcsLocation.parse(location)
    assert "gs://bucket/prefix" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "hunter2" not in str(raised.value)
