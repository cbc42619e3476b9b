"""Law 7: clients that never stop asking get an answer to every request while updates go on."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing

import numpy as np
import tritonclient.grpc as triton_grpc

from triton_deploy_core.errors import DeployError
from triton_deploy_transport import connect

UPDATES = 20
PAUSE_SECONDS = 0.005
OLD, NEW = 1, 2
QUESTION = np.zeros(1, np.float32)


class Client(threading.Thread):
    """Asks again and again, and keeps what it got."""

    def __init__(self, ask: Callable[[], int]) -> None:
        super().__init__(daemon=True)
        self.ask = ask
        self.answers: Counter[int] = Counter()
        self.errors: list[Exception] = []
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(PAUSE_SECONDS):
            self._ask_once()

    def _ask_once(self) -> None:
        try:
            self.answers[self.ask()] += 1
        except (DeployError, triton_grpc.InferenceServerException) as error:
            self.errors.append(error)


def test_no_request_fails_during_twenty_updates_and_back(site):
    service = site.service()
    service.create("x", site.answering(OLD, 1))
    given = triton_grpc.InferInput("IN", [1], "FP32").set_data_from_numpy(QUESTION)
    with (
        closing(connect(site.triton.http_url)) as http,
        triton_grpc.InferenceServerClient(site.triton.grpc_url) as grpc,
    ):
        clients = [
            Client(lambda: int(http.infer("x", {"IN": QUESTION}, timeout=30.0)["OUT"][0])),
            Client(lambda: int(grpc.infer("x", [given], client_timeout=30.0).as_numpy("OUT")[0])),
        ]
        for client in clients:
            client.start()
        for number in range(UPDATES):
            service.update("x", site.answering((NEW, OLD)[number % 2], 1 + (number + 1) % 2))
        for client in clients:
            client.done.set()
            client.join(60)
    for client in clients:
        assert client.errors == []
        assert set(client.answers) == {OLD, NEW}
    assert site.answer("x") == OLD
