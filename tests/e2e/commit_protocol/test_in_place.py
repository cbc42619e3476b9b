"""A tree is replaced in its place: what a real Triton serves that reads it at any step."""

from __future__ import annotations

import json
import shutil
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from triton_deploy_core import serving
from triton_deploy_core.clock import Deadline, SystemClock
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import Origin
from triton_deploy_core.records import RECORD_FILE, Record
from triton_deploy_core.service import DeploymentService
from triton_deploy_core.testing.faulty_store import FaultyStore
from triton_deploy_core.testing.store_faults import SimulatedCrash
from triton_deploy_core.testing.sudden_death import SuddenDeath
from triton_deploy_core.testing.world import tree_package
from triton_deploy_storage.local import LocalStore
from triton_deploy_transport.http import HttpServer
from triton_deploy_transport.pbtxt import PbtxtFormat
from triton_local_server import LocalTriton

CODE = """\
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        scores = np.array([0.0, {score}], np.float32)
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUT", scores)]) for _ in requests]
"""
CONFIG = b"""\
backend: "python"
max_batch_size: 0
input { name: "IN" data_type: TYPE_FP32 dims: 1 }
output { name: "OUT" data_type: TYPE_FP32 dims: 2 label_filename: "labels.txt" }
instance_group { kind: KIND_CPU count: 1 }
"""


def _tree(score: float, label: str) -> dict[str, bytes]:
    return {
        "config.pbtxt": CONFIG,
        "labels.txt": f"none\n{label}\n".encode(),
        "1/model.py": CODE.format(score=score).encode(),
    }


OLD, NEW = _tree(0.5, "old"), _tree(0.25, "new")
OLD_ANSWER, NEW_ANSWER = "0.500000:1:old", "0.250000:1:new"


class Site:
    """A Triton, and deployments of the old tree that nobody has loaded yet."""

    def __init__(self, triton: LocalTriton, repository: Path) -> None:
        self.triton = triton
        self.repository = repository
        self.server = HttpServer(triton.http_url)

    def deployed(self, name: str) -> None:
        record = Record.of(DeploymentName(name), str(self.repository), Origin("m", "triton"))
        for path, data in (OLD | {RECORD_FILE: record.encode()}).items():
            place = self.repository / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)

    def service(self, death: SuddenDeath) -> DeploymentService:
        store = FaultyStore(LocalStore(self.repository), death)
        return DeploymentService(store, self.server, PbtxtFormat())

    def answer(self, name: str) -> str:
        """The best class of what serves, as Triton writes it: score, index, label."""
        request = {
            "inputs": [{"name": "IN", "datatype": "FP32", "shape": [1], "data": [0]}],
            "outputs": [{"name": "OUT", "parameters": {"classification": 1}}],
        }
        url = f"{self.triton.url}/v2/models/{name}/infer"
        with urllib.request.urlopen(url, json.dumps(request).encode(), timeout=60) as answer:
            return json.load(answer)["outputs"][0]["data"][0]

    def files(self, name: str) -> dict[str, bytes]:
        root = self.repository / name
        return {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file() and path.name != RECORD_FILE and "__pycache__" not in path.parts
        }


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    repository = tmp_path_factory.mktemp("models")
    with LocalTriton(repository, disable_auto_complete=True, exit_timeout=0) as triton:
        site = Site(triton, repository)
        yield site
        site.server.close()


def test_dead_at_any_step_before_the_load_the_old_tree_or_the_new_one_serves(site):
    site.deployed("counted")
    death = SuddenDeath()
    site.server.load("counted", timeout=60)
    assert site.answer("counted") == OLD_ANSWER
    site.service(death).update("counted", tree_package(NEW))
    assert site.answer("counted") == NEW_ANSWER
    assert site.files("counted") == NEW

    answers = []
    for step in range(death.steps):
        name = f"m{step}"
        site.deployed(name)
        loaded = site.server.loaded()
        with suppress(SimulatedCrash):
            site.service(SuddenDeath(after=step)).update(name, tree_package(NEW))
        if site.server.loaded() != loaded:
            break  # the commit is behind it
        site.server.load(name, timeout=60)
        answers.append(site.answer(name))
        site.service(SuddenDeath()).require_existing(name)
        assert site.files(name) == OLD, f"after step {step}"
        assert site.answer(name) == OLD_ANSWER, f"after step {step}"
        serving.unload(
            site.server,
            DeploymentName(name),
            Deadline.after(60, SystemClock()),
            permit=serving.always,
        )
        shutil.rmtree(site.repository / name)
    # The lease and the journal; two copies and the journal again; their configuration; two files;
    # the commit.
    assert answers == [OLD_ANSWER] * 8 + [NEW_ANSWER]


def test_a_tree_that_fails_in_place_is_put_back(site):
    site.deployed("bad")
    site.server.load("bad", timeout=60)
    service = site.service(SuddenDeath())
    bad = NEW | {"1/model.py": b"raise RuntimeError('made up')\n"}
    with pytest.raises(Exception, match=r"made up.*still serves"):
        service.update("bad", tree_package(bad))
    assert site.answer("bad") == OLD_ANSWER
    assert site.files("bad") == OLD
    assert site.server.is_ready()
