"""Ctrl-C during an update, in a process of its own, on a real Triton."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import tritonclient.grpc as triton_grpc

from triton_deploy_core.clock import Deadline, SystemClock
from triton_deploy_core.repairing import Outcome

PROGRAM = textwrap.dedent(
    """
    import sys
    from triton_deploy_core.package import Origin, VersionPackage
    from triton_deploy_core.ports.store import Content
    from triton_deploy_core.service import DeploymentService
    from triton_deploy_storage import open_store
    from triton_deploy_transport import connect
    from triton_deploy_transport.pbtxt import PbtxtFormat

    repository, url, code, config = sys.argv[1:]
    service = DeploymentService(open_store(repository), connect(url), PbtxtFormat())
    package = VersionPackage(
        Origin("models:/m/2", "triton", 2), {"model.py": Content(code.encode())}, config.encode()
    )
    service.update("x", package)
    """
)
SECONDS = 60


def _is_loading(grpc: triton_grpc.InferenceServerClient) -> bool:
    # Over HTTP the question may wait behind the load itself.
    rows = grpc.get_model_repository_index(client_timeout=SECONDS).models
    return any(row.state == "LOADING" for row in rows)


def _models(site) -> dict[str, bytes]:
    return {path: data for path, data in site.files().items() if "@" not in path}


def test_an_interrupted_update_says_that_it_takes_back_what_it_did(site):
    service = site.service()
    service.create("x", site.answering(1, 1))
    before = _models(site)
    slow = site.answering(2, 2, seconds=4)
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", PROGRAM, str(site.repository), site.triton.http_url),
            slow.files["model.py"].data.decode(),
            slow.config.decode(),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    with triton_grpc.InferenceServerClient(site.triton.grpc_url) as grpc:
        assert Deadline.after(SECONDS, SystemClock()).wait_for(lambda: _is_loading(grpc))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == -signal.SIGINT
    told = [line for line in err.splitlines() if "x" in line and "File" not in line]
    assert told[0].startswith("Interrupted: putting 'x' back as it was. Interrupt again to leave")
    assert "All files are as they were before." in err
    # The load that nobody waits for may still end well: the journal says so, and repair sees to it.
    assert _models(site) == before
    assert service.get("x").is_repairable
    assert service.repair("x")[0].outcome is Outcome.REPAIRED
    assert (site.answer("x"), _models(site)) == (1, before)
