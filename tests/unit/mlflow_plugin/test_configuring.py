"""What a user wants of the configuration, on packages of every flavor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlflow_triton.configuring import configured
from mlflow_triton.flavors.packaging import FlavorInput
from mlflow_triton.mlmodel import MLmodel
from mlflow_triton.model_files import DirectoryFiles
from mlflow_triton.settings import Use, read_settings
from triton_deploy_core.errors import InvalidPackageError, InvalidSettingError, ModelSourceError
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import ModelPackage, Origin, TreePackage, VersionPackage
from triton_deploy_core.ports.store import Content
from triton_deploy_transport.pbtxt import ModelConfig, parse

ORIGIN = Origin("models:/iris/3", "onnx", 3)
CONFIG = b"""backend: "onnxruntime"
max_batch_size: 4
input { name: "x" data_type: TYPE_FP32 dims: [ 3 ] }
input { name: "s" data_type: TYPE_STRING dims: [ 1 ] optional: true }
output { name: "y" data_type: TYPE_FP32 dims: [ 3 ] }
"""
PACKAGE = VersionPackage(ORIGIN, {"model.onnx": Content(b"m")}, CONFIG)
TREE = TreePackage(
    ORIGIN, {"config.pbtxt": Content(CONFIG), "1/": Content(b""), "1/model.onnx": Content(b"m")}
)
PACKAGES = [PACKAGE, TREE]
EXAMPLE = {"inputs": {"x": [[1, 2, 3], [4, 5, 6]], "s": [["é"], [""]]}}


def model(path: Path, **info: str) -> FlavorInput:
    return FlavorInput(
        name=DeploymentName("iris"),
        files=DirectoryFiles(path),
        mlmodel=MLmodel(flavors={}, input_example=info),
        uri="models:/iris/3",
    )


def logged(path: Path, example: Any) -> FlavorInput:
    (path / "served.json").write_text(json.dumps(example), encoding="utf-8")
    return model(path, serving_input_path="served.json", artifact_path="input_example.json")


def applied(package: ModelPackage, given: FlavorInput, **config: object) -> ModelPackage:
    options = read_settings(Use.DEPLOY, config=config, environment={}).package_options
    return configured(package, given, options)


def config_of(package: ModelPackage) -> ModelConfig:
    config = package.config() if isinstance(package, TreePackage) else package.config
    assert config is not None
    return parse(config)


def beside(package: ModelPackage) -> dict[str, bytes]:
    files = package.files if isinstance(package, TreePackage) else package.beside
    return {
        path: source.data
        for path, source in files.items()
        if path.startswith("warmup/") and isinstance(source, Content)
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_without_a_wish_the_package_is_the_flavors_own(
    package: ModelPackage, tmp_path: Path
) -> None:
    assert applied(package, model(tmp_path)) is package


@pytest.mark.parametrize("package", PACKAGES)
def test_fields_go_over_the_file_and_that_over_what_there_is(
    package: ModelPackage, tmp_path: Path
) -> None:
    file = tmp_path / "mine.pbtxt"
    file.write_text('instance_group { count: 3 }\nresponse_cache { enable: true }\nname: "iris"')
    done = applied(package, model(tmp_path), config=file, instance_group=[{"count": 5}])
    config = config_of(done)
    assert [group.count for group in config.instance_group] == [5]
    assert config.response_cache.enable
    assert config.name == ""
    config.ClearField("instance_group")
    config.ClearField("response_cache")
    assert config == parse(CONFIG)


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"name": "other"}, "^-C name: name can't be changed: it is the name of the deployment"),
        ({"backend": "python"}, "^-C backend: backend can't be changed: the flavor decides"),
        ({"platform": "onnxruntime_onnx"}, "^-C platform: platform can't be changed"),
        ({"instance_group": "{kid: 1}"}, r"did you mean kind\?"),
        ({"config": "missing.pbtxt"}, "^-C config=missing.pbtxt: the file can't be read: No such"),
    ],
)
def test_what_can_not_be_is_refused_in_one_line(
    package: ModelPackage, config: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidSettingError, match=message) as caught:
        applied(package, model(tmp_path), **config)
    assert "\n" not in str(caught.value)


def test_the_version_policy_is_the_deployments_unless_the_layout_is_the_users(
    tmp_path: Path,
) -> None:
    policy = "{specific {versions: [1]}}"
    with pytest.raises(InvalidSettingError, match="version_policy can't be changed: the deploy"):
        applied(PACKAGE, model(tmp_path), version_policy=policy)
    done = applied(TREE, model(tmp_path), version_policy=policy)
    assert list(config_of(done).version_policy.specific.versions) == [1]


@pytest.mark.parametrize("package", PACKAGES)
def test_what_triton_would_refuse_of_the_result_is_refused(
    package: ModelPackage, tmp_path: Path
) -> None:
    wish = {"instance_group": "{kind: KIND_CPU gpus: [0]}", "default_model_filename": "other.onnx"}
    with pytest.raises(InvalidPackageError, match=r"KIND_CPU but names gpus.*1/other\.onnx"):
        applied(package, model(tmp_path), **wish)
    applied(package, model(tmp_path), **wish, check="off")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_warm_up_is_the_first_row_as_often_as_there_are_rows(
    package: ModelPackage, tmp_path: Path
) -> None:
    done = applied(package, logged(tmp_path, EXAMPLE), warmup=True)
    (sample,) = config_of(done).model_warmup
    assert (sample.name, sample.batch_size) == ("input_example", 2)
    data = {name: beside(done)[f"warmup/{i.input_data_file}"] for name, i in sample.inputs.items()}
    assert data == {
        "x": np.array([1, 2, 3], "<f4").tobytes(),
        "s": b"\x02\x00\x00\x00" + "é".encode(),
    }
    assert [list(sample.inputs[name].dims) for name in ("x", "s")] == [[3], [1]]


def test_no_more_rows_are_run_than_fit_a_batch(tmp_path: Path) -> None:
    rows = {"inputs": {"x": [[1, 2, 3]] * 9}}
    (sample,) = config_of(applied(PACKAGE, logged(tmp_path, rows), warmup=True)).model_warmup
    assert sample.batch_size == 4
    assert set(sample.inputs) == {"x"}  # the other one is optional


def test_without_batching_the_whole_example_is_run_once(tmp_path: Path) -> None:
    config = CONFIG.replace(b"max_batch_size: 4", b"").replace(b"dims: [ 3 ]", b"dims: [ -1, 3 ]")
    package = VersionPackage(ORIGIN, PACKAGE.files, config)
    done = applied(package, logged(tmp_path, {"inputs": {"x": [[1, 2, 3]] * 2}}), warmup=True)
    (sample,) = config_of(done).model_warmup
    assert sample.batch_size == 1  # 0 runs nothing
    assert list(sample.inputs["x"].dims) == [2, 3]


def test_other_data_has_other_files(tmp_path: Path) -> None:
    first = beside(applied(PACKAGE, logged(tmp_path, EXAMPLE), warmup=True))
    other = {"inputs": {"x": [[7, 8, 9]], "s": [["é"]]}}
    second = beside(applied(PACKAGE, logged(tmp_path, other), warmup=True))
    shared = set(first) & set(second)
    assert len(first) == len(second) == 2
    assert [first[path] for path in shared] == [b"\x02\x00\x00\x00" + "é".encode()]


@pytest.mark.parametrize(
    ("content", "info"),
    [
        (
            {"columns": ["x"], "data": [[[1, 2, 3]]]},
            {"type": "dataframe", "pandas_orient": "split"},
        ),
        ({"inputs": {"x": [[1, 2, 3]]}}, {"type": "ndarray"}),
        ({"x": [[1, 2, 3]]}, {"type": "json_object"}),
    ],
)
def test_examples_of_older_models(content: object, info: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "input_example.json").write_text(json.dumps(content))
    given = model(tmp_path, artifact_path="input_example.json", **info)
    assert beside(applied(PACKAGE, given, warmup=True)).popitem()[1] == (
        np.array([1, 2, 3], "<f4").tobytes()
    )


@pytest.mark.parametrize(
    ("example", "error", "message"),
    [
        (None, InvalidSettingError, "the model has no input example"),
        ({"inputs": {"x": [[1, 2]]}}, InvalidSettingError, "'x' was given .*takes"),
        ({"inputs": {"wrong": [1]}}, InvalidSettingError, "input 'wrong' is unknown"),
        ([1], InvalidSettingError, "none that MLflow's scoring server takes"),
        ("missing", ModelSourceError, "has no file 'nowhere.json'"),
    ],
)
def test_without_a_fitting_example_there_is_no_warm_up(
    example: Any, error: type[Exception], message: str, tmp_path: Path
) -> None:
    given = model(tmp_path) if example is None else logged(tmp_path, example)
    if example == "missing":
        given = model(tmp_path, serving_input_path="nowhere.json")
    with pytest.raises(error, match=message) as caught:
        applied(PACKAGE, given, warmup=True)
    assert "\n" not in str(caught.value)


def hardware_of(package: ModelPackage) -> dict[str, ModelConfig]:
    return {path: parse(text) for path, text in package.named_configs().items()}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_configuration_for_some_hardware_is_complete(
    package: ModelPackage, tmp_path: Path
) -> None:
    (tmp_path / "h100.pbtxt").write_text("instance_group { count: 8 }")
    wish = {"config.h100": tmp_path / "h100.pbtxt", "response_cache": "{enable: true}"}
    done = applied(package, model(tmp_path), **wish)
    found = hardware_of(done)["configs/h100.pbtxt"]
    assert found.response_cache.enable
    assert found.instance_group[0].count == 8
    found.ClearField("instance_group")
    assert found == config_of(done)


@pytest.mark.parametrize("package", PACKAGES)
def test_alone_it_leaves_the_configuration_as_it_is(package: ModelPackage, tmp_path: Path) -> None:
    (tmp_path / "h100.pbtxt").write_text("instance_group { count: 8 }")
    done = applied(package, model(tmp_path), **{"config.h100": tmp_path / "h100.pbtxt"})
    assert (done.config() if isinstance(done, TreePackage) else done.config) == CONFIG
    assert list(hardware_of(done)) == ["configs/h100.pbtxt"]


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("version_policy { all {} }", InvalidSettingError, "version_policy can't be changed"),
        ("instance_groop {}", InvalidSettingError, r"h100\.pbtxt:1:1: .*mean instance_group\?"),
        (
            "instance_group { kind: KIND_CPU gpus: 0 }",
            InvalidPackageError,
            r"configs/h100\.pbtxt: instance_group\[0\] is KIND_CPU but names gpus",
        ),
    ],
)
@pytest.mark.parametrize("package", PACKAGES)
def test_what_can_not_be_for_some_hardware_is_refused(
    package: ModelPackage, content: str, error: type[Exception], message: str, tmp_path: Path
) -> None:
    (tmp_path / "h100.pbtxt").write_text(content)
    with pytest.raises(error, match=message):
        applied(package, model(tmp_path), **{"config.h100": tmp_path / "h100.pbtxt"})


def test_a_name_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettingError, match="no name for --model-config-name"):
        applied(PACKAGE, model(tmp_path), **{"config.a b": "x"})


def test_one_that_was_logged_is_merged_over_what_is_generated(tmp_path: Path) -> None:
    logged_one = {"configs/h100.pbtxt": Content(b"instance_group { count: 8 }")}
    package = VersionPackage(ORIGIN, PACKAGE.files, CONFIG, beside=logged_one)
    found = hardware_of(applied(package, model(tmp_path), max_batch_size=4))["configs/h100.pbtxt"]
    assert found.instance_group[0].count == 8
    found.ClearField("instance_group")
    assert found == parse(CONFIG)


def test_one_beside_a_users_configuration_serves_the_same_version(tmp_path: Path) -> None:
    def package(policy: bytes) -> VersionPackage:
        beside_it = {"configs/h100.pbtxt": Content(CONFIG + policy)}
        return VersionPackage(ORIGIN, PACKAGE.files, CONFIG, True, beside_it)

    assert applied(package(b"# mine"), model(tmp_path)) == package(b"# mine")
    with pytest.raises(InvalidPackageError, match="has another version_policy than its config"):
        applied(package(b"version_policy { all {} }"), model(tmp_path))


def test_every_configuration_of_a_tree_is_checked(tmp_path: Path) -> None:
    broken = {"configs/h100.pbtxt": Content(b"backend: 1")}
    with pytest.raises(InvalidPackageError, match=r"would refuse .*: configs/h100\.pbtxt: 1:10"):
        applied(TreePackage(ORIGIN, {**TREE.files, **broken}), model(tmp_path))
