"""A directory read as Triton would read it: no false alarm, and every problem at once."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from mlflow_triton.layout_check import check_layout, refuse_problems
from mlflow_triton.layout_check_tree import read_tree
from triton_deploy_core.errors import InvalidPackageError

IO = (
    'input [ { name: "INPUT__0" data_type: TYPE_FP32 dims: [ 4 ] } ]\n'
    'output [ { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [ 4 ] } ]\n'
)
ENSEMBLE = (
    'platform: "ensemble"\n'
    + IO
    + 'ensemble_scheduling { step [ { model_name: "other" model_version: -1 '
    'input_map { key: "X" value: "INPUT__0" } output_map { key: "Y" value: "OUTPUT__0" } } ] }\n'
)


def _make(root: Path, files: dict[str, str]) -> Path:
    """Write files; a path that ends in ``/`` is an empty directory."""
    for name, content in files.items():
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    return root


def _found(root: Path, name: str | None = None) -> dict[str, str]:
    problems = check_layout(root, name)
    assert all(problem.remedy and problem.message for problem in problems)
    return {problem.path: problem.message for problem in problems}


def _backend(name: str, more: str = "") -> str:
    return f'backend: "{name}"\n{IO}{more}'


# The layouts of Triton's docs/user_guide/model_repository.md, of the backends' READMEs and of
# what Triton's own tests have in their repositories.
LAYOUTS: dict[str, dict[str, str]] = {
    "tensorrt": {"config.pbtxt": f'platform: "tensorrt_plan"\n{IO}', "1/model.plan": ""},
    "onnx": {"config.pbtxt": f'platform: "onnxruntime_onnx"\n{IO}', "1/model.onnx": ""},
    "onnx without a configuration": {"1/model.onnx": ""},
    "onnx with half a configuration": {"config.pbtxt": "max_batch_size: 8\n", "1/model.onnx": ""},
    "onnx as a directory": {
        "config.pbtxt": _backend("onnxruntime"),
        "1/model.onnx/model.onnx": "",
        "1/model.onnx/weights.bin": "",
    },
    "onnx with data beside it": {
        "config.pbtxt": _backend("onnxruntime"),
        "1/model.onnx": "",
        "1/weights.bin": "",
    },
    "pytorch": {"config.pbtxt": f'platform: "pytorch_libtorch"\n{IO}', "1/model.pt": ""},
    "pytorch compiled ahead": {
        "config.pbtxt": f'platform: "torch_aoti"\nbackend: "pytorch"\n{IO}',
        "1/model.pt2": "",
    },
    "openvino": {
        "config.pbtxt": _backend("openvino"),
        "1/model.xml": "",
        "1/model.bin": "",
    },
    "savedmodel": {
        "config.pbtxt": f'platform: "tensorflow_savedmodel"\n{IO}',
        "1/model.savedmodel/saved_model.pb": "",
        "1/model.savedmodel/variables/variables.index": "",
    },
    "graphdef": {
        "config.pbtxt": f'platform: "tensorflow_graphdef"\n{IO}',
        "1/model.graphdef": "",
    },
    "python": {"config.pbtxt": _backend("python"), "1/model.py": ""},
    "python without a configuration": {"1/model.py": ""},
    "python with its environment": {
        "config.pbtxt": _backend(
            "python",
            'parameters { key: "EXECUTION_ENV_PATH" '
            'value { string_value: "$$TRITON_MODEL_DIRECTORY/env.tar.gz" } }\n',
        ),
        "env.tar.gz": "",
        "1/model.py": "",
        "1/helper/module.py": "",
    },
    "python with an environment of the server's": {
        "config.pbtxt": _backend(
            "python",
            'parameters { key: "EXECUTION_ENV_PATH" value { string_value: "/opt/env.tar.gz" } }\n',
        ),
        "1/model.py": "",
    },
    "dali": {"config.pbtxt": _backend("dali"), "1/model.dali": ""},
    "fil": {
        "config.pbtxt": _backend(
            "fil", 'parameters { key: "model_type" value { string_value: "xgboost_json" } }\n'
        ),
        "1/xgboost.json": "",
    },
    "a backend that nobody knows": {"config.pbtxt": _backend("mine"), "1/anything": ""},
    "a backend without files": {"config.pbtxt": _backend("identity"), "1/": ""},
    "another file name": {
        "config.pbtxt": _backend("onnxruntime", 'default_model_filename: "net.onnx"\n'),
        "1/net.onnx": "",
    },
    "a file for each kind of hardware": {
        "config.pbtxt": _backend(
            "tensorrt", 'cc_model_filenames { key: "8.6" value: "ada.plan" }\n'
        ),
        "1/ada.plan": "",
    },
    "ensemble": {"config.pbtxt": ENSEMBLE, "1/": ""},
    "several versions": {
        "config.pbtxt": _backend("onnxruntime", "version_policy { all {} }\n"),
        "1/model.onnx": "",
        "7/model.onnx": "",
        "21/model.onnx": "",
    },
    "versions that the policy leaves out may be anything": {
        "config.pbtxt": _backend("onnxruntime", "version_policy { specific { versions: [2] } }\n"),
        "1/README": "",
        "2/model.onnx": "",
    },
    "the special directories, labels and what else lies about": {
        "config.pbtxt": _backend("onnxruntime")
        .replace("dims: [ 4 ] } ]\n", 'dims: [ 4 ] label_filename: "labels.txt" } ]\n')
        .replace('dims: [ 4 ] label_filename: "labels.txt" } ]\n', "dims: [ 4 ] } ]\n", 1),
        "labels.txt": "a\nb\n",
        "configs/a100.pbtxt": IO,
        "warmup/raw": "",
        "initial_state/zero": "",
        ".git/HEAD": "",
        "docs/a file with spaces.md": "",
        "1/model.onnx": "",
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_triton_takes_raises_no_alarm(tmp_path: Path, layout: str) -> None:
    assert check_layout(_make(tmp_path / "model", LAYOUTS[layout])) == []


@pytest.mark.parametrize(
    ("files", "path", "message"),
    [
        ({"config.pbtxt": "backend: ?", "1/model.onnx": ""}, "config.pbtxt", "1:10"),
        ({"config.pbtxt": "backends: 1", "1/model.onnx": ""}, "config.pbtxt", "backends"),
        ({"config.pbtxt": f'name: "b"\n{_backend("mine")}', "1/": ""}, "config.pbtxt", "name is"),
        ({"config.pbtxt": _backend("onnxruntime")}, ".", "no version directory"),
        ({"config.pbtxt": ENSEMBLE}, ".", "no version directory"),
        ({"config.pbtxt": _backend("onnxruntime"), "2tmp/model.onnx": ""}, "2tmp/", "version 2"),
        ({"config.pbtxt": _backend("onnxruntime"), "007/model.onnx": ""}, "007/", "leading zeros"),
        ({"config.pbtxt": _backend("onnxruntime"), "0/model.onnx": ""}, "0/", "version 0"),
        ({"config.pbtxt": _backend("onnxruntime"), "1/net.onnx": ""}, "1/model.onnx", "missing"),
        ({"config.pbtxt": _backend("onnxruntime"), "1/": ""}, "1/model.onnx", "missing"),
        (
            {"config.pbtxt": _backend("onnxruntime"), "1/model.onnx/net.onnx": ""},
            "1/model.onnx/model.onnx",
            "main file",
        ),
        ({"config.pbtxt": _backend("openvino"), "1/model.xml": ""}, "1/model.bin", "weights"),
        ({"config.pbtxt": _backend("fil"), "1/xgboost.json": ""}, "1/xgboost.model", "missing"),
        (
            {"config.pbtxt": f'platform: "torch_aoti"\n{IO}', "1/model.pt": ""},
            "1/model.pt2",
            "missing",
        ),
        (
            {
                "config.pbtxt": _backend("tensorrt", 'cc_model_filenames { key: "8" value: "a" }'),
                "1/model.plan": "",
            },
            "1/a",
            "cc_model_filenames",
        ),
        (
            {
                "config.pbtxt": _backend("mine", "version_policy { specific { versions: [3] } }"),
                "1/": "",
            },
            "config.pbtxt",
            "none of the versions that are there (1)",
        ),
        (
            {
                "config.pbtxt": _backend(
                    "python",
                    'parameters { key: "EXECUTION_ENV_PATH" '
                    'value { string_value: "$$TRITON_MODEL_DIRECTORY/env.tar.gz" } }\n',
                ),
                "1/model.py": "",
            },
            "env.tar.gz",
            "EXECUTION_ENV_PATH",
        ),
        (
            {
                "config.pbtxt": 'backend: "mine"\noutput [ { name: "Y" data_type: TYPE_FP32 '
                'dims: [ 1 ] label_filename: "labels.txt" } ]\n',
                "1/": "",
            },
            "labels.txt",
            "label file of output 'Y'",
        ),
        ({"1/model.pt": ""}, "config.pbtxt", "can't make one up"),
        ({"README": ""}, ".", "no version directory"),
        ({"config.pbtxt": _backend("mine"), "1/a\nb": ""}, "'1/a\\nb'", "can't be printed"),
        ({"config.pbtxt": _backend("mine"), "1/a\\b": ""}, "'1/a\\\\b'", "backslash"),
    ],
)
def test_what_triton_refuses_is_found(
    tmp_path: Path, files: dict[str, str], path: str, message: str
) -> None:
    found = _found(_make(tmp_path / "model", files))

    assert list(found) == [path]
    assert message in found[path]


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    root = _make(
        tmp_path / "model",
        {
            "config.pbtxt": f'name: "b"\n{_backend("onnxruntime")}',
            "3/weights": "",
            "4tmp/model.onnx": "",
        },
    )
    (root / "out").symlink_to(tmp_path)

    assert list(_found(root)) == ["3/model.onnx", "4tmp/", "config.pbtxt", "out"]


def test_the_name_may_be_the_directorys_or_the_models(tmp_path: Path) -> None:
    root = _make(
        tmp_path / "dir", {"config.pbtxt": f'name: "mine"\n{_backend("identity")}', "1/": ""}
    )
    assert list(_found(root)) == ["config.pbtxt"]
    assert _found(root, "mine") == {}
    assert list(_found(root, "other")) == ["config.pbtxt"]


def test_a_config_that_has_bad_dims_is_found(tmp_path: Path) -> None:
    config = _backend("identity").replace("dims: [ 4 ]", "dims: [ -2 ]", 1)
    assert list(_found(_make(tmp_path / "m", {"config.pbtxt": config, "1/": ""}))) == [
        "config.pbtxt"
    ]


def test_links_that_stay_inside_are_followed(tmp_path: Path) -> None:
    root = _make(tmp_path / "m", {"config.pbtxt": _backend("onnxruntime"), "1/model.onnx": "x"})
    (root / "2").symlink_to("1")
    (root / "1" / "same.onnx").symlink_to("model.onnx")

    assert _found(root) == {}
    tree, _ = read_tree(root)
    assert tree.files["2/model.onnx"].path.read_text(encoding="utf-8") == "x"
    assert tree.files["2/same.onnx"] == tree.files["1/model.onnx"]


def test_links_that_leave_break_or_go_in_circles_are_problems(tmp_path: Path) -> None:
    root = _make(tmp_path / "m", {"config.pbtxt": _backend("identity"), "1/": "", "2/x": ""})
    _make(tmp_path / "m2", {"secret": ""})
    (root / "1" / "file").symlink_to("/etc/hostname")
    (root / "1" / "neighbour").symlink_to("../../m2")
    (root / "1" / "nowhere").symlink_to("nothing")
    (root / "1" / "up").symlink_to("..")
    (root / "1" / "two").symlink_to("../2")
    (root / "2" / "one").symlink_to("../1")
    (root / "1" / "self").symlink_to("self")

    found = _found(root)

    assert "leaves the model's directory" in found["1/file"]
    assert "leaves the model's directory" in found["1/neighbour"]
    assert "leads nowhere" in found["1/nowhere"]
    assert "circles" in found["1/up"]
    assert "circles" in found["1/two/one"]
    assert "1/self" in found


def test_sockets_and_pipes_are_problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = _make(tmp_path / "m", {"config.pbtxt": _backend("identity"), "1/": ""})
    os.mkfifo(root / "1" / "pipe")
    monkeypatch.chdir(root / "1")  # a socket's path has to be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        found = _found(root)

    assert set(found) == {"1/pipe", "1/socket"}
    assert "not a file" in found["1/pipe"]


def test_names_that_are_not_utf8_are_problems(tmp_path: Path) -> None:
    root = _make(tmp_path / "m", {"config.pbtxt": _backend("identity"), "1/": ""})
    try:
        (root / "1" / os.fsdecode(b"\xff")).write_text("", encoding="utf-8")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert list(_found(root)) == ["'1/\\udcff'"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_files_and_directories_are_problems(tmp_path: Path) -> None:
    root = _make(tmp_path / "m", {"config.pbtxt": _backend("identity"), "1/x": "", "2/y": ""})
    (root / "1" / "x").chmod(0)
    (root / "2").chmod(0)
    try:
        found = _found(root)
    finally:
        (root / "2").chmod(0o700)
    assert set(found) == {"1/x", "2"}


def test_what_is_no_directory_is_one_problem(tmp_path: Path) -> None:
    assert "not a directory" in _found(tmp_path / "nothing").popitem()[1]


def test_problems_become_one_error_on_one_line(tmp_path: Path) -> None:
    refuse_problems([], "this")
    problems = check_layout(_make(tmp_path / "m", {"config.pbtxt": ENSEMBLE, "2x/": ""}))
    with pytest.raises(InvalidPackageError, match="Triton would refuse this: ") as caught:
        refuse_problems(problems, "this")
    assert "\n" not in str(caught.value)
