"""What the tests of all laws share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from triton_deploy_core.testing.server_harness import ModelUnderTest, ServerHarness

ONES = np.ones((2, 4), np.float32)
"""Fits the input of the model under test, unless it takes batches."""


class ServerLaws:
    """Gives each test a model of its own. The module that binds it gives the fixture `harness`."""

    @pytest.fixture
    def model(self, harness: ServerHarness) -> Iterator[ModelUnderTest]:
        """Return a model that nobody used before; afterwards it is gone."""
        model = ModelUnderTest.unique(harness)
        yield model
        model.clean_up()
