"""A local repository for contract suites: `StoreHarness` for `LocalStore`."""

from __future__ import annotations

from pathlib import Path

from triton_deploy_core.ports.store import StoredObject
from triton_deploy_storage.local import LocalStore


class LocalHarness:
    """A `StoreHarness` that looks at the directory with pathlib alone.

    Args:
        place: an empty directory, in which the repository is made.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self.root = place / "models"
        self.root.mkdir()
        self.store = LocalStore(self.root)

    def another(self) -> LocalStore:
        """See `StoreHarness.another`."""
        return LocalStore(self.root)

    def missing(self) -> LocalStore:
        """See `StoreHarness.missing`."""
        return LocalStore(self._place / "missing")

    def raw_write(self, key: str, data: bytes) -> None:
        """See `StoreHarness.raw_write`."""
        path = self.root / key
        if key.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def raw_snapshot(self) -> dict[str, bytes]:
        """See `StoreHarness.raw_snapshot`."""
        found = {}
        for path in self.root.rglob("*"):
            key = path.relative_to(self.root).as_posix()
            if path.is_file():
                found[key] = path.read_bytes()
            elif path.is_dir() and not any(path.iterdir()):
                found[key + "/"] = b""
        found.pop(".triton-deploy.lock", None)
        return found

    def stored_object(self, data: bytes) -> StoredObject:
        """See `StoreHarness.stored_object`."""
        path = self._place / "outside with space"
        path.write_bytes(data)
        return StoredObject(path.as_uri(), len(data))

    def close(self) -> None:
        """See `StoreHarness.close`. The place belongs to the caller."""
