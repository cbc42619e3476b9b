"""What ``list`` and ``get`` show of a deployment: NVIDIA's plugin's keys, and what is wrong."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping

from triton_deploy_core.deployment import Deployment

_logger = logging.getLogger(__name__)
_FIRST_WORD = re.compile(r"[a-z]+(?= )")


def describe(deployment: Deployment, *, is_silence_told: bool = False) -> dict[str, str]:
    """Return a deployment as MLflow's users see it, every value text.

    ``parts``, the models that a request passes through, is there only of an ensemble. ``versions``
    is there only where several serve, ``reason`` only where none does,
    ``differences`` and ``repair`` only where something does not agree. ``servers`` is what each
    server says, only where they do not say the same; ``deployed_to`` the servers that it is for,
    only where it is not for all of them.

    Args:
        deployment: it.
        is_silence_told: whether it was told already why a server does not answer.
    """
    record = deployment.record
    shown = {
        "name": deployment.name,
        "version": "" if deployment.version is None else str(deployment.version),
        "state": deployment.state.value,
        "triton_model_path": one_line(record.triton_model_path),
        "mlflow_model_uri": one_line(record.mlflow_model_uri),
        "flavor": one_line(record.flavor),
    }
    if record.parts:
        shown["parts"] = ", ".join(_part(part, deployment.parts) for part in record.parts)
    if len(deployment.versions) > 1:
        shown["versions"] = ", ".join(map(str, deployment.versions))
    if deployment.reason:
        shown["reason"] = deployment.reason
    if record.servers:
        shown["deployed_to"] = one_line(record.servers)
    if deployment.servers:
        texts = (
            f"{url}: {_SILENT if is_silence_told and one.state is None else one_line(str(one))}"
            for url, one in deployment.servers.items()
        )
        shown["servers"] = "; ".join(texts)
    if deployment.differences:
        texts = (one_line(difference.text) for difference in deployment.differences)
        shown["differences"] = "; ".join(texts)
    if deployment.is_repairable:
        shown["repair"] = f"mlflow-triton repair {deployment.name}"
    return shown


def _part(part: str, uris: Mapping[str, str]) -> str:
    """Return a part as it is shown: with the model that it is, where that was looked up."""
    return one_line(f"{part} ({uris[part]})" if part in uris else part)


_SILENT = "does not answer"


def told_once(deployments: Iterable[Deployment]) -> None:
    """Warn of each server that does not answer, once for all deployments."""
    reasons = {
        url: one.reason
        for deployment in deployments
        for url, one in deployment.servers.items()
        if one.state is None
    }
    for url, reason in reasons.items():
        _logger.warning("%s %s: %s", url, _SILENT, one_line(reason))


def one_line(text: str) -> str:
    """Return a text that others may have written such that a terminal can show it."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def sentence(text: str) -> str:
    """Return a message as a terminal shows it best: one line, from a capital to a full stop.

    Adapters of any origin end up here, each with a style of its own.
    """
    shown = one_line(" ".join(text.split()))
    if _FIRST_WORD.match(shown):
        shown = shown[0].upper() + shown[1:]
    return shown if shown.endswith((".", "!", "?", "…")) else f"{shown}."
