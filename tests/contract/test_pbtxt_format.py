"""`PbtxtFormat` keeps the contract of `ConfigFormat`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from triton_deploy_core.testing.config_format_contract import ConfigFormatContract
from triton_deploy_transport.pbtxt import PbtxtFormat

if TYPE_CHECKING:
    from triton_deploy_core.ports.config_format import ConfigFormat


class TestPbtxtFormat(ConfigFormatContract):
    @pytest.fixture
    def configs(self) -> ConfigFormat:
        return PbtxtFormat()
