"""What the servers of these tests serve: a model that gives the number in the file beside it.

It tells the test what befalls it, and does what the test asks for, in files of a directory.
"""

import os
import time
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils

SERVER = int(os.environ["FLEET_SERVER"])
STAGE = Path(os.environ["FLEET_STAGE"])


class TritonPythonModel:
    def initialize(self, args):
        version = Path(args["model_repository"], args["model_version"])
        self._answer = int((version / "answer").read_text())
        self._tell("loads")
        while (STAGE / f"hold.{self._answer}").exists():
            time.sleep(0.02)
        if (STAGE / f"refuse.{SERVER}.{self._answer}").exists():
            raise ValueError(f"no such weights on server {SERVER}")
        self._tell("loaded")

    def execute(self, requests):
        outputs = {"ANSWER": self._answer, "SERVER": SERVER}
        tensors = [
            pb_utils.Tensor(name, np.array([number], dtype=np.int32))
            for name, number in outputs.items()
        ]
        return [pb_utils.InferenceResponse(tensors) for _ in requests]

    def _tell(self, event):
        with (STAGE / "seen").open("a") as seen:
            seen.write(f"{SERVER} {event} {self._answer}\n")
