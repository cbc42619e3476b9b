from __future__ import annotations

import subprocess
import sys

import pytest

from triton_deploy_core import testing


@pytest.mark.parametrize("name", testing.__all__)
def test_public_name_is_there(name: str) -> None:
    assert getattr(testing, name).__name__ == name


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = testing.Nothing


def test_fakes_need_neither_pytest_nor_hypothesis() -> None:
    code = (
        "import sys; from triton_deploy_core.testing import FakeClock, MemoryStore, "
        "SimpleConfigFormat, SimulatedTriton; "
        "sys.exit(bool({'pytest', 'hypothesis'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
