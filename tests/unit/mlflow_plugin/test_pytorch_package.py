"""From a model of PyTorch to a package for Triton's PyTorch backend, without a server."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from mlflow_triton.flavors.packaging import PackageOptions, UnsuitableModelError
from mlflow_triton.model_files import ListedFiles
from mlflow_triton.packing import make_package
from triton_deploy_core.errors import (
    DeployError,
    InvalidPackageError,
    InvalidSettingError,
    ModelSourceError,
)
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import VersionPackage
from triton_deploy_core.ports.source import LocatedModel
from triton_deploy_core.ports.store import Content
from triton_deploy_transport.config_check import check_config
from triton_deploy_transport.pbtxt import ModelConfig, parse

CLASS = """class {name}(Module):
  __parameters__ = ["weight", ]
  training : bool
  fc : __torch__.torch.nn.modules.linear.Linear
  def other(self: __torch__.{name}) -> int:
    return 0
  def forward(self: __torch__.{name}{arguments}) -> {returns}:
    return (self.fc).forward(x, )
"""


def archive(files: dict[str, str | bytes]) -> bytes:
    """Return a zip archive laid out as PyTorch does it: all in a directory, nothing compressed."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as file:
        for name, content in files.items():
            file.writestr(f"model/{name}", content)
    return written.getvalue()


def script(
    *arguments: str,
    returns: str = "Tensor",
    module: str = "__torch__",
    training: bytes = b"",
    uses: str = "",
) -> bytes:
    """Return TorchScript with a `forward` of these arguments, as PyTorch 2.13 writes it."""
    listed = "".join(f",\n    {argument}" for argument in arguments)
    code = CLASS.format(name="Net", arguments=listed, returns=returns) + uses
    root = b"\x80\x02c" + f"{module}\nNet\n".encode() + b"q\0)\x81}("
    more = CLASS.format(name="Zed", arguments=",\n    z: int", returns="int")
    return archive(
        {
            "data/0": b"\0" * 48,
            "data.pkl": root + training + b"ub.",
            f"code/{module.replace('.', '/')}.py": more + code + more.replace("Zed", "Zoo"),
            "constants.pkl": b"\x80\x02).",
        }
    )


FLAG, AGAIN = b"X\x08\0\0\0trainingq\x01", b"h\x01"
"""The key of a module's flag in a pickle, written out and remembered."""
DROPOUT = "    return torch.dropout(x, 0.5, self.training)\n"
NET = script("x: Tensor")
PICKLED = archive({"data.pkl": b"\x80\x02cmine\nNet\n.", "version": "3", "data/0": b"\0" * 48})
EXPORTED = archive({"models/model.json": "{}", "archive_format": "pt2", "data/weights/w": b"\0"})


def tensor(*shape: int, dtype: str = "float32", name: str | None = None) -> dict[str, Any]:
    spec = {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": list(shape)}}
    return spec if name is None else spec | {"name": name}


def columns(kind: str, *names: str) -> list[dict[str, Any]]:
    return [{"type": kind, "name": name} for name in names]


ROW = [tensor(-1, 4)]


def located(
    file: bytes, inputs: Any, outputs: Any, path: str = "data/model.pth", **entry: Any
) -> LocatedModel:
    signature = {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs)}
    flavors = {"python_function": {}, "pytorch": {"model_data": "data", **entry}}
    mlmodel = json.dumps({"flavors": flavors, "signature": signature})
    files = {"MLmodel": Content(mlmodel.encode()), path: Content(file)}
    return LocatedModel(uri="models:/x/1", files=ListedFiles("models:/x/1", files))


def package(
    file: bytes = NET, inputs: Any = ROW, outputs: Any = ROW, **options: Any
) -> tuple[VersionPackage, ModelConfig]:
    model = located(file, inputs, outputs)
    made = make_package(DeploymentName("x"), model, None, PackageOptions(**options))
    assert isinstance(made, VersionPackage)
    assert made.origin.flavor == "pytorch"
    config = parse(made.config)
    assert check_config(config, name="x", auto_complete=False) == []
    return made, config


def described(entries: Any) -> list[tuple[str, str, list[int]]]:
    return [(entry.name, entry.data_type, list(entry.dims)) for entry in entries]


