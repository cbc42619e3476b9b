from __future__ import annotations

import json
import shlex
import signal
from pathlib import Path

import pytest

from mlflow_triton.exceptions import TritonDeploymentError
from mlflow_triton.local_announcement import announcement, example_request
from mlflow_triton.local_run import _as_ours, _serve
from mlflow_triton.predict_signature import ModelSignature
from mlflow_triton.stopping import stopped_by_signals
from triton_deploy_core.errors import InvalidSettingError, RepositoryNotFoundError, ServerError
from triton_deploy_core.ports.model_server import ModelMetadata, TensorSpec
from triton_local_server import errors as local


def metadata(*inputs: TensorSpec) -> ModelMetadata:
    return ModelMetadata("iris", (1,), "onnxruntime_onnx", inputs, ())


def test_an_example_has_one_in_each_free_dimension():
    spec = TensorSpec("x", "FP32", (-1, 3))
    assert json.loads(example_request(metadata(spec)) or "") == {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1.0, 1.0, 1.0]}]
    }


@pytest.mark.parametrize(
    ("datatype", "value"), [("INT64", 1), ("BYTES", "text"), ("BOOL", True), ("FP64", 1.0)]
)
def test_an_example_has_values_of_the_datatype(datatype, value):
    request = json.loads(example_request(metadata(TensorSpec("x", datatype, (1,)))) or "")
    assert request["inputs"][0]["data"] == [value]
    assert type(request["inputs"][0]["data"][0]) is type(value)


@pytest.mark.parametrize("datatype", ["FP16", "BF16"])
def test_what_json_can_not_hold_is_not_shown(datatype):
    assert example_request(metadata(TensorSpec("x", datatype, (1,)))) is None


class _Triton:
    url = "http://127.0.0.1:1"
    grpc_url = "127.0.0.1:2"
    metrics_url = "http://127.0.0.1:3/metrics"


def command(spec: TensorSpec, scratch: Path) -> list[str]:
    text = announcement(_Triton(), ModelSignature(metadata(spec)), scratch)  # type: ignore[arg-type]
    assert "http://127.0.0.1:1\n" in text
    assert "127.0.0.1:2\n" in text
    assert "http://127.0.0.1:3/metrics\n" in text
    return shlex.split(text.splitlines()[-1])


def test_the_command_is_quoted_for_a_shell(tmp_path):
    *start, body = command(TensorSpec("it's", "FP32", (1,)), tmp_path)
    assert start == ["curl", "-s", "http://127.0.0.1:1/v2/models/iris/infer", "-d"]
    assert json.loads(body)["inputs"][0]["name"] == "it's"


def test_a_long_request_goes_to_a_file(tmp_path):
    body = command(TensorSpec("image", "FP32", (-1, 3, 224, 224)), tmp_path)[-1]
    assert body.startswith("@")
    request = json.loads(Path(body[1:]).read_text())
    assert len(request["inputs"][0]["data"]) == 3 * 224 * 224


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (local.InvalidOptionError("bad"), InvalidSettingError),
        (local.PortInUseError("taken"), InvalidSettingError),
        (local.RepositoryNotFoundError("missing"), RepositoryNotFoundError),
        (local.UnsupportedPlatformError("not here"), ServerError),
        (local.EnvironmentBuildError("no network"), ServerError),
    ],
)
def test_errors_of_the_local_server_are_the_cores(error, kind):
    ours = _as_ours(error)
    assert type(ours) is kind
    assert str(ours) == str(error)


def test_of_a_log_only_the_last_line_is_shown():
    died = local.ServerDiedError("It died. Its log:", returncode=1, log_tail=["first", "last"])
    assert str(_as_ours(died)) == "It died. Its log: last"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_interrupt_and_are_put_back(number):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), stopped_by_signals():
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


def run_local(**config: str) -> str:
    from mlflow_triton.deployments import run_local

    with pytest.raises(TritonDeploymentError) as caught:
        run_local("iris", "models:/iris/1", config=config)
    return str(caught.value)


def test_a_repository_that_is_no_directory(tmp_path):
    assert "does not exist" in run_local(triton_model_repo=str(tmp_path / "missing"))
    assert "gs://bucket/prefix" in run_local(triton_model_repo="gs://Bucket/models")


class _Impatient:
    """A reader who presses Ctrl-C at the first word."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text
        if "Stopping" not in text:
            raise KeyboardInterrupt

    def flush(self) -> None:
        pass


def test_an_interrupt_right_after_the_announcement_is_an_orderly_end(monkeypatch):
    reader = _Impatient()
    monkeypatch.setattr("sys.stdout", reader)
    _serve(_Triton(), "It serves.\n")  # type: ignore[arg-type]
    assert reader.text == "It serves.\n\nStopping the local Triton.\n"
