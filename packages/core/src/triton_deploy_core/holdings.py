"""What a deployment holds already, file by file, against what a package brings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from triton_deploy_core import layout
from triton_deploy_core.digests import Digest, Digests
from triton_deploy_core.fingerprints import Fingerprints
from triton_deploy_core.keys import is_marker, without_implied
from triton_deploy_core.ports.store import Blob, Source, StoredBlob
from triton_deploy_core.remembered import Remembered
from triton_deploy_core.snapshot import Snapshot

_OF_TRITON = "__pycache__"


class Holdings:
    """The files of one name whose bytes are known.

    Args:
        now: what there is.
        digests: what was written down of it. An entry counts while its file has the same tag.

    Attributes:
        digests: what was written down.
    """

    def __init__(self, now: Snapshot, digests: Digests) -> None:
        self._prefix = layout.prefix(now.name)
        self._files = now.files
        self._fingerprints = Fingerprints()
        self.digests = digests
        self._recent = [number for number in digests.recent if number in now.versions]
        self._known = {
            path: digest
            for path, digest in digests.files.items()
            if _is_unchanged(now.files.get(path), digest)
        }
        self._sizes = {digest.size for digest in self._known.values()}
        self._places: dict[str, list[str]] = {}
        for path, digest in self._known.items():
            self._places.setdefault(digest.fingerprint, []).append(path)

    def has(self, path: str, source: Source) -> bool:
        """Tell whether just these bytes are at that path already."""
        if is_marker(path) or self._is_itself(path, source):
            return path in self._files
        digest = self._known.get(path)
        if digest is None or digest.size != source.size:
            return False
        return digest.fingerprint == self._fingerprints.of(source)

    def has_version(self, number: int, files: Mapping[str, Source]) -> bool:
        """Tell whether a version directory is just these files, but for what Triton adds itself.

        Args:
            number: the version.
            files: path inside the version directory → source.
        """
        own = f"{number}/"
        present = {path.removeprefix(own) for path in self._files if path.startswith(own)} - {""}
        wanted = without_implied(files)
        if {path for path in present if not is_tritons(path)} - wanted:
            return False
        return bool(wanted) and all(self.has(own + path, files[path]) for path in wanted)

    def by_age(self, versions: Iterable[int], *, last: Collection[int]) -> list[int]:
        """Return versions in the order in which they served.

        Those of which nobody knows come first, by number.

        Args:
            versions: the versions.
            last: those of them that serve now.
        """
        age = {number: at for at, number in enumerate(self._recent, 1)}
        return sorted(versions, key=lambda number: (number in last, age.get(number, 0), number))

    def changed(self, paths: Iterable[str]) -> set[str]:
        """Return those of some paths whose bytes are not those that were written down."""
        return {
            path
            for path in paths
            if path not in self._known and not is_marker(path) and not is_tritons(path)
        }

    def written_below(self, directory: str) -> set[str]:
        """Return the paths below a directory whose bytes were written down, there or not."""
        return {path for path in self.digests.files if path.startswith(directory)}

    def beside(self, versions: Iterable[int]) -> set[str]:
        """Return the large files outside of version directories that some versions need."""
        known = self.digests.remembered
        return {path for number in versions if number in known for path in known[number].large}

    def nearest(self, source: Source, *, unusable: Collection[str]) -> Source:
        """Return where to take the bytes of a source from: the repository, if it holds them.

        Args:
            source: where they come from otherwise.
            unusable: paths that are going to be replaced or removed before they are read.
        """
        if not source.size or source.size not in self._sizes:
            return source
        for path in self._places.get(self._fingerprints.of(source) or "", ()):
            if path not in unusable:
                return StoredBlob(self._prefix + path, source.size)
        return source

    def watch(self, sources: Iterable[Source]) -> None:
        """Take note of sources that are about to be transferred; see `after`."""
        for source in sources:
            self._fingerprints.watch(source)

    def after(
        self,
        contents: Mapping[str, Source],
        files: Mapping[str, Blob],
        serves: Collection[int],
        remembered: Remembered | None = None,
    ) -> Digests:
        """Return what is to be written down once a package is in place.

        A file on this machine that was written since one began to watch it is left out: nobody
        knows which of its contents was transferred.

        Args:
            contents: path inside the model's directory → source of the package's files.
            files: the files that are there now.
            serves: the versions that serve now.
            remembered: how they were deployed; None where nobody could go back to them.
        """
        brought = {path: one for path, one in contents.items() if not self._is_itself(path, one)}
        known = {
            path: digest
            for path, digest in self._known.items()
            if path not in brought and _is_unchanged(files.get(path), digest)
        }
        for path, source in brought.items():
            fingerprint = None if is_marker(path) else self._fingerprints.of(source)
            if fingerprint is None or not self._fingerprints.is_as_watched(source):
                continue
            if path in files and files[path].size == source.size:
                known[path] = Digest(files[path].etag, source.size, fingerprint)
        earlier = [number for number in self._recent if number not in serves]
        return Digests(
            known,
            (*earlier, *sorted(serves)),
            self.remembering(serves, remembered, present=layout.versions(files)).remembered,
        )

    def remembering(
        self, serves: Collection[int], remembered: Remembered | None, *, present: Collection[int]
    ) -> Digests:
        """Return what was written down, with how versions that serve were deployed."""
        kept = {
            number: one
            for number, one in self.digests.remembered.items()
            if number in present and number not in serves
        }
        new = {} if remembered is None else dict.fromkeys(serves, remembered)
        return replace(self.digests, remembered=kept | new)

    def _is_itself(self, path: str, source: Source) -> bool:
        return isinstance(source, StoredBlob) and source.key == self._prefix + path


def _is_unchanged(blob: Blob | None, digest: Digest) -> bool:
    return blob is not None and (blob.etag, blob.size) == (digest.etag, digest.size)


def is_tritons(path: str) -> bool:
    """Whether Triton's python backend wrote it, beside what it read (``__pycache__/m.pyc``)."""
    return _OF_TRITON in path.split("/")
