"""The parts of an ensemble, loaded by themselves before it is.

A load of the ensemble would load them too. But if one failed then, Triton would unload the
ensemble that serves (seen on Triton 2.51).
"""

from __future__ import annotations

from functools import partial

from triton_deploy_core import serving
from triton_deploy_core.clock import Deadline
from triton_deploy_core.differences import picked_versions
from triton_deploy_core.ensembles import chain
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.ports.config_format import ConfigFormat
from triton_deploy_core.ports.server import InferenceServer
from triton_deploy_core.ports.store import BlobStore
from triton_deploy_core.snapshot import Snapshot


def load_parts(
    server: InferenceServer,
    store: BlobStore,
    configs: ConfigFormat,
    now: Snapshot,
    deadline: Deadline,
    *,
    permit: serving.Permit = serving.always,
) -> None:
    """Load the parts of what a configuration picks, where they are not loaded.

    Args:
        server: the server, or several.
        store: the repository.
        configs: reads ``config.pbtxt``.
        now: what there is of the ensemble, or of any model: that has none.
        deadline: for each part.
        permit: called before each request.

    Raises:
        LoadFailedError: Triton refused one.
        LoadTimeoutError: it was still loading one at the deadline.
    """
    picked = picked_versions(now.config, now.files, configs)
    for part in sorted(chain.parts_in(store, now, picked)):
        load_part(server, store, configs, part, deadline, permit=permit)


def load_part(
    server: InferenceServer,
    store: BlobStore,
    configs: ConfigFormat,
    part: DeploymentName,
    deadline: Deadline,
    *,
    permit: serving.Permit = serving.always,
) -> None:
    """Load one part, where it is not loaded: see `load_parts`."""
    now = Snapshot.take(store, part)
    versions = picked_versions(now.config, now.files, configs)
    told = server.ask_each(partial(_ready_versions, name=str(part)))
    missing = server.part({url for url, ready in told.items() if ready != versions})
    if versions and missing is not None:
        serving.load(missing, part, versions, deadline, permit=permit)


def _ready_versions(server: InferenceServer, name: str) -> frozenset[int]:
    return server.ready_versions(name)
