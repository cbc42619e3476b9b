"""The shape that the design fixes: who imports whom, what is public, what MLflow finds."""

from __future__ import annotations

import ast
import inspect
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STANDARD_LIBRARY = set(sys.stdlib_module_names)

CORE = "triton_deploy_core"
STORAGE = "triton_deploy_storage"
TRANSPORT = "triton_deploy_transport"
LOCAL_SERVER = "triton_local_server"
PLUGIN = "mlflow_triton"

FOLDERS = {
    "core": CORE,
    "storage": STORAGE,
    "transport": TRANSPORT,
    "local-server": LOCAL_SERVER,
    "mlflow-plugin": PLUGIN,
    "publish-cli": "triton_publish",
}

MAY_IMPORT = {
    "core": {"numpy"},
    "storage": {CORE, "boto3", "botocore", "google", "obstore", "requests", "urllib3"},
    "transport": {
        *(CORE, "numpy", "google", "grpc", "tritonclient", "ml_dtypes"),
        *("dns", "kubernetes", "urllib3", "yaml"),
    },
    "local-server": set(),
    "mlflow-plugin": {
        *(CORE, STORAGE, TRANSPORT, LOCAL_SERVER),
        *("mlflow", "numpy", "pandas", "onnx", "yaml", "click", "google", "tritonclient"),
        *("skl2onnx", "onnxruntime", "sklearn"),
        # What MLflow itself stands on, whose errors the plugin has to map.
        *("requests", "sqlalchemy", "ml_dtypes"),
    },
    "publish-cli": {CORE, PLUGIN, "click"},
}
"""The table of the design (everything may import core), with the libraries behind each."""

TESTING = {"pytest", "hypothesis", "gcp_storage_emulator"}
"""What suites and harnesses (``testing…``) may import beside: whoever binds them has these."""

SERVED_ELSEWHERE = {"backends", "served"}
"""Files that ship with a package but run inside the server's own environment."""


def _modules(folder: str) -> list[Path]:
    source = ROOT / "packages" / folder / "src" / FOLDERS[folder]
    return [
        path
        for path in sorted(source.rglob("*.py"))
        if SERVED_ELSEWHERE.isdisjoint(path.relative_to(source).parts)
    ]


def _imports(path: Path) -> set[str]:
    """The top-level packages that a module imports anywhere, for types only or in a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides where it goes"
            found.add(str(node.module).partition(".")[0])
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_imports_go_one_way_only(folder):
    allowed = MAY_IMPORT[folder] | {FOLDERS[folder]} | STANDARD_LIBRARY | {"typing_extensions"}
    for path in _modules(folder):
        here = allowed | (
            TESTING if "testing" in path.parts or path.stem.startswith("testing") else set()
        )
        assert _imports(path) <= here, path


def test_the_core_needs_nothing_but_numpy():
    """Not even `typing_extensions`, and pytest and hypothesis in ``testing`` alone."""
    for path in _modules("core"):
        allowed = {CORE, "numpy"} | STANDARD_LIBRARY
        assert _imports(path) <= allowed | (TESTING if "testing" in path.parts else set()), path


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_package_is_typed(folder):
    assert (ROOT / "packages" / folder / "src" / FOLDERS[folder] / "py.typed").is_file()


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_module_has_a_name_that_says_nothing(folder):
    names = {path.stem for path in _modules(folder)}
    assert names.isdisjoint({"utils", "util", "helpers", "common", "base", "misc"})


def test_only_one_place_makes_adapters_of_settings():
    factories = {STORAGE, TRANSPORT}
    for path in _modules("mlflow-plugin"):
        if path.stem == "bootstrap":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module in factories:
                pytest.fail(f"{path} imports {node.module} and not mlflow_triton.bootstrap")


def test_mlflow_finds_the_plugin_and_one_client_in_it():
    (found,) = entry_points(group="mlflow.deployments", name="triton")
    assert found.value == "mlflow_triton.deployments"
    from mlflow.deployments import BaseDeploymentClient

    module = found.load()
    clients = {
        value
        for _, value in inspect.getmembers(module, inspect.isclass)
        if issubclass(value, BaseDeploymentClient) and value is not BaseDeploymentClient
    }
    assert {client.__name__ for client in clients} == {"TritonDeploymentClient"}
    assert callable(module.run_local)
    assert callable(module.target_help)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("triton_deploy_core.service", {"DeploymentService"}),
        ("triton_deploy_storage", {"open_store"}),
        ("triton_deploy_storage.s3", {"S3Store"}),
        ("triton_deploy_storage.gcs", {"GcsStore"}),
        ("triton_deploy_transport", {"connect"}),
        ("triton_deploy_transport.pbtxt", {"PbtxtFormat"}),
        ("triton_local_server", {"LocalTriton"}),
        ("mlflow_triton.flavor", {"save_model", "log_model", "load_model"}),
        ("mlflow_triton.openvino", {"save_model", "log_model"}),
        ("mlflow_triton.tensorrt", {"save_model", "log_model"}),
    ],
)
def test_the_names_that_others_build_on_are_there(module, names):
    imported = __import__(module, fromlist=["_"])
    assert names <= set(dir(imported))
