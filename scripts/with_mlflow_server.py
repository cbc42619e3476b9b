"""Run a command beside an MLflow tracking server that another interpreter runs.

    python scripts/with_mlflow_server.py OTHER_PYTHON COMMAND…

``{url}`` in the command stands for the server's URL. Its status is the script's.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 180.0
STOP_SECONDS = 20.0
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Else eight more processes, each with all of MLflow, wait for jobs that nobody has.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}


@contextmanager
def mlflow_server(*options: str, directory: Path, python: str = sys.executable) -> Iterator[str]:
    """Run ``mlflow server`` in a directory; the context's value is its URL.

    Args:
        options: more of its options.
        directory: where it works, and writes its log.
        python: the interpreter that has MLflow.

    Raises:
        RuntimeError: it did not start.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [
        *(python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", *options),
    ]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    log = directory / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            command,
            cwd=directory,
            env=clean | _QUIET,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, server, log)
        yield url
    finally:
        _stop(server)


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers(url):
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the MLflow server did not start: {log.read_text()}")
        time.sleep(0.2)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5):  # noqa: S310 (it is http)
            return True
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        pass
    return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, sign)
        except ProcessLookupError:
            return
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue


def main() -> int:
    """Start the server, run the command, stop the server."""
    python, *command = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="mlflow-server-") as scratch:
        directory = Path(scratch)
        store = ("--backend-store-uri", f"sqlite:///{directory}/mlflow.db")
        artifacts = ("--artifacts-destination", str(directory / "artifacts"))
        with mlflow_server(*store, *artifacts, directory=directory, python=python) as url:
            filled = [word.replace("{url}", url) for word in command]
            return subprocess.run(filled, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
