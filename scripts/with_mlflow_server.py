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
import urllib.request
from pathlib import Path

START_SECONDS = 180.0


def main() -> int:
    """Start the server, run the command, stop the server."""
    python, *command = sys.argv[1:]
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="mlflow-server-") as directory:
        log = Path(directory, "log")
        with log.open("wb") as output:
            server = subprocess.Popen(
                [
                    *(os.path.abspath(python), "-m", "mlflow", "server", "--host", "127.0.0.1"),  # noqa: PTH100 (a link stays one)
                    *("--port", str(port), "--workers", "1"),
                    *("--backend-store-uri", f"sqlite:///{directory}/mlflow.db"),
                    *("--artifacts-destination", f"{directory}/artifacts"),
                ],
                cwd=directory,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _wait_for(url, server, log)
            filled = [word.replace("{url}", url) for word in command]
            return subprocess.run(filled, check=False).returncode
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(30)


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers(url):
        if server.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"the MLflow server did not start:\n{log.read_text()}")
        time.sleep(0.2)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5):  # noqa: S310 (it is http)
            return True
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
