"""From a SavedModel that TensorFlow wrote to a package, without TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mlflow_triton.flavors.choosing import choose_flavor
from mlflow_triton.flavors.packaging import (
    Fit,
    FlavorInput,
    PackageOptions,
    UnsuitableModelError,
)
from mlflow_triton.flavors.savedmodel_messages import SavedModel
from mlflow_triton.flavors.savedmodel_signature import read_signature
from mlflow_triton.flavors.tensorflow import FLAVOR
from mlflow_triton.mlmodel import MLmodel, read_mlmodel
from mlflow_triton.model_files import DirectoryFiles, ListedFiles
from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import VersionPackage
from triton_deploy_core.ports.store import Content
from triton_deploy_transport.config_check import check_config
from triton_deploy_transport.pbtxt import ModelConfig, parse

SAVED = Path(__file__).with_name("savedmodels")
FLOAT, TEXT, COMPLEX = 1, 7, 8


def saved(
    inputs: dict[str, Any] | None = None,
    outputs: dict[str, Any] | None = None,
    *,
    tag: str = "serve",
    name: str = "serving_default",
    **more: Any,
) -> bytes:
    """A ``saved_model.pb``; tensors are name → (type, shape), the shape None where it has none."""
    model = SavedModel()
    graph = model.meta_graphs.add()
    graph.meta_info_def.tags.append(tag)
    for key in ("__saved_model_init_op", name, *more):
        signature = graph.signature_def.add(key=key).value
        sides = ((inputs, signature.inputs), (outputs, signature.outputs))
        for tensors, entries in sides if key != "__saved_model_init_op" else ():
            for tensor, (kind, shape) in (tensors or {"x": (FLOAT, [-1, 3])}).items():
                info = entries.add(key=tensor).value
                info.dtype = kind
                info.tensor_shape.unknown_rank = shape is None
                for size in shape or ():
                    info.tensor_shape.dim.add(size=size)
    return bytes(model.SerializeToString())


def model(pb: bytes, **entry: Any) -> FlavorInput:
    entry = entry or {"saved_model_dir": "tf2model"}
    return FlavorInput(
        DeploymentName("x"),
        ListedFiles("models:/x/1", {"tf2model/saved_model.pb": Content(pb)}),
        MLmodel({"tensorflow": entry, "python_function": {}}),
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


@pytest.mark.parametrize(
    ("name", "takes", "gives", "left_out"),
    [
        ("module", [("x", [3])], [("y", [1])], ["n"]),
        ("keras", [("inputs", [3])], [("output_0", [2])], []),
    ],
)
def test_what_mlflow_logged(name, takes, gives, left_out, warnings_told):
    files = DirectoryFiles(SAVED / name)
    mlmodel = read_mlmodel(files)
    made, config = package(FlavorInput(DeploymentName("x"), files, mlmodel, "x"))
    assert config.platform == "tensorflow_savedmodel"
    assert set(made.files) == {
        f"model.savedmodel/{path}"
        for path in (
            "fingerprint.pb",
            "saved_model.pb",
            "variables/variables.data-00000-of-00001",
            "variables/variables.index",
        )
    }
    assert described(config.input) == takes
    assert described(config.output) == gives
    assert config.max_batch_size == 4
    assert [warning.rpartition(": ")[2] for warning in warnings_told()] == left_out


def test_a_model_is_deployed_so_only_where_its_user_names_the_flavor():
    for flavors in ({"tensorflow": {}}, {"keras": {}}):
        mlmodel = MLmodel({**flavors, "python_function": {}})
        assert FLAVOR.fit(mlmodel) is Fit.ON_REQUEST
        assert choose_flavor(mlmodel, None).name == "pyfunc"
    assert FLAVOR.fit(MLmodel({"onnx": {}})) is Fit.NONE


def test_a_file_that_keras_alone_reads():
    files = ListedFiles("models:/x/1", {"data/model.keras": Content(b"")})
    given = FlavorInput(DeploymentName("x"), files, MLmodel({"keras": {"data": "data"}}), "x")
    with pytest.raises(UnsuitableModelError, match=r"\.keras, \.h5\)\. Log a SavedModel: mlflow"):
        package(given)


def test_fixed_rows_and_text():
    shapes = {"a": (TEXT, [2]), "b": (FLOAT, [-1, -1])}
    _, config = package(model(saved(shapes, shapes)))
    assert config.max_batch_size == 0
    assert described(config.input) == [("a", [2]), ("b", [-1, -1])]
    with pytest.raises(InvalidSettingError, match=r"'a', which has shape \[2\], is not free"):
        package(model(saved(shapes, shapes)), max_batch_size=2)


def test_a_column_of_a_batch_has_one_element():
    (entry,) = package(model(saved({"a": (TEXT, [-1])})))[1].input
    assert ([*entry.dims], entry.HasField("reshape")) == ([1], True)


def test_another_tag_and_signature_are_told_to_the_backend():
    entry = {
        "saved_model_dir": "tf2model",
        "meta_graph_tags": ["mine"],
        "signature_def_key": "predict",
    }
    _, config = package(model(saved(tag="mine", name="predict", other=None), **entry))
    told = {key: value.string_value for key, value in config.parameters.items()}
    assert told == {"TF_GRAPH_TAG": "mine", "TF_SIGNATURE_DEF": "predict"}


@pytest.mark.parametrize(
    ("pb", "complaint"),
    [
        (b"\xff\xff", "saved_model.pb is damaged, or no SavedModel"),
        (saved(tag="train"), "no graph in tf2model/saved_model.pb has the tag 'serve'"),
        (saved(name="a", b=None), "it has no signature 'serving_default' ('a', 'b')"),
        (saved({"x": (COMPLEX, [-1])}), "input 'x' has TensorFlow's type number 8"),
        (saved({"x": (FLOAT, None)}), "input 'x' has no shape, or is a scalar"),
        (saved({"x": (FLOAT, [])}), "input 'x' has no shape, or is a scalar"),
        (saved(None, {"y": (FLOAT, None)}), "no inputs or no outputs with a shape"),
    ],
)
def test_what_the_backend_cannot_serve(pb, complaint):
    with pytest.raises(UnsuitableModelError) as refused:
        package(model(pb))
    assert complaint in str(refused.value)
    assert str(refused.value).endswith("Or deploy it with --flavor pyfunc.")


@dataclass
class _Counted:
    """Files that count the bytes that are read of them."""

    data: bytes
    read_bytes: list[int] = field(default_factory=list)

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        found = self.data[offset:] if length is None else self.data[offset : offset + length]
        self.read_bytes.append(len(found))
        return found


def test_the_graph_is_read_past():
    graph = bytes([2 << 3 | 2, 0x80, 0x80, 0x80, 0x04]) + bytes(8 << 20)  # graph_def of 8 MiB
    inner = graph + SavedModel.FromString(saved()).meta_graphs[0].SerializeToString()
    size = len(inner)
    header = bytes([2 << 3 | 2, *(size >> shift & 0x7F | 0x80 for shift in (0, 7, 14)), size >> 21])
    files: Any = _Counted(header + inner)
    signature = read_signature(files, "saved_model.pb", Content(files.data))
    assert [tensor.name for tensor in signature.inputs] == ["x"]
    assert sum(files.read_bytes) < 100_000
