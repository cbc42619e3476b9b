"""Serves one MLflow model on Triton's python backend. Deployed as ``model.py``.

The model runs in Triton's stub or, where the configuration's parameter ``PYTHON`` names an
interpreter, in a process of its own under that one: with another version of Python or of numpy
than the stub's, and with the packages that were deployed with it. What it does there is in
``pyfunc_serving.py``, which lies beside this file.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]

MODEL_DIRECTORY = "mlflow-model"
PYTHON = "PYTHON"
SERVING = Path(__file__).with_name("pyfunc_serving.py")
_END_SECONDS = 10
_FOREIGN = ("PYTHONPATH", "PYTHONHOME")  # for the stub's own Python
_PACKAGES = "MLFLOW_TRITON_PACKAGES"  # set by bin/activate of the archive that was deployed


def _load_serving() -> Any:
    spec = importlib.util.spec_from_file_location("mlflow_triton_pyfunc_serving", SERVING)
    if spec is None or spec.loader is None:
        raise pb_utils.TritonModelException(f"{SERVING} can't be read.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


serving = _load_serving()


class TritonPythonModel:
    """What Triton's python backend calls."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Loads the model, once an instance."""
        config = json.loads(args["model_config"])
        directory = Path(args["model_repository"], args["model_version"], MODEL_DIRECTORY)
        python = config.get("parameters", {}).get(PYTHON, {}).get("string_value")
        try:
            self._served = (
                Worker(python, directory, config) if python else serving.Served(directory, config)
            )
        except serving.CannotLoadError as error:
            raise pb_utils.TritonModelException(str(error)) from None
        self._names = [entry["name"] for entry in config["input"]]

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answers requests, each with its outputs or with what went wrong."""
        answers = self._served.answer(
            [(self._inputs(request), request.parameters()) for request in requests]
        )
        return [
            pb_utils.InferenceResponse(error=pb_utils.TritonError(answer))
            if isinstance(answer, str)
            else pb_utils.InferenceResponse(
                [pb_utils.Tensor(name, array) for name, array in answer.items()]
            )
            for answer in answers
        ]

    def finalize(self) -> None:
        """Ends the model's process, where it has one."""
        if isinstance(self._served, Worker):
            self._served.close()

    def _inputs(self, request: Any) -> dict[str, Any]:
        given = {name: pb_utils.get_input_tensor_by_name(request, name) for name in self._names}
        return {name: tensor.as_numpy() for name, tensor in given.items() if tensor is not None}


class Worker:
    """A model in a process of its own, which ends when this one does. Started again if it dies."""

    def __init__(self, python: str, directory: Path, config: Mapping[str, Any]) -> None:
        self._python, self._what = python, (str(directory), config)
        self._start()

    def _start(self) -> None:
        to_it, questions = os.pipe()
        answers, from_it = os.pipe()
        variables = {key: value for key, value in os.environ.items() if key not in _FOREIGN}
        if _PACKAGES in variables:
            variables["PYTHONPATH"] = variables[_PACKAGES]
        try:
            self._process = subprocess.Popen(
                [self._python, str(SERVING), str(to_it), str(from_it)],
                stdin=subprocess.DEVNULL,
                pass_fds=(to_it, from_it),
                env=variables,
            )
        except OSError as error:
            os.close(questions)
            os.close(answers)
            raise serving.CannotLoadError(
                f"The model's Python {self._python} can't be started on the server: "
                f"{error.strerror}. Install it there, or deploy the model with another -C env=."
            ) from error
        finally:
            os.close(to_it)
            os.close(from_it)
        self._questions, self._answers = os.fdopen(questions, "wb"), os.fdopen(answers, "rb")
        problem = self._ask(self._what)
        if problem is not None:
            self.close()
            raise serving.CannotLoadError(problem)

    def answer(self, requests: Sequence[tuple[Mapping[str, Any], str]]) -> list[Any]:
        """Answers requests: see `pyfunc_serving.Served.answer`."""
        if self._process.poll() is not None:
            self.close()
            self._start()
        packed = [(serving.pack(inputs), params) for inputs, params in requests]
        try:
            answers = self._ask(packed)
        except serving.CannotLoadError as error:
            return [str(error)] * len(requests)
        return [each if isinstance(each, str) else serving.unpack(each) for each in answers]

    def close(self) -> None:
        """Ends the process."""
        for pipe in (self._questions, self._answers):
            with suppress(OSError):  # it may have died with something unsent
                pipe.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, message: Any) -> Any:
        try:
            serving.send(self._questions, message)
            return serving.receive(self._answers)
        except (EOFError, OSError):
            self._process.kill()
            status = self._process.wait()
            raise serving.CannotLoadError(
                f"The model's process ended with status {status}: see the server's log"
            ) from None
