"""A location means to us what it means to Triton, or it is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_core.testing.strategies import keys
from triton_deploy_storage.s3 import S3Location

# As in S3FileSystem of Triton's core (src/filesystem/implementations/s3.h).
TRITONS_FORM = re.compile(
    r"s3://(http://|https://|)([0-9a-zA-Z\-.]+):([0-9]+)/([0-9a-z.\-]+)(((/[0-9a-zA-Z.\-_]+)*)?)"
)

authorities = st.text("ab9.-_A:@", max_size=6) | st.sampled_from(
    ["bucket", "host:9000", "host:", "host", "10.0.0.1:80", "host:99999", "user:pw@host:1"]
)
segments = st.sampled_from(
    ["", ".", "..", "models", "my models", "a_b", "%41", "é", "~", "http:", "s3:", "x:1", "\n"]
)
locations = st.builds(
    lambda scheme, protocol, authority, path: "/".join([scheme + protocol + authority, *path]),
    st.sampled_from(["s3://", "s3://", "s3://", "S3://", "s3:/", ""]),
    st.sampled_from(["", "", "http://", "https://", "ftp://"]),
    authorities,
    st.lists(segments, max_size=4),
)


def tritons_reading(path: str) -> tuple[str | None, str, str]:
    """Endpoint, bucket and object: `CleanPath`, then `ParsePath`."""
    rest = path[path.find("s3://") + len("s3://") :]
    clean = "s3://"
    for protocol in ("https://", "http://"):
        if (start := rest.find(protocol)) >= 0:
            rest = rest[start + len(protocol) :]
            clean += protocol
            break
    clean += re.sub("/+", "/", rest.strip("/"))
    match = TRITONS_FORM.fullmatch(clean)
    if match is not None:
        endpoint = f"{match[1] or 'http://'}{match[2]}:{match[3]}"
        return endpoint, match[4], match[5].strip("/")
    bucket, _, key = clean.removeprefix("s3://").partition("/")
    return None, bucket, key


@given(locations, keys())
@example("s3://http://host:9000/bucket/prefix/", "iris/config.pbtxt")
@example("s3://bucket", "iris/a b")
def test_what_is_taken_is_read_as_triton_reads_it(location: str, key: str) -> None:
    try:
        parsed = S3Location.parse(location)
    except InvalidSettingError:
        return
    assert tritons_reading(location) == (parsed.endpoint, parsed.bucket, parsed.prefix)
    if parsed.can_hold(key) and "/" in key:
        expected = (parsed.endpoint, parsed.bucket, parsed.root + key)
        assert tritons_reading(f"{location}/{key}") == expected


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("s3://bucket", S3Location("bucket")),
        ("s3://bucket/", S3Location("bucket")),
        ("s3://bucket/some/my models/", S3Location("bucket", "some/my models")),
        ("s3://h:1/bucket", S3Location("bucket", "", "http://h:1")),
        ("s3://http://h.x:80/b/p/q", S3Location("b", "p/q", "http://h.x:80")),
        ("s3://https://h:443/b/p", S3Location("b", "p", "https://h:443")),
    ],
)
def test_what_is_taken(location: str, expected: S3Location) -> None:
    assert S3Location.parse(location) == expected


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("s3://https://minio.example.com/bucket", "port"),
        ("s3://http://h:99999/bucket", "port"),
        ("s3://http://h:80/Bucket", "lower-case"),
        ("s3://http://h:80/my_bucket", "lower-case"),
        ("s3://http://h:80", "lower-case"),
        ("s3://http://h:80/b/my models", "prefixes of letters"),
        ("s3://http://h_x:80/b", "host"),
        ("s3://bucket//prefix", "empty part"),
        ("s3://bucket/a/../b", "empty part"),
        ("s3:///prefix", "no bucket"),
        ("s3://", "no bucket"),
        ("S3://bucket", "lower case"),
        ("s3://bucket/a\nb", "control"),
        ("s3://user@bucket/p", "credentials"),
    ],
)
def test_what_is_refused_and_why(location: str, reason: str) -> None:
    with pytest.raises(InvalidSettingError, match=reason) as raised:
        S3Location.parse(location)
    assert "s3://bucket/prefix" in str(raised.value)
    assert "\n" not in str(raised.value)
