"""The port to objects outside of a repository that its service can copy into it by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from triton_deploy_core.ports.store import StoredObject


class ObjectReader(Protocol):
    """Looks at what `BlobStore.transfer` of one repository copies inside the service.

    It uses the address and the credentials that the copy will use, so what it finds can be
    copied. Methods raise the `StoreError` of the repository's own adapter. They may be called
    from several threads.
    """

    def reaches(self, uri: str, endpoint: str | None) -> bool:
        """Tell whether a URI names something in the very service that holds the repository.

        Args:
            uri: as somebody else uses it.
            endpoint: the service's URL that they use it with; None: the one that the service's
                library takes where nobody says another.
        """
        ...

    def list(self, uri: str) -> Mapping[str, StoredObject]:
        """Return everything below a directory: relative path → object, with its tag.

        Directory markers are left out. Nothing there: nothing returned.
        """
        ...

    def read(self, found: StoredObject, offset: int, length: int) -> bytes:
        """Return a part of an object that `list` found: less only where the object ends.

        Raises:
            ModelSourceError: it is another object by now, or gone.
        """
        ...
