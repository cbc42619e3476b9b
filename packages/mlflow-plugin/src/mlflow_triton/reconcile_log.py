"""What reconcile writes to its log: a line for each name that changed, and one for each round."""

from __future__ import annotations

import logging

from mlflow_triton.command.json_forms import repair_form, write_json
from mlflow_triton.descriptions import one_line
from triton_deploy_core.repairing import Outcome, Repair
from triton_deploy_core.rounds import Round

LOGGER = logging.getLogger("mlflow_triton.reconcile")


class RoundLog:
    """Tells of each name when something about it changes, and of each round in one line.

    Args:
        as_json: whether each round is also written to standard output, as one line of JSON.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self._as_json = as_json
        self._last: dict[str, str] = {}

    def tell(self, number: int, round_: Round) -> None:
        """Write what a round found and did."""
        now = {report.name: _told(report) for report in round_.reports}
        for report in round_.reports:
            told = now[report.name]
            if report.done or told != self._last.get(report.name, Outcome.FINE.value):
                level = logging.WARNING if report.error else logging.INFO
                LOGGER.log(level, "%s: %s", report.name, told)
        for name in round_.healed:
            LOGGER.info("%s: a version that failed does not keep the server unready any more", name)
        # What was repaired is fine from now on.
        self._last = {
            report.name: Outcome.FINE.value if report.error is None else now[report.name]
            for report in round_.reports
        }
        LOGGER.info("%s", metrics(number, round_))
        if self._as_json:
            write_json(_form(number, round_))


def metrics(number: int, round_: Round) -> str:
    """Return the line of a round: ``key=value`` with spaces between."""
    fields = {
        "round": str(number),
        "names": str(len(round_.reports)),
        **{outcome.value: str(round_.count(outcome)) for outcome in Outcome},
        "unserved": str(len(round_.unserved)),
        "ready": str(round_.is_ready).lower(),
        "seconds": f"{round_.seconds:.3f}",
    }
    return " ".join(f"{key}={value}" for key, value in fields.items())


def _form(number: int, round_: Round) -> dict[str, object]:
    return {
        "round": number,
        "names": len(round_.reports),
        **{outcome.value: round_.count(outcome) for outcome in Outcome},
        "unserved": sorted(round_.unserved),
        "ready": round_.is_ready,
        "seconds": round(round_.seconds, 3),
        "reports": [repair_form(report) for report in round_.reports],
    }


def _told(report: Repair) -> str:
    words = [report.outcome.value, "; ".join(report.done)]
    if report.error is not None:
        words.append(one_line(str(report.error)))
    return ": ".join(filter(None, words))
