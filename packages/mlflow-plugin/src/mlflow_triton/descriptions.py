"""What ``list`` and ``get`` show of a deployment: the keys of NVIDIA's plugin, and why it fails."""

from __future__ import annotations

from triton_deploy_core.deployment import Deployment


def describe(deployment: Deployment) -> dict[str, str]:
    """Return a deployment as MLflow's users see it, every value text.

    ``versions`` is there only where several serve, ``reason`` only where none does.
    """
    record = deployment.record
    shown = {
        "name": deployment.name,
        "version": "" if deployment.version is None else str(deployment.version),
        "state": deployment.state.value,
        "triton_model_path": record.triton_model_path,
        "mlflow_model_uri": record.mlflow_model_uri,
        "flavor": record.flavor,
    }
    if len(deployment.versions) > 1:
        shown["versions"] = ", ".join(map(str, deployment.versions))
    if deployment.reason:
        shown["reason"] = deployment.reason
    return shown
