"""`LocalStore` behaves like a dict, whatever is done to it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from triton_deploy_core.testing.store_machine import store_machine
from triton_deploy_storage.testing import LocalHarness


class TemporaryHarness(LocalHarness):
    """Each run of the machine has a place of its own, which pytest's fixture would not give."""

    def __init__(self) -> None:
        self._temporary = TemporaryDirectory()
        super().__init__(Path(self._temporary.name))

    def close(self) -> None:
        self._temporary.cleanup()


TestLocalStoreMachine = store_machine(TemporaryHarness).TestCase
