#!/usr/bin/env python3
"""From MLflow to a real Triton and back: each command as one would type it, with its true output.

    python examples/quickstart.py              # in a temporary directory
    python examples/quickstart.py --keep DIR   # in a directory of yours, which stays

Needs the packages of this project, mlflow and onnx: ``python3 -m nox -s quickstart`` sees to that.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

from make_example import NAME, answer, build_model

from triton_local_server import LocalTriton, LocalTritonError

EXAMPLES = Path(__file__).resolve().parent
COMMAND_SECONDS = 300
LOCAL_STORE = "sqlite:///mlflow.db"


class QuickStart:
    """One walk through the life of a deployment, in one directory."""

    def __init__(self, directory: Path, tracking_uri: str, logger: str) -> None:
        self._directory = directory
        self._tracking_uri = tracking_uri
        self._logger = logger
        self._environment = {
            **os.environ,
            "MLFLOW_TRACKING_URI": tracking_uri,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        }
        for variable in ("TRITON_URL", "TRITON_MODEL_REPO"):
            self._environment.pop(variable, None)

    def run(self) -> None:
        """Walk through it."""
        self._say("Two versions of a small ONNX model, logged to MLflow:")
        self._export("MLFLOW_TRACKING_URI", self._tracking_uri)
        (self._directory / "log_model.py").write_text(_LOG_MODEL)
        self._shell("cat log_model.py")
        for variant in (1, 2):
            self._save_model(variant)
            self._shell(f"{self._logger} log_model.py v{variant}/model.onnx")
        models = self._directory / "models"
        models.mkdir(exist_ok=True)

        self._say(
            "A real Triton, which loads only what it is told to (--model-control-mode=explicit):"
        )
        with LocalTriton(models, progress=self._tell) as triton:
            port = triton.ports.http
            self._echo(
                f"python -m triton_local_server --model-repository models --http-port {port} &"
            )
            self._export("TRITON_URL", triton.http_url)
            self._export("TRITON_MODEL_REPO", str(models))
            self._deploy()

    def _deploy(self) -> None:
        target = f"-t triton --name {NAME}"
        self._say("Deploy version 1:")
        self._mlflow(f"create {target} -m models:/{NAME}/1 --flavor onnx")
        self._mlflow("list -t triton")
        self._mlflow(f"get {target}")

        self._say("Ask it for a prediction:")
        for name in ("input.json", "expected_output.json"):
            (self._directory / name).write_bytes((EXAMPLES / name).read_bytes())
        self._shell("cat input.json")
        self._mlflow(f"predict {target} --input-path input.json --output-path output.json")
        self._shell("cat output.json")
        if self._json("output.json") != self._json("expected_output.json"):
            sys.exit("output.json is not what expected_output.json says")
        self._tell("output.json equals expected_output.json.")

        self._say("Update it to version 2, whose OUTPUT1 has the other sign:")
        self._mlflow(f"update {target} -m models:/{NAME}/2")
        self._mlflow(f"predict {target} --input-path input.json --output-path output.json")
        self._shell("cat output.json")
        if self._json("output.json") != answer(variant=2):
            sys.exit("version 2 does not serve")

        self._say("Delete it:")
        self._mlflow(f"delete {target}")
        self._mlflow("list -t triton")
        self._shell("ls -A models")
        self._tell("\nNext: docs/tutorial.md trains a model of its own and serves it.")

    def _save_model(self, variant: int) -> None:
        path = self._directory / f"v{variant}" / "model.onnx"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(build_model(variant).SerializeToString())

    def _mlflow(self, arguments: str) -> None:
        self._shell(f"mlflow deployments {arguments}")

    def _shell(self, command: str) -> None:
        """Show a command, run it, and show what it says."""
        self._echo(command)
        finished = subprocess.run(
            shlex.split(command),
            cwd=self._directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if finished.stdout:
            self._tell(finished.stdout.removesuffix("\n"))
        if finished.returncode != 0:
            sys.exit(f"`{command}` failed with exit status {finished.returncode}")

    def _export(self, variable: str, value: str) -> None:
        self._environment[variable] = value
        self._echo(f"export {variable}={value}")

    def _json(self, name: str) -> dict[str, dict[str, list[list[int]]]]:
        return json.loads((self._directory / name).read_text())

    def _echo(self, command: str) -> None:
        self._tell(f"$ {command}")

    def _tell(self, line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def _say(self, text: str) -> None:
        self._tell(f"\n# {text}")


_LOG_MODEL = f"""\
import logging, sys
import mlflow, onnx

logging.getLogger("alembic").setLevel(logging.WARNING)  # the database is made on first use
with mlflow.start_run():
    model = onnx.load(sys.argv[1])
    mlflow.onnx.log_model(model, name="triton", registered_model_name="{NAME}")
"""


def _stop(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def main() -> None:
    """Run the quick start; stop everything it started, whatever happens."""
    parser = argparse.ArgumentParser(description="From MLflow to a real Triton and back.")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="work there, and leave it")
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        default=LOCAL_STORE,
        help=f"an MLflow to log to and deploy from (default: {LOCAL_STORE})",
    )
    parser.add_argument(
        "--logger",
        metavar="PYTHON",
        default="python",
        help="an interpreter that has all that logging needs (default: this one)",
    )
    arguments = parser.parse_args()
    how = {"tracking_uri": arguments.tracking_uri, "logger": arguments.logger}
    # Ctrl-C and a polite kill both unwind the stack, so that the server is stopped.
    signal.signal(signal.SIGTERM, _stop)
    try:
        if arguments.keep:
            arguments.keep.mkdir(parents=True, exist_ok=True)
            QuickStart(arguments.keep.resolve(), **how).run()
        else:
            with tempfile.TemporaryDirectory(prefix="quickstart-") as directory:
                QuickStart(Path(directory), **how).run()
    except LocalTritonError as error:
        sys.exit(f"quickstart: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
