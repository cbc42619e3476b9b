"""Out of the readiness trap: a version that failed to load keeps the whole server unready.

Triton's ``/v2/health/ready`` stays false until *that name and version* loads (seen on Triton
2.51). So the failed number is lent to content that is known to be good, and taken back.
"""

from __future__ import annotations

from triton_deploy_core import serving
from triton_deploy_core.clock import Deadline
from triton_deploy_core.errors import LoadFailedError
from triton_deploy_core.files import Files
from triton_deploy_core.journal import Journal
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.ports.config_format import ConfigFormat, Latest, Specific
from triton_deploy_core.ports.server import InferenceServer, LoadOverride
from triton_deploy_core.snapshot import Snapshot


def heal_with_old_version(
    server: InferenceServer,
    files: Files,
    configs: ConfigFormat,
    *,
    now: Snapshot,
    failed: frozenset[int],
    journal: Journal,
    deadline: Deadline,
) -> bool:
    """Lend each failed number to the old version; tell whether the server is ready after it.

    The old version serves all the while. Afterwards the files are as they were, whatever fails.
    """
    policy = Latest() if now.config is None else configs.version_policy(now.config)
    serving_now = policy.visible(now.versions)
    if not serving_now:
        return False
    try:
        for number in sorted(failed - serving_now):
            both = serving_now | {number}
            config = configs.with_version_policy(now.config or b"", Specific(both))
            try:
                files.lend(max(serving_now), number, now, config)
                serving.load(server, now.name, both, deadline)
            finally:
                files.undo(journal)
                serving.load(server, now.name, serving_now, deadline)
    except LoadFailedError:
        # The caller reports the server as unready, with what its operator can do.
        return False
    serving.wait_until_quiet(server, now.name, deadline)
    return server.is_ready()


_UNLOAD_SECONDS = 10.0
_TINY_MODEL = b"""\
class TritonPythonModel:
    def execute(self, requests):
        return []
"""


def heal_with_tiny_model(
    server: InferenceServer,
    name: DeploymentName,
    failed: frozenset[int],
    deadline: Deadline,
    *,
    was_ready: bool,
) -> bool:
    """Load a tiny model under a name that nothing else has, and unload it again.

    It goes inside the load call and never into the repository. Any backend heals what another
    one failed at (seen on Triton 2.51); python is in every image that NVIDIA publishes in full.

    Args:
        server: the server.
        name: a name of which nothing serves.
        failed: the versions that failed to load.
        deadline: when to give up.
        was_ready: whether the server was ready before those failed.

    Returns:
        Whether the server is ready after it.
    """
    override = LoadOverride(
        config={
            "name": str(name),
            "backend": "python",
            "max_batch_size": 0,
            "input": [{"name": "IN", "data_type": "TYPE_FP32", "dims": [1]}],
            "output": [{"name": "OUT", "data_type": "TYPE_FP32", "dims": [1]}],
            "instance_group": [{"kind": "KIND_CPU", "count": 1}],
            "version_policy": {"all": {}},
        },
        files={f"{number}/model.py": _TINY_MODEL for number in failed},
    )
    try:
        server.load(str(name), timeout=deadline.remaining(), override=override)
    except LoadFailedError:
        return False
    # A server that something else keeps unready does not get ready by waiting.
    seconds = _UNLOAD_SECONDS if was_ready or server.is_ready() else 0.0
    server.unload(str(name), timeout=deadline.remaining())
    # The index does not show a name without a directory: readiness tells when it is gone.
    return Deadline.after(seconds, deadline.clock).wait_for(server.is_ready)
