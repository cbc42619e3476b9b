"""What a load that fails leaves behind, the readiness trap, and the ways out of it."""

from __future__ import annotations

import numpy as np
import pytest

from triton_deploy_core.errors import LoadFailedError
from triton_deploy_core.ports.server import IndexEntry, ModelState
from triton_deploy_core.testing.server_harness import TIMEOUT, ModelUnderTest
from triton_deploy_core.testing.server_laws.fixtures import ONES, ServerLaws

READY = ModelState.READY
UNAVAILABLE = ModelState.UNAVAILABLE


class FailedLoadLaws(ServerLaws):
    """What a load that fails leaves behind, the readiness trap, and the ways out of it."""

    def test_reason_and_readiness(self, model: ModelUnderTest) -> None:
        """The error has Triton's words, the server is not ready, unloading does not help."""
        model.configure()
        model.put_broken(1)
        with pytest.raises(LoadFailedError) as caught:
            model.load()
        assert "version 1 is at UNAVAILABLE state" in caught.value.reason
        assert "broken" in caught.value.reason
        (row,) = model.rows()
        assert (row.version, row.state) == (1, UNAVAILABLE)
        assert "broken" in row.reason
        assert not model.server.is_ready()
        model.unload()
        assert not model.server.is_ready()

    def test_good_content_heals(self, model: ModelUnderTest) -> None:
        """The failed name and version loads: the server is ready."""
        model.configure()
        model.put_broken(1)
        with pytest.raises(LoadFailedError):
            model.load()
        model.remove("1")
        model.put_good(1)
        model.load()
        assert model.server.ready_versions(model.name) == {1}
        assert model.server.is_ready()

    def test_other_versions_do_not_heal(self, model: ModelUnderTest) -> None:
        """It has to be the version that failed, even when its directory is gone."""
        model.configure()
        model.put_broken(1)
        with pytest.raises(LoadFailedError):
            model.load()
        model.remove("1")
        model.put_good(2)
        model.load()
        model.wait_until_quiet()
        assert model.states() == {1: UNAVAILABLE, 2: READY}
        assert not model.server.is_ready()

    def test_override_heals_without_directory(self, model: ModelUnderTest) -> None:
        """A model that comes with the load heals, and the server stays ready after its unload."""
        model.configure()
        model.put_broken(5)
        with pytest.raises(LoadFailedError):
            model.load()
        model.remove()
        assert not model.server.is_ready()
        model.load(model.override(5))
        assert model.server.is_ready()
        model.server.unload(model.name, timeout=TIMEOUT)
        model.wait(model.server.is_ready)
        assert model.server.ready_versions(model.name) == frozenset()
        assert model.rows() == []

    def test_old_version_goes_on_and_heals_the_new_number(self, model: ModelUnderTest) -> None:
        """A failed update: good content under the failed number heals, then it may go."""
        model.serve_only(1)
        model.put_good(1)
        model.load()
        model.put_broken(2)
        model.serve_only(2)
        with pytest.raises(LoadFailedError, match="version 2 is at UNAVAILABLE state"):
            model.load()
        assert model.server.ready_versions(model.name) == {1}
        model.serve_only(1)
        model.load()
        assert model.states() == {1: READY, 2: UNAVAILABLE}
        assert not model.server.is_ready()

        model.remove("2")
        model.put_good(2)
        model.serve_only(1, 2)
        model.load()
        assert model.server.is_ready()
        model.serve_only(1)
        model.load()
        model.wait(model.server.is_ready)
        model.remove("2")
        model.load()
        assert model.server.is_ready()
        assert model.rows() == [
            IndexEntry(model.name, 1, READY),
            IndexEntry(model.name, 2, UNAVAILABLE, "unloaded"),
        ]

    def test_failed_reload_of_what_serves_is_no_trap(self, model: ModelUnderTest) -> None:
        """The same number goes on with its old content, and the server is ready."""
        model.configure()
        model.put_good(1)
        model.load()
        model.remove("1")
        model.put_broken(1)
        with pytest.raises(LoadFailedError, match="broken"):
            model.load()
        assert model.rows() == [IndexEntry(model.name, 1, READY)]
        assert model.server.is_ready()
        outputs = model.server.infer(model.name, {"IN": ONES}, timeout=TIMEOUT)
        np.testing.assert_array_equal(outputs["OUT"], ONES)

    def test_one_failure_takes_all_new_versions_down(self, model: ModelUnderTest) -> None:
        """Of several versions in one load either all come up or none."""
        model.configure("all { }")
        model.put_good(1)
        model.put_broken(2)
        with pytest.raises(LoadFailedError, match="version 2 is at UNAVAILABLE state"):
            model.load()
        model.wait_until_quiet()
        assert model.server.ready_versions(model.name) == frozenset()
        assert model.states() == {1: UNAVAILABLE, 2: UNAVAILABLE}

    def test_no_version_to_serve(self, model: ModelUnderTest) -> None:
        """A policy that picks nothing keeps the server unready until the model loads."""
        model.serve_only(9)
        model.put_good(1)
        with pytest.raises(LoadFailedError, match="at least one version must be available"):
            model.load()
        assert not model.server.is_ready()
        assert model.rows() == []
        model.serve_only(1)
        model.load()
        assert model.server.is_ready()

    def test_no_version_to_serve_keeps_what_serves(self, model: ModelUnderTest) -> None:
        """Such a policy leaves a model that serves alone, and the server ready."""
        model.serve_only(1)
        model.put_good(1)
        model.load()
        model.serve_only(9)
        with pytest.raises(LoadFailedError, match="at least one version must be available"):
            model.load()
        assert model.server.ready_versions(model.name) == {1}
        assert model.server.is_ready()
