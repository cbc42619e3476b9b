"""What each flavor puts into the repository, and that a strict server serves it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml

from mlflow_triton.flavors.registry import Registry

SUPPORTED = ", ".join(Registry.installed().names)
NAME = "onnx_float32_int32_int32"
X = np.arange(6, dtype=np.float32).reshape(2, 3)


def output(client, name, inputs, which="y"):
    return client.predict(name, inputs).loc[which]["outputs"]


def test_onnx_with_external_data(site, client):
    client.create_deployment("weights", "models:/weights/1", flavor="onnx")
    sizes = {path: len(data) for path, data in site.files().items()}
    assert sum(size for path, size in sizes.items() if path.startswith("weights/1/")) > 3 * 4096 * 4
    assert len([path for path in sizes if path.startswith("weights/1/")]) == 2
    np.testing.assert_array_equal(
        output(client, "weights", {"x": X}), np.repeat(X.sum(axis=1, keepdims=True), 4096, axis=1)
    )


def test_onnx_without_a_config_is_served_by_a_server_that_completes_none(site, client):
    client.create_deployment("twice", "models:/twice/1")
    assert set(site.files()) == {
        "twice/1/model.onnx",
        "twice/config.pbtxt",
        "twice/mlflow-meta.json",
    }
    config = site.config("twice")
    assert config["max_batch_size"] == 4
    (tensor,) = config["input"]
    assert (tensor["name"], [int(size) for size in tensor["dims"]]) == ("x", [3])
    np.testing.assert_array_equal(output(client, "twice", {"x": X}), X * 2)


def test_options_shape_a_generated_config(site, client):
    done = site.click(
        *("create", "--name", "twice", "-m", "models:/twice/1"),
        *("-C", "max_batch_size=16", "-C", "instance_count=2", "-C", "dynamic_batching=false"),
    )
    assert done.status == 0, done.err
    config = site.config("twice")
    assert config["max_batch_size"] == 16
    assert config["instance_group"][0]["count"] == 2
    assert "dynamic_batching" not in config

    options = {"max_batch_size": 8, "dynamic_batching": True}
    client.update_deployment("twice", "models:/twice/1", config=options)
    config = site.config("twice")
    assert config["max_batch_size"] == 8
    assert "dynamic_batching" in config


def test_an_update_of_settings_alone_deploys_the_same_model_again(site, client):
    client.create_deployment("twice", "models:/twice/1", flavor="onnx")
    done = site.click("update", "--name", "twice", "-C", "instance_count=2")
    assert done.status == 0, done.err
    assert "Deployment twice is updated (with flavor onnx)" in done.out
    assert site.config("twice")["instance_group"][0]["count"] == 2
    assert client.get_deployment("twice")["mlflow_model_uri"] == "models:/twice/1"
    np.testing.assert_array_equal(output(client, "twice", {"x": X}), X * 2)


def test_a_logged_config_and_its_label_files_are_deployed_byte_for_byte(site, store, client):
    client.create_deployment("configured", "models:/configured/1", flavor="onnx")
    files = site.files()
    assert files["configured/config.pbtxt"] == store.logged["users_config"].encode()
    assert files["configured/labels.txt"] == b"a\nb\nc\n"
    assert set(files) == {
        "configured/1/model.onnx",
        "configured/config.pbtxt",
        "configured/labels.txt",
        "configured/mlflow-meta.json",
    }
    np.testing.assert_array_equal(output(client, "configured", {"x": X}), X * 2)


def test_options_are_refused_where_a_config_was_logged(site):
    done = site.click(
        *("create", "--name", "configured", "-m", "models:/configured/1"),
        *("-C", "max_batch_size=2"),
    )
    assert "max_batch_size can't be set" in done.complaint
    assert site.files() == {}


def test_a_triton_tree_is_deployed_as_it_is(site, client, examples):
    client.create_deployment(NAME, "models:/tree/1", flavor="triton")
    tree = {
        f"{NAME}/{path.relative_to(examples / NAME).as_posix()}": path.read_bytes()
        for path in (examples / NAME).rglob("*")
        if path.is_file()
    }
    deployed = site.files()
    del deployed[f"{NAME}/mlflow-meta.json"]
    assert deployed == tree


def test_an_ensemble_with_an_empty_version_directory(site, client):
    client.create_deployment("twice", "models:/twice/1")
    client.create_deployment("chain", "models:/chain/1", flavor="triton")
    directory = site.repository / "chain" / "1"
    assert directory.is_dir()
    assert not list(directory.iterdir())
    np.testing.assert_array_equal(output(client, "chain", {"IN": X}, "OUT"), X * 2)


@pytest.mark.parametrize(
    ("uri", "flavor"), [("models:/twice/1", "onnx"), ("models:/tree/1", "triton")]
)
def test_a_flavor_that_is_left_out_is_found_out(site, client, uri, flavor):
    name = {"onnx": "twice", "triton": NAME}[flavor]
    assert client.create_deployment(name, uri) == {"name": name, "flavor": flavor}
    assert client.get_deployment(name)["flavor"] == flavor


def test_a_flavor_that_the_model_has_not(site):
    done = site.click("create", "--name", "x", "-m", "models:/twice/1", "--flavor", "triton")
    assert done.complaint == (
        "The model has no flavor 'triton' (the model's flavors: onnx, python_function; "
        f"supported: {SUPPORTED})."
    )


def test_a_flavor_that_is_not_supported(site):
    done = site.click("create", "--name", "x", "-m", "models:/twice/1", "-f", "python_function")
    assert done.complaint == (
        "Flavor 'python_function' is not supported (the model's flavors: onnx, python_function; "
        f"supported: {SUPPORTED})."
    )


@pytest.mark.parametrize(
    ("flavors", "problem"),
    [
        (["sklearn"], "The model has no flavor that can be deployed"),
        (["onnx", "triton"], "The model has several flavors that can be deployed"),
    ],
)
def test_no_flavor_to_choose_and_several(site, model_copy, flavors, problem):
    mlmodel = model_copy / "MLmodel"
    document = yaml.safe_load(mlmodel.read_text())
    document["flavors"] = {flavor: {"data": "model.onnx"} for flavor in flavors}
    mlmodel.write_text(yaml.safe_dump(document))
    complaint = site.click("create", "--name", "x", "-m", str(model_copy)).complaint
    assert complaint.startswith(problem)
    assert f"the model's flavors: {', '.join(flavors)}; supported: {SUPPORTED}" in complaint


def test_the_record_can_be_read_by_nvidias_plugin(site, client):
    client.create_deployment("twice", "models:/twice/1")
    record = json.loads((site.repository / "twice" / "mlflow-meta.json").read_text())
    expected = {
        "name": "twice",
        "triton_model_path": f"{site.repository}/twice",
        "mlflow_model_uri": "models:/twice/1",
        "flavor": "onnx",
    }
    assert {key: record[key] for key in expected} == expected
    assert all(value is not None and not isinstance(value, bool) for value in record.values())
