"""A deployment on three servers, as its user sees it, over every way to name them."""

from __future__ import annotations

import json
import threading

from mlflow.exceptions import MlflowException

QUESTION = {"IN": [0.0]}


def answer(client, name: str) -> tuple[int, int]:
    """What a prediction says, and which server said it."""
    outputs = client.predict(name, QUESTION)["outputs"]
    return int(outputs["ANSWER"][0]), int(outputs["SERVER"][0])


def test_the_life_cycle_over_mixed_protocols(fleet, tmp_path, monkeypatch):
    third = f"{fleet.host(3)}:{fleet.http_port}"
    monkeypatch.setenv("TRITON_URL", f"{fleet.http(1)},{fleet.grpc(2)},{third}")
    assert fleet.click("create", "--name", "x", "-m", fleet.model(1)).status == 0
    fleet.assert_serves("x", 1)
    client = fleet.client()
    assert answer(client, "x")[0] == 1
    assert fleet.click("update", "--name", "x", "-m", fleet.model(2, version=2)).status == 0
    fleet.assert_serves("x", 2, 2)
    assert answer(client, "x")[0] == 2

    shown = client.get_deployment("x")
    assert (shown["version"], shown["state"]) == ("2", "READY")
    assert {"servers", "differences", "repair"}.isdisjoint(shown)
    (listed,) = client.list_deployments()
    assert listed.items() <= shown.items()
    given = tmp_path / "input.json"
    given.write_text(json.dumps({"inputs": QUESTION}))
    printed = fleet.click("predict", "--name", "x", "-I", str(given))
    assert '"ANSWER"' in printed.out

    assert fleet.click("delete", "--name", "x").status == 0
    fleet.assert_serves("x", None)
    assert fleet.objects() == {}
    # Each was told of each change just once.
    told = {(event, answer) for _, event, answer in fleet.seen()}
    assert sorted(fleet.seen()) == sorted((n, *what) for n in fleet.all for what in told)


def test_a_name_stands_for_all_its_servers_and_predictions_survive_a_kill(fleet):
    client = fleet.client(f"triton:dns+http://{fleet.name}:{fleet.http_port}")
    client.create_deployment("x", fleet.model(1))
    fleet.assert_serves("x", 1)
    said = [answer(client, "x") for _ in range(40)]
    assert {number for _, number in said} == set(fleet.all)
    assert {number for number, _ in said} == {1}

    failures: list[MlflowException] = []
    answered: list[int] = []
    enough = threading.Event()

    def ask() -> None:
        while not enough.is_set():
            try:
                answered.append(answer(client, "x")[1])
            except MlflowException as error:  # noqa: PERF203 (one try a request)
                failures.append(error)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    fleet.wait_until(lambda: len(answered) > 50, "answers")
    fleet.kill(2)
    before = len(answered)
    fleet.wait_until(lambda: len(answered) > before + 200, "answers after the kill")
    enough.set()
    for asker in askers:
        asker.join()
    # What had been sent may not be sent again: at most one request a thread was under way there.
    assert len(failures) <= len(askers), failures
    assert set(answered[-100:]) == {1, 3}
    assert [answer(client, "x")[0] for _ in range(10)] == [1] * 10
