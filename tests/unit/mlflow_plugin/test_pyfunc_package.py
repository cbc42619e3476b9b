"""From a model's signature to a package for Triton's python backend, without a server."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_triton.environment_interpreter import interpreter_with
from mlflow_triton.environment_packing import pack_environment
from mlflow_triton.flavors.packaging import FlavorInput, PackageOptions
from mlflow_triton.flavors.pyfunc import FLAVOR
from mlflow_triton.flavors.pyfunc_config import generate_config
from mlflow_triton.flavors.pyfunc_signature import read_signature
from mlflow_triton.mlmodel import MLmodel
from mlflow_triton.model_files import DirectoryFiles, ListedFiles
from mlflow_triton.text_forms import PARAMETER, TextForm, read_forms
from triton_deploy_core.errors import InvalidPackageError, InvalidSettingError
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import VersionPackage
from triton_deploy_core.ports.store import LocalFile
from triton_deploy_transport.config_check import check_config
from triton_deploy_transport.pbtxt import ModelConfig, parse

COLUMN_TYPES = {
    "boolean": "TYPE_BOOL",
    "integer": "TYPE_INT32",
    "long": "TYPE_INT64",
    "float": "TYPE_FP32",
    "double": "TYPE_FP64",
    "string": "TYPE_STRING",
    "binary": "TYPE_STRING",
    "datetime": "TYPE_STRING",
    "array": "TYPE_STRING",
    "object": "TYPE_STRING",
    "map": "TYPE_STRING",
    "any": "TYPE_STRING",
}
LONG = {"type": "long", "name": "x"}


def model(inputs: Any = (LONG,), outputs: Any = (LONG,), **flavors: Any) -> MLmodel:
    signature = {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs)}
    return MLmodel(flavors={"python_function": {}, **flavors}, signature=signature)


def config(mlmodel: MLmodel, **options: Any) -> ModelConfig:
    return parse(generate_config(read_signature(mlmodel), PackageOptions(**options), {}))


def tensor(dtype: str, shape: list[int], name: str | None = None) -> dict[str, Any]:
    named = {} if name is None else {"name": name}
    return {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": shape}, **named}


letters = st.characters(exclude_categories=["Cc", "Cs"])
names = st.lists(st.text(letters, min_size=1, max_size=8), min_size=1, max_size=6, unique=True)


@st.composite
def columns(draw: st.DrawFn) -> list[dict[str, Any]]:
    kinds = st.sampled_from(sorted(COLUMN_TYPES))
    return [
        {"type": draw(kinds), "name": name, "required": draw(st.booleans())} for name in draw(names)
    ]


@given(columns(), columns(), st.integers(0, 8))
def test_any_columns_make_a_configuration_that_is_complete(inputs, outputs, max_batch_size):
    made = config(model(inputs, outputs), max_batch_size=max_batch_size)
    assert check_config(made, name="x", auto_complete=False) == []
    for entries, columns in ((made.input, inputs), (made.output, outputs)):
        assert [entry.name for entry in entries] == [column["name"] for column in columns]
        for entry, column in zip(entries, columns, strict=True):
            data_type = ModelConfig.DESCRIPTOR.file.enum_types_by_name["DataType"]
            assert data_type.values_by_number[entry.data_type].name == COLUMN_TYPES[column["type"]]
            assert list(entry.dims) == [1 if max_batch_size else -1]
    optional = {column["name"] for column in inputs if not column["required"]}
    assert {entry.name for entry in made.input if entry.optional} == optional
    as_told = {"parameters": {PARAMETER: {"string_value": made.parameters[PARAMETER].string_value}}}
    forms = read_forms(as_told, "inputs")
    plain = {"boolean", "integer", "long", "float", "double", "binary"}
    assert set(forms) == {column["name"] for column in inputs if column["type"] not in plain}
    assert not made.HasField("dynamic_batching")


def test_tensors_and_things_without_names():
    made = config(model([tensor("float32", [-1, 28, 28])], [tensor("float64", [])]))
    assert (made.input[0].name, list(made.input[0].dims)) == ("input", [-1, 28, 28])
    assert (made.output[0].name, list(made.output[0].dims)) == ("output", [1])
    made = config(model([{"type": "long"}, {"type": "double"}], [{"type": "long"}]))
    assert [entry.name for entry in made.input] == ["0", "1"]
    assert made.output[0].name == "output"
    made = config(model([tensor("str", [-1, 2], "x")], [LONG]), max_batch_size=2)
    assert list(made.input[0].dims) == [2]


def test_one_name_on_both_sides_may_have_two_forms():
    made = config(model([{"type": "string", "name": "x"}], [{"type": "datetime", "name": "x"}]))
    told = {"parameters": {PARAMETER: {"string_value": made.parameters[PARAMETER].string_value}}}
    assert read_forms(told, "inputs") == {"x": TextForm.TEXT}
    assert read_forms(told, "outputs") == {"x": TextForm.DATETIME}


@pytest.mark.parametrize("value", ["", "[]", "{", '{"inputs": 1}', '{"inputs": {"x": ["text"]}}'])
def test_forms_that_somebody_else_wrote_are_none(value):
    assert read_forms({"parameters": {PARAMETER: {"string_value": value}}}, "inputs") == {}


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        ({}, "has no signature.*Log the model again with input_example=.*infer_signature"),
        ({"inputs": json.dumps([LONG])}, "does not say what it returns.*infer_signature"),
        ({"inputs": "[{]", "outputs": "[]"}, "inputs of the model's signature can't be read"),
        ({"inputs": '[{"name": "x"}]', "outputs": "[]"}, "can't be read"),
        ({"inputs": '[{"type": "quaternion"}]', "outputs": "[]"}, "'0' has the type quaternion"),
    ],
)
def test_a_signature_that_does_not_do_says_what_to_do(signature, message):
    with pytest.raises(InvalidPackageError, match=message):
        read_signature(MLmodel(flavors={}, signature=signature))


def test_a_model_without_a_signature_is_named_as_set_signature_takes_it():
    with pytest.raises(InvalidPackageError, match=r'set_signature\("models:/m-0123"'):
        read_signature(MLmodel(flavors={}, model_id="m-0123"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dynamic_batching": True}, "dynamic_batching=true can't be had"),
        ({"instance_count": 0}, "instance_count=0 is too small"),
        ({"max_batch_size": -1}, "is negative"),
        ({"max_batch_size": 2}, r"'x', which has shape \[1, 2\] in the model's signature"),
    ],
)
def test_options_that_cannot_be_had(options, message):
    with pytest.raises(InvalidSettingError, match=message):
        config(model([tensor("int8", [1, 2], "x")]), **options)


def saved(directory: Path, **files: str) -> FlavorInput:
    (directory / "MLmodel").write_text("flavors: {}")
    (directory / "code" / "deep").mkdir(parents=True)
    (directory / "code" / "deep" / "module.py").write_text("")
    for name, content in files.items():
        (directory / name.replace("__", ".")).write_text(content)
    return FlavorInput(DeploymentName("x"), DirectoryFiles(directory), model(), "models:/x/1")


def package(given: FlavorInput, **own: str) -> VersionPackage:
    made = FLAVOR.package(given, PackageOptions(own=own))
    assert isinstance(made, VersionPackage)
    return made


def parameters(made: VersionPackage) -> dict[str, str]:
    found = parse(made.config or b"").parameters
    return {key: found[key].string_value for key in found}


def test_the_whole_model_goes_beside_our_two_files(tmp_path):
    made = package(saved(tmp_path))
    assert set(made.files) == {
        "model.py",
        "pyfunc_serving.py",
        "mlflow-model/MLmodel",
        "mlflow-model/code/deep/module.py",
    }
    assert parameters(made) == {}
    assert made.beside == {}
    for name in ("model.py", "pyfunc_serving.py"):
        compile(made.files[name].data, name, "exec")


def test_files_in_a_store_are_found_too(tmp_path):
    sources = {"MLmodel": LocalFile(tmp_path / "a", 1), "data/x": LocalFile(tmp_path / "b", 1)}
    given = FlavorInput(DeploymentName("x"), ListedFiles("s3://b", sources), model(), "models:/x/1")
    assert {"mlflow-model/MLmodel", "mlflow-model/data/x"} <= set(package(given).files)


def test_an_environment_of_the_users_is_named_by_its_content(tmp_path):
    (tmp_path / "model").mkdir()
    given = saved(tmp_path / "model")
    archive = tmp_path / "mine.tar.gz"
    archive.write_bytes(b"1")
    made = package(given, env=str(archive))
    ((name, source),) = made.beside.items()
    assert source == LocalFile(archive, 1)
    assert parameters(made) == {"EXECUTION_ENV_PATH": f"$$TRITON_MODEL_DIRECTORY/{name}"}
    archive.write_bytes(b"2")
    assert list(package(given, env=str(archive)).beside) != [name]


def test_what_is_on_the_server_is_named_as_it_is(tmp_path):
    given = saved(tmp_path)
    assert parameters(package(given, env="server:/e.tar.gz")) == {"EXECUTION_ENV_PATH": "/e.tar.gz"}
    assert parameters(package(given, env="python:/v/bin/python")) == {"PYTHON": "/v/bin/python"}
    assert parameters(package(given, env="server")) == {}


@pytest.mark.parametrize(
    ("env", "error", "message"),
    [
        ("nowhere.tar.gz", InvalidSettingError, "there is no such .tar.gz file here"),
        ("python:bin/python", InvalidSettingError, "an absolute path on the server"),
        ("server:e.tar.gz", InvalidSettingError, "an absolute path on the server"),
        ("pack", InvalidPackageError, "no python_env.yaml that says which Python"),
    ],
)
def test_environments_that_cannot_be_had(tmp_path, env, error, message):
    with pytest.raises(error, match=message):
        package(saved(tmp_path), env=env)


def test_without_requirements_nothing_is_packed(tmp_path):
    given = saved(tmp_path, python_env__yaml="python: 3.11.7\n")
    with pytest.raises(InvalidPackageError, match=r"no requirements.txt.*pip_requirements="):
        package(given, env="pack")


needs_uv = pytest.mark.skipif(
    not (os.environ.get("UV") or shutil.which("uv")), reason="there is no uv"
)


@pytest.fixture
def wheel(tmp_path: Path) -> str:
    path = tmp_path / "tiny-1.0-py3-none-any.whl"
    info = "tiny-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("tiny.py", "ANSWER = 42\n")
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", f"tiny.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n")
    return f"tiny @ file://{path}\n"


@needs_uv
def test_the_same_packages_make_the_same_bytes(tmp_path, monkeypatch, wheel):
    contents = []
    for place in ("first", "second"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / place))
        archive = pack_environment(wheel, "3.11")
        assert pack_environment(wheel, "3.11") == archive
        contents.append(archive.read_bytes())
    assert contents[0] == contents[1]
    with tarfile.open(archive) as tar:
        assert {"bin/activate", "site-packages/tiny.py"} <= set(tar.getnames())
    assert [path.name for path in archive.parent.iterdir()] == [archive.name]


@needs_uv
def test_uv_says_why_an_environment_cannot_be_made(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    missing = f"tiny @ file://{tmp_path}/tiny-1.0-py3-none-any.whl"
    with pytest.raises(
        InvalidPackageError, match=r"can't be made. uv says: .*tiny.*-C env="
    ) as told:
        pack_environment(missing, "3.11")
    assert "\n" not in str(told.value)


def test_without_uv_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.delenv("UV", raising=False)
    with pytest.raises(InvalidSettingError, match="pip install uv"):
        pack_environment("tiny", "3.11")


@needs_uv
def test_an_interpreter_with_what_is_needed(tmp_path, monkeypatch, wheel):
    import subprocess
    import sys

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert interpreter_with("numpy\n# a comment\n", own) == Path(sys.executable)
    python = interpreter_with(wheel, own)
    assert python.is_relative_to(tmp_path)
    assert interpreter_with(wheel, own) == python
    command = [str(python), "-c", "import tiny; print(tiny.ANSWER)"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"42\n"