FP32, TYPE_STRING = ModelConfig().input.add(data_type="TYPE_FP32").data_type, 13


def test_tensors_without_names_are_numbered_and_a_free_first_dimension_is_the_batch():
    made, config = package(outputs=[tensor(-1, 3)])
    assert made.files == {"model.pt": Content(NET)}
    assert (config.backend, config.max_batch_size) == ("pytorch", 4)
    assert config.HasField("dynamic_batching")
    assert described(config.input) == [("INPUT__0", FP32, [4])]
    assert described(config.output) == [("OUTPUT__0", FP32, [3])]
    _, config = package(max_batch_size=0)
    assert described(config.input) == [("INPUT__0", FP32, [-1, 4])]
    _, config = package(inputs=[tensor(2, 4)])
    assert (config.max_batch_size, config.HasField("dynamic_batching")) == (0, False)
    assert described(config.input) == [("INPUT__0", FP32, [2, 4])]
    with pytest.raises(InvalidSettingError, match="first dimension of 'INPUT__0'"):
        package(inputs=[tensor(2, 4)], max_batch_size=8)


def test_a_batch_of_single_numbers_is_reshaped():
    _, config = package(outputs=[tensor(-1, dtype="int64")])
    (entry,) = config.output
    assert list(entry.dims) == [1]
    assert entry.HasField("reshape")
    assert list(entry.reshape.shape) == []


def test_names_of_the_signature():
    two = script("ids: Tensor", "mask: Tensor", returns="Tuple[Tensor, Tensor]")
    ids, mask = tensor(-1, 8, dtype="int64", name="ids"), tensor(-1, 8, dtype="bool", name="mask")
    results = [tensor(-1, 2, name="logits"), tensor(-1, 2, name="state")]
    _, config = package(two, [mask, ids], results)  # to the arguments of their names
    assert [entry.name for entry in config.input] == ["mask", "ids"]
    assert [entry.name for entry in config.output] == ["logits", "state"]
    others = [ids | {"name": "a"}, mask | {"name": "b"}]  # to the arguments in their order
    assert [entry.name for entry in package(two, others, results)[1].input] == ["a", "b"]
    numbered = [ids | {"name": "x__1"}, mask | {"name": "x__0"}]
    assert package(two, numbered, results)
    entries = script("d: Dict[str, Tensor]")
    assert package(entries, [ids, mask], ROW)


def test_columns_are_a_matrix():
    names = ["age", "height"]
    _, config = package(
        inputs=[*columns("double", "age"), *columns("long", "height")],
        outputs=columns("float", "0", "1", "2"),
    )
    assert described(config.input) == [("INPUT__0", FP32, [2])]
    assert described(config.output) == [("OUTPUT__0", FP32, [3])]
    assert json.loads(config.parameters["feature_names"].string_value) == names
    _, config = package(inputs=[{"type": "double"}] * 2)
    assert "feature_names" not in config.parameters


def test_lists_of_text():
    texts = [tensor(-1, dtype="str", name="words")]
    _, config = package(script("words: List[str]", returns="List[str]"), texts, texts)
    assert described(config.input) == [("words", TYPE_STRING, [1])]
    forms = json.loads(config.parameters["text_forms"].string_value)
    assert forms == {"inputs": {"words": "text"}, "outputs": {"words": "text"}}


