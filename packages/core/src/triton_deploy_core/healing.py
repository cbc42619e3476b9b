"""Out of the readiness trap: a version that failed to load keeps the whole server unready.

Triton's ``/v2/health/ready`` stays false until *that name and version* loads (seen on Triton
2.51). So the failed number is lent to content that is known to be good, and taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress

from triton_deploy_core import serving
from triton_deploy_core.answering import Answering
from triton_deploy_core.clock import Deadline
from triton_deploy_core.errors import LoadFailedError
from triton_deploy_core.files import Files
from triton_deploy_core.journal import Journal
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.policy import policy_of
from triton_deploy_core.ports.config_format import ConfigFormat, Specific
from triton_deploy_core.ports.server import InferenceServer, LoadOverride
from triton_deploy_core.snapshot import Snapshot


def unready(answering: Answering, urls: Collection[str] | None = None) -> frozenset[str]:
    """Return the URLs of those servers that say of themselves that they are not ready."""
    told = answering.tell(lambda one: one.is_ready(), urls)
    return frozenset(url for url, is_ready in told.items() if is_ready is False)


def heal_with_old_version(
    answering: Answering,
    urls: Collection[str],
    files: Files,
    configs: ConfigFormat,
    *,
    now: Snapshot,
    failed: frozenset[int],
    journal: Journal,
    deadline: Callable[[], Deadline],
) -> None:
    """Lend each failed number to the old version, on those servers that are not ready.

    The old version serves all the while. Afterwards the files are as they were, whatever fails.

    Args:
        answering: the servers.
        urls: those that are not ready.
        files: the files of the name.
        configs: reads and rewrites ``config.pbtxt``.
        now: what there is.
        failed: the numbers.
        journal: knows how to put the files back.
        deadline: of a load that begins now.
    """
    old = policy_of(now.config, configs).visible(now.versions)
    if not old:
        return

    def load(versions: frozenset[int]) -> None:
        def load_one(one: InferenceServer) -> None:
            files.confirm()
            # A refusal shows in that the server stays unready: it is reported as such.
            with suppress(LoadFailedError):
                # It returns when the versions are ready: a python model that is unloaded while it
                # comes up can crash Triton 2.51.
                serving.load_one(one, now.name, versions, deadline())

        answering.tell(load_one, urls)

    for number in sorted(failed - old):
        shown = old | {number}
        config = configs.with_version_policy(now.config or b"", Specific(shown))
        lending = journal
        try:
            lending = files.making_room(journal, number, now)
            files.lend(max(old), number, now, config)
            load(shown)
        finally:
            files.undo(lending)
            load(old)
    answering.tell(lambda one: serving.wait_for_one(one, now.name, deadline()), urls)


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
    permit: serving.Permit,
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
        permit: called before each request.

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
            # A python model that is unloaded while its process starts can crash Triton 2.51
            # (SIGSEGV). One without instances starts no process.
            "instance_group": [{"kind": "KIND_CPU", "count": 1, "passive": True}],
            "version_policy": {"all": {}},
        },
        files={f"{number}/model.py": _TINY_MODEL for number in failed},
    )
    permit()
    try:
        server.load(str(name), timeout=deadline.remaining(), override=override)
    except LoadFailedError:
        return False
    # A server that something else keeps unready does not get ready by waiting.
    seconds = _UNLOAD_SECONDS if was_ready or server.is_ready() else 0.0
    permit()
    server.unload(str(name), timeout=deadline.remaining())
    # The index does not show a name without a directory: readiness tells when it is gone.
    return Deadline.after(seconds, deadline.clock).wait_for(server.is_ready)
