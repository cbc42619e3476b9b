"""The contract of `BlobStore`, as a suite that every adapter binds.

An adapter gives a `StoreHarness` and inherits the laws::

    class TestMyStore(BlobStoreContract):
        def make_harness(self, tmp_path):
            return MyHarness(tmp_path / "models")

pytest collects the rest. Requires the extra ``testing``.
"""

from __future__ import annotations

from triton_deploy_core.testing.store_laws.deleting import DeletingLaws
from triton_deploy_core.testing.store_laws.guarding import GuardingLaws
from triton_deploy_core.testing.store_laws.listing import ListingLaws
from triton_deploy_core.testing.store_laws.reading import ReadingLaws
from triton_deploy_core.testing.store_laws.refusing import RefusingLaws
from triton_deploy_core.testing.store_laws.transferring import TransferLaws
from triton_deploy_core.testing.store_laws.writing import WritingLaws


class BlobStoreContract(
    ListingLaws,
    ReadingLaws,
    WritingLaws,
    TransferLaws,
    DeletingLaws,
    GuardingLaws,
    RefusingLaws,
):
    """Everything that the docstrings of `triton_deploy_core.ports.store` promise."""
