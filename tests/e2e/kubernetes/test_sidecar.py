"""The commands of the manifest, taken from it, beside a real Triton that reads from S3."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from triton_deploy_core.names import DeploymentName
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import Content, Transfer
from triton_deploy_core.records import Record
from triton_deploy_storage import open_store
from triton_deploy_storage.testing_s3 import CREDENTIALS, MotoServer
from triton_deploy_transport import connect
from triton_local_server import LocalTriton

SECONDS = 60
CONFIG = b"""\
backend: "python"
max_batch_size: 0
input { name: "IN" data_type: TYPE_FP32 dims: [ 1 ] }
output { name: "OUT" data_type: TYPE_FP32 dims: [ 1 ] }
instance_group { kind: KIND_CPU count: 1 }
"""
MODEL = """\
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        answer = np.array([{answer}], dtype=np.float32)
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUT", answer)]) for _ in requests]
"""


def deployed(name: str, answer: int) -> list[Transfer]:
    """What is in the repository of a deployment whose answer is always the same number."""
    files = {
        "1/model.py": MODEL.format(answer=answer).encode(),
        "config.pbtxt": CONFIG,
        "mlflow-meta.json": Record(DeploymentName(name), name, "models:/m/1", "triton").encode(),
    }
    return [Transfer(f"{name}/{path}", Content(data)) for path, data in files.items()]


@dataclass(frozen=True)
class Pod:
    """A Triton, and what the containers beside it see of their environment."""

    triton: LocalTriton
    repository: str
    container: object
    environment: dict[str, str]

    @contextmanager
    def sidecar(self) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(
            self.container.command(self.environment),
            env=self.environment,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def probe(self) -> tuple[int, str]:
        command = self.container.spec["readinessProbe"]["exec"]["command"]
        done = subprocess.run(
            command,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return done.returncode, done.stdout.strip()

    def wait_for_probe(self, status: int) -> str:
        deadline = time.monotonic() + SECONDS
        while (probed := self.probe())[0] != status:
            assert time.monotonic() < deadline, probed
        return probed[1]

    def answers(self, *names: str) -> list[int]:
        question = {"IN": np.zeros(1, np.float32)}
        with closing(connect(self.triton.http_url)) as server:
            return [int(server.infer(name, question, timeout=30.0)["OUT"][0]) for name in names]

    def is_ready(self) -> bool:
        with closing(connect(self.triton.http_url)) as server:
            return server.is_ready()


@pytest.fixture
def pod(base, tmp_path, monkeypatch) -> Iterator[Pod]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with ExitStack() as stack:
        moto = stack.enter_context(MotoServer())
        moto.client().create_bucket(Bucket="models")
        # Triton does not start where nothing is below its prefix.
        moto.client().put_object(Bucket="models", Key="triton/", Body=b"")
        repository = f"s3://{moto.endpoint}/models/triton"
        triton = stack.enter_context(
            LocalTriton(repository, disable_auto_complete=True, exit_timeout=0, env=CREDENTIALS)
        )
        container = base.container("reconcile")
        environment = {
            **os.environ,
            **CREDENTIALS,
            **container.environment,
            "TRITON_URL": triton.http_url,
            "TRITON_MODEL_REPO": repository,
            "TRITON_STATUS_FILE": str(tmp_path / "status"),
            "POD_NAME": "triton-7d9c-x2x",
            "NODE_NAME": "node-1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        yield Pod(triton, repository, container, environment)


def test_a_server_that_starts_empty_gets_all_and_is_ready_only_then(pod):
    store = open_store(pod.repository)
    answers = {"a": 1, "b": 2, "broken": 3}
    files = [file for name, answer in answers.items() for file in deployed(name, answer)]
    store.transfer(files, NoProgress())
    pod.triton.kill()
    assert pod.probe() == (1, "not reconciled: no round has ended yet")
    with pod.sidecar() as sidecar:
        # The containers of a pod start in any order.
        assert pod.wait_for_probe(1)
        pod.triton.start()
        assert pod.wait_for_probe(0) == "reconciled"
        assert pod.answers(*answers) == [1, 2, 3]
        store.write("broken/1/model.py", b"import nothing_of_that_name\n")
        pod.triton.kill()
        assert pod.wait_for_probe(1)
        pod.triton.start()
        while "broken" not in (said := pod.wait_for_probe(1)):
            pass
        # It keeps a new pod out of its service, but no other model, and not the server unready.
        assert said == "not reconciled: not served: broken"
        assert pod.answers("a", "b") == [1, 2]
        assert pod.is_ready()
        sidecar.send_signal(signal.SIGTERM)
        _, log = sidecar.communicate(timeout=SECONDS)
    assert sidecar.returncode == 0
    assert "told to stop" in log.splitlines()[-1]
    assert "Traceback" not in log
