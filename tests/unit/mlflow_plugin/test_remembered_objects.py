"""Parts of objects are read once."""

from __future__ import annotations

from mlflow_triton.remembered_objects import RememberedObjects
from triton_deploy_core.ports.store import StoredObject

DATA = bytes(range(256)) * (16 << 10)  # 4 MiB


class Counting:
    def __init__(self) -> None:
        self.asked: list[tuple[str, int, int]] = []

    def reaches(self, uri: str, endpoint: str | None) -> bool:
        return True

    def list(self, uri: str) -> dict[str, StoredObject]:
        return {"a": StoredObject(f"{uri}/a", len(DATA), "1")}

    def read(self, stored: StoredObject, offset: int, length: int) -> bytes:
        self.asked.append((stored.uri, offset, length))
        return DATA[offset : offset + length]


def test_what_was_read_is_not_asked_for_again():
    counting = Counting()
    objects = RememberedObjects(counting)
    stored = objects.list("s3://b")["a"]
    assert objects.reaches("s3://b", None)
    for _ in range(3):
        assert objects.read(stored, 1, 2) == DATA[1:3]
        assert objects.read(stored, 0, 2) == DATA[:2]
    assert counting.asked == [("s3://b/a", 1, 2), ("s3://b/a", 0, 2)]


def test_another_content_is_read():
    counting = Counting()
    objects = RememberedObjects(counting)
    for tag in ("1", "2", "", ""):
        assert objects.read(StoredObject("s3://b/a", len(DATA), tag), 0, 2) == DATA[:2]
    assert len(counting.asked) == 4


def test_what_is_long_is_not_kept_nor_more_than_fits():
    counting = Counting()
    objects = RememberedObjects(counting)
    stored = objects.list("s3://b")["a"]
    for _ in range(2):
        assert objects.read(stored, 0, len(DATA)) == DATA
    assert len(counting.asked) == 2
    for start in range(20):
        objects.read(stored, start, 1 << 20)
    for start in range(20):
        objects.read(stored, start, 1 << 20)
    assert len(counting.asked) == 2 + 20 + 4
