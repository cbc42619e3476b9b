"""What has to be there before a block of a page is run: `<!-- before: NAME -->`."""

from __future__ import annotations

import json
import os
import re
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from mlflow.deployments import get_deploy_client
from tests.e2e.docs.running import PageRun

ROOT = Path(__file__).parents[3]


def _examples(page: PageRun) -> None:
    (page.directory / "examples").symlink_to(ROOT / "examples")


def _input(page: PageRun) -> None:
    document = {"inputs": {"INPUT0": [[5.1, 3.5, 1.4, 0.2]]}}
    (page.directory / "input.json").write_text(json.dumps(document))


def _array(page: PageRun) -> None:
    page.names["array"] = np.zeros((1, 4), np.float32)


def _two_after_a_restart(_: PageRun) -> None:
    clear()
    _deploy("iris", "models:/iris/1")
    _deploy("taxi", "models:/iris/1")
    _unload("iris")
    _unload("taxi")


def _one_of_two_unloaded(_: PageRun) -> None:
    clear()
    _deploy("x", "models:/iris/1")
    _deploy("y", "models:/iris/1")
    _unload("y")


def _bad_directory(page: PageRun) -> None:
    directory = page.directory / "models" / "iris"
    (directory / "1tmp").mkdir(parents=True)
    (directory / "1").mkdir()
    (directory / "1" / "model.onnx").write_bytes(b"")
    (directory / "weights").symlink_to(page.directory)
    (directory / "config.pbtxt").write_text('name: "iris2"\nbackend: "onnxruntime"\n')


def _iris_deployed(_: PageRun) -> None:
    _deploy("iris", "models:/iris/1")


def _iris_updated(page: PageRun) -> None:
    _iris_deployed(page)
    get_deploy_client("triton").update_deployment("iris", "models:/iris/2")


def _production_config(page: PageRun) -> None:
    (page.directory / "production.pbtxt").write_text("max_batch_size: 8\n")


def _scorecards_installed(page: PageRun) -> None:
    """What pip makes of an entry point, on the path of Python."""
    metadata = page.directory / "scorecards-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: scorecards\nVersion: 1.0\n")
    toml = (page.directory / "pyproject.toml").read_text()
    (entry,) = re.findall(r"^scorecard = .*", toml, re.MULTILINE)
    text = f"[mlflow_triton.flavors]\n{entry}\n".replace('"', "")
    (metadata / "entry_points.txt").write_text(text)
    page.path.append(str(page.directory))


def clear() -> None:
    """Delete all deployments, at once: each waits until Triton has let go."""
    client = get_deploy_client("triton")
    names = [deployment["name"] for deployment in client.list_deployments()]
    with ThreadPoolExecutor() as pool:
        list(pool.map(client.delete_deployment, names))


def _deploy(name: str, uri: str) -> None:
    get_deploy_client("triton").create_deployment(name, uri)


def _unload(name: str) -> None:
    """Have the server lose a model, as a restart does."""
    url = f"http://{os.environ['TRITON_URL']}/v2/repository/models/{name}/unload"
    with urllib.request.urlopen(urllib.request.Request(url, b"{}", method="POST"), timeout=60):
        pass


PREPARATIONS: dict[str, Callable[[PageRun], None]] = {
    "array": _array,
    "examples": _examples,
    "input": _input,
    "iris-deployed": _iris_deployed,
    "iris-updated": _iris_updated,
    "one-of-two-unloaded": _one_of_two_unloaded,
    "production-config": _production_config,
    "two-after-a-restart": _two_after_a_restart,
    "scorecards-installed": _scorecards_installed,
    "bad-directory": _bad_directory,
}
