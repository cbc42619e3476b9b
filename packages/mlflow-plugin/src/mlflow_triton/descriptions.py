"""What ``list`` and ``get`` show of a deployment: NVIDIA's plugin's keys, and what is wrong."""

from __future__ import annotations

from triton_deploy_core.deployment import Deployment


def describe(deployment: Deployment) -> dict[str, str]:
    """Return a deployment as MLflow's users see it, every value text.

    ``versions`` is there only where several serve, ``reason`` only where none does,
    ``differences`` and ``repair`` only where something does not agree. ``servers`` is what each
    server says, only where they do not say the same; ``deployed_to`` the servers that it is for,
    only where it is not for all of them.
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
    if len(deployment.versions) > 1:
        shown["versions"] = ", ".join(map(str, deployment.versions))
    if deployment.reason:
        shown["reason"] = deployment.reason
    if record.servers:
        shown["deployed_to"] = one_line(record.servers)
    if deployment.servers:
        texts = (f"{url}: {one_line(str(one))}" for url, one in deployment.servers.items())
        shown["servers"] = "; ".join(texts)
    if deployment.differences:
        texts = (one_line(difference.text) for difference in deployment.differences)
        shown["differences"] = "; ".join(texts)
    if deployment.is_repairable:
        shown["repair"] = (
            f"mlflow deployments update -t triton --name {deployment.name} -C repair=true"
        )
    return shown


def one_line(text: str) -> str:
    """Return a text that others may have written such that a terminal can show it."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
