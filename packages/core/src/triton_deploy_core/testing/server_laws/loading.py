"""Loading, unloading and what the index says."""

from __future__ import annotations

import pytest

from triton_deploy_core.errors import ControlModeError, LoadFailedError
from triton_deploy_core.ports.server import IndexEntry, LoadOverride, ModelState
from triton_deploy_core.testing.server_harness import TIMEOUT, ModelUnderTest, ServerHarness
from triton_deploy_core.testing.server_laws.fixtures import ServerLaws

READY = ModelState.READY
UNAVAILABLE = ModelState.UNAVAILABLE
POLL_FAILED = "failed to poll from model repository"


class LoadingLaws(ServerLaws):
    """Loading, unloading and what the index says."""

    def test_lives_and_is_ready(self, harness: ServerHarness) -> None:
        """A server with nothing wrong is live and ready."""
        assert harness.server.is_live()
        assert harness.server.is_ready()

    def test_url_has_no_secret_and_fits_in_a_message(self, harness: ServerHarness) -> None:
        """The URL is printable and bears no credentials."""
        assert harness.server.url.isprintable()
        assert "@" not in harness.server.url

    def test_directory_that_was_never_loaded(self, model: ModelUnderTest) -> None:
        """The index names it, without a version."""
        model.configure()
        model.put_good(1)
        assert model.rows() == [IndexEntry(model.name, None, ModelState.UNKNOWN)]
        assert model.server.ready_versions(model.name) == frozenset()

    def test_load_serves(self, model: ModelUnderTest) -> None:
        """A load returns when the model serves."""
        model.configure()
        model.put_good(1)
        model.load()
        assert model.server.ready_versions(model.name) == {1}
        assert (model.name, 1) in model.server.loaded()
        assert model.rows() == [IndexEntry(model.name, 1, READY)]
        assert model.server.is_ready()

    def test_unload_ends(self, model: ModelUnderTest) -> None:
        """A server that is ready after an unload has finished it."""
        model.configure()
        model.put_good(1)
        model.load()
        model.server.unload(model.name, timeout=TIMEOUT)
        model.wait(model.server.is_ready)
        assert model.rows() == [IndexEntry(model.name, 1, UNAVAILABLE, "unloaded")]
        assert model.server.ready_versions(model.name) == frozenset()
        assert (model.name, 1) not in model.server.loaded()

    def test_unload_of_an_unknown_model(self, model: ModelUnderTest) -> None:
        """It is no error and changes nothing."""
        model.server.unload(model.name, timeout=TIMEOUT)
        assert model.server.is_ready()

    def test_unload_of_a_model_whose_directory_is_gone(self, model: ModelUnderTest) -> None:
        """The index does not name it any more, but it serves until it is unloaded."""
        model.configure()
        model.put_good(1)
        model.load()
        model.remove()
        assert model.rows() == []
        assert model.server.ready_versions(model.name) == {1}
        model.server.unload(model.name, timeout=TIMEOUT)
        model.wait(model.server.is_ready)
        assert model.server.ready_versions(model.name) == frozenset()

    def test_load_without_directory(self, model: ModelUnderTest) -> None:
        """It fails, with no word of the cause, and the server stays ready."""
        with pytest.raises(LoadFailedError) as caught:
            model.load()
        assert POLL_FAILED in caught.value.reason
        assert model.server.is_ready()

    def test_load_under_another_name(self, model: ModelUnderTest) -> None:
        """A configuration whose name is not the directory's is refused."""
        model.configure(name="another")
        model.put_good(1)
        with pytest.raises(LoadFailedError, match=POLL_FAILED):
            model.load()
        assert model.server.is_ready()

    def test_config_that_breaks_keeps_what_serves(
        self, model: ModelUnderTest, harness: ServerHarness
    ) -> None:
        """A configuration that can't be parsed changes nothing on the server."""
        model.configure()
        model.put_good(1)
        model.load()
        harness.put(f"{model.name}/config.pbtxt", b"rubbish {{{")
        with pytest.raises(LoadFailedError, match=POLL_FAILED):
            model.load()
        assert model.server.ready_versions(model.name) == {1}
        assert model.server.is_ready()

    def test_flip_of_the_version(self, model: ModelUnderTest) -> None:
        """Another version in the policy: it comes up, the old one goes down."""
        model.serve_only(1)
        model.put_good(1)
        model.put_good(7, "second")
        model.load()
        assert model.server.ready_versions(model.name) == {1}
        model.serve_only(7)
        model.load()
        assert model.server.ready_versions(model.name) == {7}
        model.wait(model.server.is_ready)
        assert model.rows() == [
            IndexEntry(model.name, 1, UNAVAILABLE, "unloaded"),
            IndexEntry(model.name, 7, READY),
        ]

    def test_policies(self, model: ModelUnderTest) -> None:
        """All, the latest, and the default, which is the latest one."""
        for version in (1, 2, 10):
            model.put_good(version)
        for policy, served in {
            "all { }": {1, 2, 10},
            "latest { num_versions: 2 }": {2, 10},
            "": {10},
            "specific { versions: [ 2, 5 ] }": {2},
        }.items():
            model.configure(policy)
            model.load()
            assert model.server.ready_versions(model.name) == served

    def test_what_is_no_version(self, model: ModelUnderTest, harness: ServerHarness) -> None:
        """Other directories, and numbers with leading zeros, are not served."""
        model.configure("all { }")
        model.put_good(1)
        harness.put(f"{model.name}/.deploy/3/file", b"x")
        harness.put(f"{model.name}/007/file", b"x")
        model.load()
        assert model.server.ready_versions(model.name) == {1}

    def test_override_replaces_the_directory(self, model: ModelUnderTest) -> None:
        """Files that come with a load stand for all; the next plain load reads the repository."""
        model.configure()
        model.put_good(1)
        model.load(model.override(4))
        assert model.server.ready_versions(model.name) == {4}
        model.load()
        assert model.server.ready_versions(model.name) == {1}

    def test_override_of_the_configuration(self, model: ModelUnderTest) -> None:
        """A configuration that comes with a load is in force."""
        model.configure()
        model.put_good(1)
        config = {**model.json_config(), "parameters": {"of": {"string_value": "the call"}}}
        model.load(LoadOverride(config))
        parameters = model.server.config(model.name)["parameters"]
        assert parameters == {"of": {"string_value": "the call"}}

    def test_not_in_explicit_mode(self, harness: ServerHarness) -> None:
        """Such a server takes neither loads nor unloads."""
        context = harness.not_explicit()
        if context is None:
            pytest.skip("this harness has no such server")
        with context as server:
            with pytest.raises(ControlModeError):
                server.load("any", timeout=TIMEOUT)
            with pytest.raises(ControlModeError):
                server.unload("any", timeout=TIMEOUT)
