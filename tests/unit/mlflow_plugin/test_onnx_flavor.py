"""From a model that MLflow's onnx flavor logged to a package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mlflow_triton.flavors.onnx import FLAVOR
from mlflow_triton.flavors.packaging import FlavorInput, PackageOptions
from mlflow_triton.mlmodel import MLmodel
from mlflow_triton.model_files import DirectoryFiles, ListedFiles
from triton_deploy_core.errors import InvalidPackageError, InvalidSettingError, ModelSourceError
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import VersionPackage
from triton_deploy_core.ports.store import LocalFile, Source
from triton_deploy_transport.pbtxt import parse

NO_OPTIONS = PackageOptions()
CONFIG = b"""# mine, with a comment
platform: "onnxruntime_onnx"
max_batch_size: 8
input [ { name: "X" data_type: TYPE_FP32 dims: [ 4 ] } ]
output [ { name: "Y" data_type: TYPE_FP32 dims: [ 2 ] label_filename: "kinds.txt" } ]
"""


def _weights() -> onnx.TensorProto:
    return numpy_helper.from_array(np.ones((4, 2), np.float32), "W")


def _model(*, output: onnx.ValueInfoProto | None = None) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["X", "W"], ["Y"])],
        "g",
        [
            helper.make_tensor_value_info("X", TensorProto.FLOAT, ["N", 4]),
            # as exporters before IR version 4 have it: an initializer that is an input too
            helper.make_tensor_value_info("W", TensorProto.FLOAT, [4, 2]),
        ],
        [output or helper.make_tensor_value_info("Y", TensorProto.FLOAT, ["N", 2])],
        [_weights()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def _input(path: Path, data: str = "model.onnx", **run_files: Path) -> FlavorInput:
    return FlavorInput(
        name=DeploymentName("iris"),
        files=DirectoryFiles(path),
        mlmodel=MLmodel(flavors={"onnx": {"data": data}}),
        uri="models:/iris/3",
        registry_version=3,
        run_files=ListedFiles(
            "run",
            {
                name.replace("__", "."): LocalFile(file, file.stat().st_size)
                for name, file in run_files.items()
            },
        ),
    )


def _save(path: Path, **options: Any) -> Path:
    path.mkdir(exist_ok=True)
    onnx.save(_model(), str(path / "model.onnx"), **options)
    return path


def _paths(sources: dict[str, Source] | Any) -> dict[str, Path]:
    return {name: source.path for name, source in sources.items() if isinstance(source, LocalFile)}


def _package(model: FlavorInput, options: PackageOptions = NO_OPTIONS) -> VersionPackage:
    return FLAVOR.package(model, options)


def test_a_model_without_a_config_gets_a_complete_one(tmp_path: Path) -> None:
    package = _package(_input(_save(tmp_path)))

    assert _paths(package.files) == {"model.onnx": tmp_path / "model.onnx"}
    assert not package.config_is_verbatim
    assert package.config is not None
    config = parse(package.config)
    assert [entry.name for entry in config.input] == ["X"]
    assert [entry.name for entry in config.output] == ["Y"]
    assert config.max_batch_size == 4
    assert package.origin.flavor == "onnx"
    assert package.origin.registry_version == 3
    assert package.beside == {}


def test_external_data_comes_along_under_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    _save(tmp_path, save_as_external_data=True, location="weights/all.bin", size_threshold=0)

    package = _package(_input(tmp_path))

    assert _paths(package.files) == {
        "model.onnx": tmp_path / "model.onnx",
        "weights/all.bin": tmp_path / "weights" / "all.bin",
    }
    assert package.files["weights/all.bin"].size == 32


def test_external_data_in_subgraphs_attributes_and_functions_is_found(tmp_path: Path) -> None:
    def external(name: str) -> onnx.TensorProto:
        tensor = onnx.TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=f"{name}.bin")
        (tmp_path / f"{name}.bin").write_bytes(b"\0\0\0\0")
        return tensor

    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["c"], value=external("attribute"))],
        "branch",
        [],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, [1])],
        [external("subgraph")],
    )
    model = _model()
    model.graph.node.append(
        helper.make_node("If", ["X"], ["Z"], then_branch=branch, else_branch=branch)
    )
    function = model.functions.add(name="f", domain="d")
    function.node.append(helper.make_node("Constant", [], ["k"], value=external("function")))
    sparse = model.graph.sparse_initializer.add()
    sparse.values.CopyFrom(external("sparse"))
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())

    package = _package(_input(tmp_path))

    names = {"attribute", "subgraph", "function", "sparse"}
    assert set(package.files) == {"model.onnx", *(f"{name}.bin" for name in names)}


def test_missing_external_data_is_refused(tmp_path: Path) -> None:
    _save(tmp_path, save_as_external_data=True, location="w.bin", size_threshold=0)
    (tmp_path / "w.bin").unlink()
    with pytest.raises(InvalidPackageError, match=r"'w\.bin', and that file is missing"):
        _package(_input(tmp_path))


@pytest.mark.parametrize("location", ["../w.bin", "/etc/passwd", "a/../../w.bin", "."])
def test_external_data_outside_of_the_model_is_refused(tmp_path: Path, location: str) -> None:
    model = _model()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(InvalidPackageError, match="outside of its own directory"):
        _package(_input(tmp_path))


def test_external_data_behind_a_link_that_leaves_the_model_is_refused(tmp_path: Path) -> None:
    model = _save(tmp_path / "m", save_as_external_data=True, location="w.bin", size_threshold=0)
    (model / "w.bin").rename(tmp_path / "elsewhere.bin")
    (model / "w.bin").symlink_to(tmp_path / "elsewhere.bin")
    with pytest.raises(InvalidPackageError, match="link that leaves"):
        _package(_input(model))


def test_a_tensor_without_a_location_is_refused(tmp_path: Path) -> None:
    model = _model()
    model.graph.initializer[0].ClearField("raw_data")
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(InvalidPackageError, match="not in which file"):
        _package(_input(tmp_path))


def test_a_logged_config_is_deployed_byte_for_byte_with_its_labels(tmp_path: Path) -> None:
    _save(tmp_path)
    (tmp_path / "config.pbtxt").write_bytes(CONFIG)
    for name in ("kinds.txt", "more.txt", "requirements.txt", "constraints.txt", "conda.yaml"):
        (tmp_path / name).write_text(name, encoding="utf-8")

    package = _package(_input(tmp_path))

    assert package.config == CONFIG
    assert package.config_is_verbatim
    assert set(package.beside) == {"kinds.txt", "more.txt"}


def test_files_logged_to_the_run_count_as_well(tmp_path: Path) -> None:
    model, run = _save(tmp_path / "model"), tmp_path / "run"
    run.mkdir()
    (run / "config.pbtxt").write_bytes(CONFIG)
    (run / "kinds.txt").write_text("a\nb\n", encoding="utf-8")

    package = _package(
        _input(model, config__pbtxt=run / "config.pbtxt", kinds__txt=run / "kinds.txt")
    )

    assert package.config == CONFIG
    assert _paths(package.beside) == {"kinds.txt": run / "kinds.txt"}


def test_the_config_may_give_the_model_file_another_name(tmp_path: Path) -> None:
    _save(tmp_path, save_as_external_data=True, location="w.bin", size_threshold=0)
    config = CONFIG.replace(b' label_filename: "kinds.txt"', b"")
    (tmp_path / "config.pbtxt").write_bytes(config + b'default_model_filename: "net.onnx"\n')

    assert set(_package(_input(tmp_path)).files) == {"net.onnx", "w.bin"}


def test_a_version_policy_of_the_users_is_no_problem(tmp_path: Path) -> None:
    _save(tmp_path)
    config = CONFIG.replace(b' label_filename: "kinds.txt"', b"")
    config += b"version_policy { specific { versions: [5] } }\n"
    (tmp_path / "config.pbtxt").write_bytes(config)

    assert _package(_input(tmp_path)).config == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((b"max_batch_size: 8", b"max_batch_size: ?"), r"config\.pbtxt:3"),
        ((b"platform:", b'name: "other"\nplatform:'), "name is 'other'"),
        ((b"# mine", b"# mine"), r"kinds\.txt: the label file of output 'Y' is missing"),
        ((b'platform: "onnxruntime_onnx"', b'backend: "python"'), r"1/model\.py: the model file"),
    ],
)
def test_a_config_that_triton_would_refuse_is_refused(
    tmp_path: Path, change: tuple[bytes, bytes], message: str
) -> None:
    _save(tmp_path)
    (tmp_path / "config.pbtxt").write_bytes(CONFIG.replace(*change))
    with pytest.raises(InvalidPackageError, match=message):
        _package(_input(tmp_path))


def test_options_are_refused_where_the_user_wrote_the_config(tmp_path: Path) -> None:
    _save(tmp_path)
    (tmp_path / "config.pbtxt").write_bytes(CONFIG)
    with pytest.raises(InvalidSettingError, match=r"instance_count can't be set: a config\.pbtxt"):
        _package(_input(tmp_path), PackageOptions(instance_count=2))


def test_what_is_no_tensor_is_refused_with_a_way_out(tmp_path: Path) -> None:
    zipmap = helper.make_tensor_sequence_value_info("Y", TensorProto.FLOAT, None)
    (tmp_path / "model.onnx").write_bytes(_model(output=zipmap).SerializeToString())
    with pytest.raises(InvalidPackageError, match=r"'Y' is a sequence.*zipmap"):
        _package(_input(tmp_path))


def test_an_output_without_a_shape_gets_the_one_that_follows_from_the_graph(tmp_path: Path) -> None:
    output = helper.make_tensor_value_info("Y", TensorProto.FLOAT, None)
    (tmp_path / "model.onnx").write_bytes(_model(output=output).SerializeToString())

    config = _package(_input(tmp_path)).config

    assert config is not None
    assert list(parse(config).output[0].dims) == [2]


@pytest.mark.parametrize("content", [b"", b"not a model at all", b"\xff" * 100])
def test_a_damaged_model_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(InvalidPackageError, match="not an ONNX model"):
        _package(_input(tmp_path))


def test_a_missing_model_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelSourceError, match=r"no file 'model\.onnx'"):
        _package(_input(tmp_path))


def test_a_model_file_outside_of_the_model_is_refused(tmp_path: Path) -> None:
    _save(tmp_path / "a")
    (tmp_path / "b").mkdir()
    with pytest.raises(InvalidPackageError, match="outside of the model"):
        _package(_input(tmp_path / "b", "../a/model.onnx"))


def test_a_directory_of_the_models_name_holds_the_model(tmp_path: Path) -> None:
    directory = tmp_path / "model.onnx"
    _save(directory, save_as_external_data=True, location="w.bin", size_threshold=0)

    assert _paths(_package(_input(tmp_path)).files) == {
        "model.onnx": directory / "model.onnx",
        "w.bin": directory / "w.bin",
    }


def test_data_with_the_name_of_the_model_file_is_refused(tmp_path: Path) -> None:
    _save(tmp_path, save_as_external_data=True, location="w.bin", size_threshold=0)
    config = CONFIG + b'default_model_filename: "w.bin"\n'
    (tmp_path / "config.pbtxt").write_bytes(config)
    with pytest.raises(InvalidPackageError, match="the name that the model file itself has"):
        _package(_input(tmp_path))


def test_configurations_for_kinds_of_hardware_come_along(tmp_path: Path) -> None:
    model = _save(tmp_path / "model")
    (model / "configs").mkdir()
    (model / "configs" / "a.pbtxt").write_text("# the model's", encoding="utf-8")
    (model / "configs" / "notes.md").write_text("no configuration", encoding="utf-8")
    files = {}
    for name in ("a", "b"):
        file = tmp_path / name
        file.write_text(f"# the run's {name}", encoding="utf-8")
        files[f"configs/{name}__pbtxt"] = file

    package = _package(_input(model, **files))

    assert package.named_configs() == {
        "configs/a.pbtxt": b"# the model's",
        "configs/b.pbtxt": b"# the run's b",
    }