@pytest.mark.parametrize(
    ("file", "inputs", "reason"),
    [
        (PICKLED, ROW, r"a pickled module, not TorchScript\. Log torch\.jit\.script\(model\)"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", ROW, "a pickled module"),
        (b"", ROW, "a pickled module"),
        (EXPORTED, ROW, "an exported program, not TorchScript"),
        (
            script("x: Tensor", training=FLAG + b"\x89" + AGAIN + b"\x88", uses=DROPOUT),
            ROW,
            r"left in training mode.*Call model\.eval\(\) before",
        ),
        (script("x: Tensor", "flag: bool=False"), ROW, "'flag' of type bool"),
        (script("x: Tensor", "y: Optional[Tensor]=None"), ROW, r"type Optional\[Tensor\]"),
        (script("x: Tensor", "y: Tuple[int, float]=(1, 2.)"), ROW, r"Tuple\[int, float\]"),
        (NET, [tensor(-1, dtype="uint16")], "'INPUT__0' is of type UINT16"),
        (NET, [tensor()], "a single number without a dimension"),
        (NET, [tensor(-1, 2, dtype="str")], "neither of numbers nor a list of text"),
        (NET, columns("string", "a"), "its input columns are not all numbers"),
    ],
)
def test_what_the_backend_cannot_serve_says_why_and_is_a_python_model_else(
    file, inputs, reason, warnings_told
):
    model = located(file, inputs, ROW)
    options = PackageOptions(own={"env": "server"})  # of the flavor that it becomes
    for given in (PackageOptions(), options):
        made = make_package(DeploymentName("x"), model, None, given)
        assert made.origin.flavor == "pyfunc"
    told, _ = warnings_told()
    assert told.startswith("deploying models:/x/1 as flavor pyfunc: Triton's PyTorch backend can't")
    assert "--flavor pyfunc" not in told
    with pytest.raises(UnsuitableModelError, match=reason):
        make_package(DeploymentName("x"), model, "pytorch", PackageOptions())
    with pytest.raises(UnsuitableModelError, match=reason):  # a setting of neither
        make_package(DeploymentName("x"), model, None, PackageOptions(own={"threshold": 0.5}))


TWO = script("a: Tensor", "b: Tensor")
A, B = tensor(-1, 4, name="a"), tensor(-1, 4, name="b")


@pytest.mark.parametrize(
    ("file", "inputs", "outputs", "reason"),
    [
        (TWO, ROW, ROW, r"names 1 inputs, and forward takes \(a, b\)"),
        (TWO, [B, A | {"name": "c"}], ROW, "names the inputs b, c, and forward a, b"),
        (TWO, [A | {"name": "x__0"}, B | {"name": "x__2"}], ROW, "not numbered from 0"),
        (NET, [tensor(-1, dtype="str")], ROW, "'INPUT__0' as text, and forward takes Tensor"),
        (script("x: List[str]"), ROW, ROW, "as numbers, and forward takes List"),
        (NET, ROW, [A, B], "names the outputs a, b, and forward returns 1"),
        (script("x: Tensor", returns="Dict[str, Tensor]"), ROW, ROW, "returns Dict"),
        (script("x: Tensor", returns="Tuple[Tensor, List[Tensor]]"), ROW, ROW, "returns List"),
        (script("x: Tensor", returns="float"), ROW, ROW, "returns float"),
    ],
)
def test_what_is_not_the_models_is_refused_unless_triton_is_to_decide(
    file, inputs, outputs, reason
):
    with pytest.raises(InvalidPackageError, match=reason) as refused:
        package(file, inputs, outputs)
    assert not isinstance(refused.value, UnsuitableModelError)
    assert package(file, inputs, outputs, check=False)


def test_a_forward_that_cannot_be_read_is_left_to_triton():
    assert package(script("x: Tensor", returns="__torch__.Pair"), ROW, [A, B])
    code = {"code/__torch__.py": DROPOUT, "constants.pkl": b""}
    without = archive({"data.pkl": b"?", **code})
    assert package(without, [A, B], ROW)
    with pytest.raises(InvalidPackageError, match="names 1 inputs, and forward takes"):
        package(script("a: Tensor", "b: Tensor", module="__torch__.x.___torch_mangle_4"))


def test_training_mode_that_nothing_looks_at_or_that_is_off_does_not_matter():
    assert package(script("x: Tensor", training=FLAG + b"\x88"))
    assert package(script("x: Tensor", training=FLAG + b"\x89" + AGAIN + b"\x89", uses=DROPOUT))


def test_files_that_are_not_there():
    with pytest.raises(ModelSourceError, match=r"no file 'data/model\.pth'"):
        make_package(DeploymentName("x"), located(NET, ROW, ROW, path="x"), None, PackageOptions())
    with pytest.raises(DeployError, match="outside of the model"):
        make_package(
            DeploymentName("x"), located(NET, ROW, ROW, model_data="../x"), None, PackageOptions()
        )
    exported = located(EXPORTED, ROW, ROW, path="data/model.pt2")
    made = make_package(DeploymentName("x"), exported, None, PackageOptions())
    assert made.origin.flavor == "pyfunc"
