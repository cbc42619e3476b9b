from __future__ import annotations

import pytest

from triton_deploy_core.ports.config_format import ConfigFormat
from triton_deploy_core.testing.config_format import SimpleConfigFormat
from triton_deploy_core.testing.config_format_contract import ConfigFormatContract


class TestSimpleConfigFormat(ConfigFormatContract):
    @pytest.fixture
    def configs(self) -> ConfigFormat:
        return SimpleConfigFormat()
