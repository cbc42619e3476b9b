"""A real Triton and its local repository for `InferenceServerContract`, around any adapter."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from triton_deploy_core.testing.server_harness import ServerHarness

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from triton_deploy_core.ports.server import InferenceServer

IDENTITY_MODEL = """\
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            array = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("OUT", array)]))
        return responses
"""
"""A ``model.py`` whose output ``OUT`` is its input ``IN``."""

ROWS_MODEL = """\
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            for row in pb_utils.get_input_tensor_by_name(request, "IN").as_numpy():
                if sender.is_cancelled():
                    break
                if row[0] < 0:
                    error = pb_utils.TritonError("negative")
                    sender.send(pb_utils.InferenceResponse([], error=error))
                else:
                    output = pb_utils.Tensor("OUT", row.reshape(1, -1))
                    sender.send(pb_utils.InferenceResponse([output]))
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""
"""A decoupled ``model.py`` that answers each row of ``IN`` with an ``OUT`` of its own."""


class TritonHarness(ServerHarness):
    """A Triton in EXPLICIT mode that reads a local directory.

    Args:
        server: the adapter under test, connected to that Triton.
        repository: the directory.
        unreachable: makes an adapter for an address where nobody listens.
        not_explicit: starts a Triton that is not in EXPLICIT mode, with an adapter for it.
    """

    def __init__(
        self,
        server: InferenceServer,
        repository: Path,
        *,
        unreachable: Callable[[], InferenceServer],
        not_explicit: Callable[[], AbstractContextManager[InferenceServer]],
    ) -> None:
        self.server = server
        self._repository = repository
        self._unreachable = unreachable
        self._not_explicit = not_explicit

    def put(self, key: str, data: bytes) -> None:
        """See `ServerHarness.put`."""
        path = self._repository / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def remove(self, key: str) -> None:
        """See `ServerHarness.remove`."""
        path = self._repository / key
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def identity(self, datatype: str, tag: str) -> Mapping[str, bytes]:  # noqa: ARG002 (for any)
        """See `ServerHarness.identity`."""
        return {"model.py": f"{IDENTITY_MODEL}\n\nTAG = {tag!r}\n".encode()}

    def rows(self) -> Mapping[str, bytes]:
        """See `ServerHarness.rows`."""
        return {"model.py": ROWS_MODEL.encode()}

    def broken(self) -> Mapping[str, bytes]:
        """See `ServerHarness.broken`."""
        return {"model.py": b"raise ValueError('broken')"}

    def unreachable(self) -> InferenceServer:
        """See `ServerHarness.unreachable`."""
        return self._unreachable()

    def not_explicit(self) -> AbstractContextManager[InferenceServer]:
        """See `ServerHarness.not_explicit`."""
        return self._not_explicit()
