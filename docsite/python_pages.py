"""Pages of the public Python names of each package, made from their docstrings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Library:
    """A package: what it is for, and the modules that others build on."""

    title: str
    text: str
    modules: tuple[str, ...]


LIBRARIES = {
    "mlflow-plugin": Library(
        "mlflow_triton",
        "The plugin, the flavor `triton`, and what a flavor of your own is made of.",
        (
            "mlflow_triton.deployments",
            "mlflow_triton.exceptions",
            "mlflow_triton.flavor",
            "mlflow_triton.flavors.packaging",
            "mlflow_triton.mlmodel",
        ),
    ),
    "core": Library(
        "triton_deploy_core",
        "The deployment service, and the ports that it works through.",
        (
            "triton_deploy_core.service",
            "triton_deploy_core.deployment",
            "triton_deploy_core.package",
            "triton_deploy_core.names",
            "triton_deploy_core.records",
            "triton_deploy_core.ports.store",
            "triton_deploy_core.ports.server",
            "triton_deploy_core.ports.model_server",
            "triton_deploy_core.ports.request_options",
            "triton_deploy_core.ports.source",
            "triton_deploy_core.ports.progress",
            "triton_deploy_core.ports.config_format",
            "triton_deploy_core.testing.world",
            "triton_deploy_core.testing.store_contract",
            "triton_deploy_core.testing.store_harness",
            "triton_deploy_core.testing.server_contract",
        ),
    ),
    "errors": Library(
        "Errors",
        "Every error of the core, the adapters and the plugin is in one tree. The plugin raises "
        "`mlflow_triton.exceptions.TritonDeploymentError`, whose cause is one of these.",
        ("triton_deploy_core.errors",),
    ),
    "storage": Library(
        "triton_deploy_storage",
        "Model repositories: a local directory, S3, Google Cloud Storage.",
        (
            "triton_deploy_storage.opening",
            "triton_deploy_storage.local",
            "triton_deploy_storage.s3",
            "triton_deploy_storage.gcs",
        ),
    ),
    "transport": Library(
        "triton_deploy_transport",
        "Triton over HTTP and gRPC, and `config.pbtxt`.",
        (
            "triton_deploy_transport.connect",
            "triton_deploy_transport.access",
            "triton_deploy_transport.pbtxt",
            "triton_deploy_transport.config_check",
        ),
    ),
    "local-server": Library(
        "triton_local_server",
        "A real Triton on this machine.",
        ("triton_local_server.server", "triton_local_server.ports", "triton_local_server.errors"),
    ),
}


def python_pages() -> dict[str, str]:
    """Return page → content."""
    return {f"reference/python/{name}.md": _page(library) for name, library in LIBRARIES.items()}


def _page(library: Library) -> str:
    modules = [f"## {module}\n\n::: {module}\n" for module in library.modules]
    return "\n".join([f"# {library.title}\n\n{library.text}\n", *modules])
