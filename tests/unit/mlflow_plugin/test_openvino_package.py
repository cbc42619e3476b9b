"""From a model in OpenVINO's IR to a package, without OpenVINO and without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import mlflow_triton.openvino
from mlflow_triton.flavors.openvino import FLAVOR
from mlflow_triton.flavors.packaging import FlavorInput, PackageOptions, UnsuitableModelError
from mlflow_triton.mlmodel import MLmodel, read_mlmodel
from mlflow_triton.model_files import DirectoryFiles, ListedFiles
from triton_deploy_core.errors import InvalidRequestError, InvalidSettingError, ModelSourceError
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import VersionPackage
from triton_deploy_core.ports.store import Content
from triton_deploy_transport.config_check import check_config
from triton_deploy_transport.pbtxt import ModelConfig, parse

BODY = '<layer id="9" name="inner" type="Parameter"><data shape="7" element_type="f32"/></layer>'


def ir(
    shape: str = "?,3",
    precision: str = "FP32",
    names: str = "x",
    output: str = "",
    version: int = 11,
) -> bytes:
    dims = "".join(f"<dim>{-1 if d == '?' else d}</dim>" for d in shape.split(",") if d != "...")
    result = f'output_names="{output}"' if output else ""
    return f"""<?xml version="1.0"?><net name="m" version="{version}"><layers>
      <layer id="0" name="in" type="Parameter"><data shape="{shape}" element_type="f32"/>
        <output><port id="0" precision="{precision}" names="{names}">{dims}</port></output></layer>
      <layer id="1" name="loop" type="TensorIterator"><body><layers>{BODY}</layers></body>
        <output><port id="2" precision="FP32" names="y,other"><dim>-1</dim><dim>2</dim></port>
        </output></layer>
      <layer id="2" name="out" type="Result" {result}>
        <input><port id="0" precision="FP32"><dim>-1</dim><dim>2</dim></port></input></layer>
    </layers><edges><edge from-layer="0" from-port="0" to-layer="1" to-port="0"/>
      <edge from-layer="1" from-port="2" to-layer="2" to-port="0"/></edges></net>""".encode()


def model(xml: bytes, *, data: str | None = "model.xml", **files: bytes) -> FlavorInput:
    listed = {"model.xml": xml, "model.bin": b"\0", "MLmodel": b"", **files}
    entry = {} if data is None else {"data": data}
    return FlavorInput(
        DeploymentName("x"),
        ListedFiles("models:/x/1", {name: Content(file) for name, file in listed.items()}),
        MLmodel({"openvino": entry}),
        "models:/x/1",
    )


def package(given: FlavorInput, **options: Any) -> tuple[VersionPackage, ModelConfig]:
    made = FLAVOR.package(given, PackageOptions(**options))
    assert isinstance(made, VersionPackage)
    config = parse(made.config)
    assert check_config(config, name="x", auto_complete=False) == []
    return made, config


def described(tensors: Any) -> list[tuple[str, list[int]]]:
    return [(tensor.name, [*tensor.dims]) for tensor in tensors]


def test_rows_are_a_dimension_like_others():
    made, config = package(model(ir()))
    assert set(made.files) == {"model.xml", "model.bin"}
    assert config.backend == "openvino"
    assert config.max_batch_size == 0
    assert described(config.input) == [("x", [-1, 3])]
    assert described(config.output) == [("other", [-1, 2])]
    assert not config.HasField("dynamic_batching")
    (group,) = config.instance_group
    assert (group.count, group.kind) == (1, group.KIND_CPU)


def test_a_batch_limit_is_padded_to():
    _, config = package(model(ir()), max_batch_size=8, instance_count=3)
    assert described(config.input) == [("x", [3])]
    assert config.parameters["ENABLE_BATCH_PADDING"].string_value == "YES"
    assert config.HasField("dynamic_batching")
    (group,) = config.instance_group
    assert (group.count, group.kind) == (3, group.KIND_CPU)


def test_a_model_with_a_fixed_first_dimension_has_no_batches():
    assert described(package(model(ir("2,3")))[1].input) == [("x", [2, 3])]
    with pytest.raises(InvalidSettingError, match=r"'x', which has shape \[2, 3\], is not free"):
        package(model(ir("2,3")), max_batch_size=4)


def test_of_several_names_the_runtime_takes_the_first():
    _, config = package(model(ir(names="b,a\\,c", output="z,q")))
    assert described(config.input) == [("a,c", [-1, 3])]
    assert described(config.output) == [("q", [-1, 2])]


@pytest.mark.parametrize(
    ("xml", "complaint"),
    [
        (ir("1..8,3"), "input 'x' has a shape of unknown rank, or with a size between two limits"),
        (ir("..."), "input 'x' has a shape of unknown rank"),
        (ir(precision="STRING"), "input 'x' is of type STRING"),
        (ir(names=""), "input 'in' has no tensor name"),
        (ir(version=10), "IR of version 10"),
        (b"<net version='11'>", "model.xml is no XML"),
        (b"not xml", "model.xml is no XML"),
        (b"<net version='11'/>", "no layer of type Result"),
    ],
)
def test_what_the_backend_cannot_serve(xml, complaint):
    with pytest.raises(UnsuitableModelError) as refused:
        package(model(xml))
    assert complaint in str(refused.value)
    assert str(refused.value).endswith("log what openvino.save_model saves.")


def test_numbers_that_the_backend_has_no_type_for_are_converted_by_it():
    (entry,) = package(model(ir(precision="FP64")))[1].input
    assert (
        entry.data_type
        == entry.DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_name["TYPE_FP32"].number
    )


def test_an_entry_of_somebody_elses_need_not_name_the_file():
    assert described(package(model(ir(), data=None))[1].input) == [("x", [-1, 3])]
    with pytest.raises(ModelSourceError, match="the model has 2 of them"):
        package(model(ir(), data=None, **{"other.xml": b""}))


def test_weights_that_are_missing():
    with pytest.raises(ModelSourceError, match=r"no file 'other\.bin'"):
        package(model(ir(), data="other.xml", **{"other.xml": ir()}))


def test_saving_copies_both_files_and_names_the_flavor(tmp_path: Path):
    (tmp_path / "net.xml").write_bytes(ir())
    with pytest.raises(InvalidRequestError, match=r"net\.bin is not a file"):
        mlflow_triton.openvino.save_model(tmp_path / "net.xml", tmp_path / "saved")
    (tmp_path / "net.bin").write_bytes(b"\0")
    mlflow_triton.openvino.save_model(tmp_path / "net.xml", tmp_path / "saved")
    files = DirectoryFiles(tmp_path / "saved")
    assert files.names() == {"MLmodel", "model.xml", "model.bin"}
    assert read_mlmodel(files).flavors == {"openvino": {"data": "model.xml"}}
    with pytest.raises(InvalidRequestError, match="exists already"):
        mlflow_triton.openvino.save_model(tmp_path / "net.xml", tmp_path / "saved")
