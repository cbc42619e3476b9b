"""Ensembles: what comes up with one, and what takes it down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from triton_deploy_core.errors import LoadFailedError
from triton_deploy_core.testing.server_harness import ModelUnderTest
from triton_deploy_core.testing.server_laws.fixtures import ServerLaws


class EnsembleLaws(ServerLaws):
    """Ensembles: what comes up with one, and what takes it down."""

    @pytest.fixture
    def ensemble(self, model: ModelUnderTest) -> Iterator[ModelUnderTest]:
        """Return an ensemble that passes requests through the model, which is good."""
        model.configure()
        model.put_good(1)
        ensemble = replace(model, name=f"{model.name}.ensemble")
        model.harness.put(f"{ensemble.name}/1/parts.json", b"{}")
        _pass_through(ensemble, model.name)
        yield ensemble
        ensemble.unload()
        ensemble.remove()

    def test_a_load_loads_the_models_that_it_is_made_of(
        self, model: ModelUnderTest, ensemble: ModelUnderTest
    ) -> None:
        """An unload leaves them."""
        ensemble.load()
        assert model.server.ready_versions(ensemble.name) == {1}
        assert model.server.ready_versions(model.name) == {1}
        assert model.server.is_ready()
        ensemble.unload()
        assert model.server.ready_versions(ensemble.name) == frozenset()
        assert model.server.ready_versions(model.name) == {1}

    def test_one_that_is_refused_is_unloaded_and_so_is_one_that_misses_a_model(
        self, model: ModelUnderTest, ensemble: ModelUnderTest
    ) -> None:
        """Also where it served before."""
        ensemble.load()
        _pass_through(ensemble, f"{model.name}.nobody")
        with pytest.raises(LoadFailedError, match=r"\.nobody"):
            ensemble.load()
        assert model.server.ready_versions(ensemble.name) == frozenset()
        _pass_through(ensemble, model.name)
        ensemble.wait_until_quiet()
        ensemble.load()
        assert model.server.ready_versions(ensemble.name) == {1}
        model.unload()
        ensemble.wait_until_quiet()
        assert model.server.ready_versions(ensemble.name) == frozenset()


def _pass_through(ensemble: ModelUnderTest, part: str) -> None:
    tensor = "data_type: TYPE_FP32 dims: [ -1, 4 ]"
    config = f"""
    platform: "ensemble"
    max_batch_size: 0
    input {{ name: "IN" {tensor} }}
    output {{ name: "OUT" {tensor} }}
    ensemble_scheduling {{ step {{
        model_name: "{part}"
        model_version: -1
        input_map {{ key: "IN" value: "IN" }}
        output_map {{ key: "OUT" value: "OUT" }}
    }} }}
    """
    ensemble.harness.put(f"{ensemble.name}/config.pbtxt", config.encode())
