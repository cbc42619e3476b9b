"""What the repository holds under one name at the moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from triton_deploy_core import layout
from triton_deploy_core.errors import BlobNotFoundError, NotOursError, PartOfEnsembleError
from triton_deploy_core.fence import Fence
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import CONFIG_FILE
from triton_deploy_core.ports.store import Blob, BlobStore
from triton_deploy_core.records import RECORD_FILE, Record


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files of one name, and the contents of those that decide what is served.

    Attributes:
        name: whose files these are.
        files: path inside the model's directory → file. Empty: there is no such directory.
        config: the content of ``config.pbtxt``, None where there is none.
        named: path → content of the configurations for kinds of hardware.
        record: None where the directory is no deployment of ours.
        fence: versions that nothing may get.
    """

    name: DeploymentName
    files: Mapping[str, Blob]
    config: bytes | None
    named: Mapping[str, bytes]
    record: Record | None
    fence: Fence = field(default_factory=Fence)

    @property
    def exists(self) -> bool:
        """Whether there is a directory of that name at all."""
        return bool(self.files)

    @property
    def versions(self) -> frozenset[int]:
        """Every version that has a directory, served or not."""
        return layout.versions(self.files)

    @property
    def taken(self) -> frozenset[int]:
        """Every version that a new one can't be."""
        return self.versions | self.fence.versions

    @classmethod
    def take(cls, store: BlobStore, name: DeploymentName) -> Snapshot:
        """Read what there is."""
        start = layout.prefix(name)
        files = {blob.key[len(start) :]: blob for blob in store.list(start)}
        config = store.read(start + CONFIG_FILE).data if CONFIG_FILE in files else None
        paths = sorted(filter(layout.is_named_config, files))
        named = {path: store.read(start + path).data for path in paths}
        record = None
        if RECORD_FILE in files:
            record = Record.decode(store.read(start + RECORD_FILE).data, name)
        return cls(name, files, config, named, record)


def read_record(store: BlobStore, name: DeploymentName) -> Record | None:
    """Return the record of a deployment, None where the name has none."""
    try:
        data = store.read(layout.prefix(name) + RECORD_FILE).data
    except BlobNotFoundError:
        return None
    return Record.decode(data, name)


def require_ours(snapshot: Snapshot, location: str) -> None:
    """Make sure that a directory, where there is one, is a deployment of ours.

    Raises:
        NotOursError: it has no record.
        PartOfEnsembleError: it is a part of another one.
    """
    if snapshot.exists and snapshot.record is None:
        raise NotOursError(
            f"{location} holds a directory '{snapshot.name}' that no MLflow deployment made "
            f"(it has no {RECORD_FILE}). It is left as it is: choose another name, or remove it "
            "by hand."
        )
    if snapshot.record is not None:
        require_no_part(snapshot.record)


def require_no_part(record: Record) -> None:
    """Make sure that a record is not that of an ensemble's part.

    Raises:
        PartOfEnsembleError: it is.
    """
    if record.part_of:
        raise PartOfEnsembleError(
            f"'{record.name}' is a part of the deployment '{record.part_of}' and can't be deployed "
            f"or deleted by itself: update or delete '{record.part_of}', or choose another name."
        )
