"""Fields of the configuration and a warm-up, as a real server understands them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import yaml
from mlflow.deployments import get_deploy_client
from mlflow.exceptions import MlflowException

import mlflow_triton.flavor
from triton_local_server import LocalTriton

MODEL = """
import json
import triton_python_backend_utils as pb

class TritonPythonModel:
    def initialize(self, args):
        self.record = json.loads(args["model_config"])["parameters"]["record"]["string_value"]

    def execute(self, requests):
        answers = []
        for request in requests:
            x, s = (pb.get_input_tensor_by_name(request, name) for name in ("x", "s"))
            with open(self.record, "a") as file:
                file.write(json.dumps([x.as_numpy().tolist(), s.as_numpy()[0, 0].decode()]) + "\\n")
            answers.append(pb.InferenceResponse([pb.Tensor("y", x.as_numpy() * 2)]))
        return answers
"""
CONFIG = """# a comment
backend: "python"
max_batch_size: 4
input { name: "x" data_type: TYPE_FP32 dims: [ 3 ] }
input { name: "s" data_type: TYPE_STRING dims: [ 1 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ 3 ] }
"""
X = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture
def recording(tmp_path):
    """An MLflow model that writes down what it is run on, with an input example."""
    tree = tmp_path / "recording"
    (tree / "1").mkdir(parents=True)
    (tree / "1" / "model.py").write_text(MODEL)
    (tree / "config.pbtxt").write_text(CONFIG)
    logged = tmp_path / "logged"
    mlflow_triton.flavor.save_model(tree, logged)
    document = yaml.safe_load((logged / "MLmodel").read_text())
    document["saved_input_example_info"] = {"serving_input_path": "example.json"}
    (logged / "MLmodel").write_text(yaml.safe_dump(document))
    example = {"inputs": {"x": [[1, 2, 3], [4, 5, 6]], "s": [["é"], ["b"]]}}
    (logged / "example.json").write_text(json.dumps(example))
    return logged


def test_each_version_is_warmed_up_before_it_serves(site, client, recording, tmp_path):
    record = tmp_path / "record.jsonl"
    settings = {"warmup": True, "parameters": {"record": {"string_value": str(record)}}}
    client.create_deployment("recording", str(recording), config=settings)
    ran = [json.loads(line) for line in record.read_text().splitlines()]
    assert ran == [[[[1, 2, 3]], "é"]] * 2  # the first row, as often as there are rows
    warmed = {path for path in site.files() if path.startswith("recording/warmup/")}
    assert len(warmed) == 2

    document = {"inputs": {"x": [[7, 8, 9]], "s": [["c"]]}}
    (recording / "example.json").write_text(json.dumps(document))
    client.update_deployment("recording", str(recording), config=settings)
    assert json.loads(record.read_text().splitlines()[-1]) == [[[7, 8, 9]], "c"]
    assert not warmed & set(site.files())

    client.update_deployment("recording", str(recording), config=settings | {"warmup": False})
    assert not [path for path in site.files() if "/warmup/" in path]


def test_fields_and_a_file_are_in_force_on_the_server(site, client, tmp_path):
    file = tmp_path / "mine.pbtxt"
    file.write_text("max_batch_size: 16\ndynamic_batching { max_queue_delay_microseconds: 7 }\n")
    done = site.click(
        *("create", "--name", "twice", "-m", "models:/twice/1", "-C", f"config={file}"),
        *("-C", "instance_group=[{kind: KIND_CPU, count: 2}]"),
        *("-C", 'parameters={"mine": {"string_value": "a b"}}'),
    )
    assert done.status == 0, done.err
    config = site.config("twice")
    assert config["max_batch_size"] == 16
    assert config["dynamic_batching"]["max_queue_delay_microseconds"] == 7
    assert config["instance_group"][0]["count"] == 2
    assert config["parameters"]["mine"]["string_value"] == "a b"
    answer = client.predict("twice", {"x": X}).loc["y"]["outputs"]
    np.testing.assert_array_equal(answer, X * 2)


def test_a_logged_config_is_merged_over_only_by_wish(site, store, client):
    client.create_deployment("configured", "models:/configured/1")
    assert site.files()["configured/config.pbtxt"] == store.logged["users_config"].encode()
    client.update_deployment("configured", config={"instance_group": "{count: 2}"})
    config = site.config("configured")
    assert config["instance_group"][0]["count"] == 2
    assert config["output"][0]["label_filename"] == "labels.txt"


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("instance_groop={}", "Did you mean instance_group?"),
        ("instance_group={kind: CPU}", "has no value named CPU (did you mean KIND_CPU?)."),
        ("version_policy={all {}}", "version_policy can't be changed"),
        ("instance_group={kind: KIND_CPU gpus: 0}", "instance_group[0] is KIND_CPU but names gpus"),
        ("warmup=true", "the model has no input example"),
    ],
)
def test_what_can_not_be_is_refused_before_anything_is_touched(site, setting, complaint):
    done = site.click("create", "--name", "twice", "-m", "models:/twice/1", "-C", setting)
    assert complaint in done.complaint
    assert site.files() == {}


@pytest.fixture
def gpu_site(tmp_path, shared_site, monkeypatch):
    """A server that was started for some hardware."""
    repository = tmp_path / "models"
    repository.mkdir()
    arguments = ["--model-config-name", "gpu"]
    with LocalTriton(repository, exit_timeout=0, extra_args=arguments) as triton:
        site = replace(shared_site, triton=triton, repository=repository)
        site.point(monkeypatch)
        yield site


def test_a_server_for_some_hardware_reads_its_own_configuration(gpu_site, tmp_path):
    def in_force():
        config = gpu_site.config("twice")
        return config["instance_group"][0]["count"], config["version_policy"]["specific"]

    client = get_deploy_client("triton")
    gpu = tmp_path / "gpu.pbtxt"
    gpu.write_text("instance_group { count: 5 kind: KIND_CPU }")
    client.create_deployment("twice", "models:/twice/1", config={"config.gpu": gpu})
    assert in_force() == (5, {"versions": [1]})

    before = gpu_site.files()

    gpu.write_text('parameters { key: "EXECUTION_ENV_PATH" value { string_value: "/nowhere" } }')
    with pytest.raises(MlflowException, match=r"still serves\.$"):
        client.update_deployment("twice", "models:/weights/1", config={"config.gpu": gpu})
    assert gpu_site.files() == before
    assert in_force() == (5, {"versions": [1]})
    assert gpu_site.is_ready()

    gpu.write_text("instance_group { count: 3 kind: KIND_CPU }")
    client.update_deployment("twice", "models:/weights/1", config={"config.gpu": gpu})
    assert in_force() == (3, {"versions": [2]})

    client.update_deployment("twice", "models:/twice/1")
    assert "twice/configs/gpu.pbtxt" not in gpu_site.files()
    assert in_force() != (3, {"versions": [1]})  # Triton's own default, by config.pbtxt
    client.delete_deployment("twice")
    assert gpu_site.files() == {}
