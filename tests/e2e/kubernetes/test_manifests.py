"""What the manifests say is what Kubernetes takes, and what Triton and reconcile know."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from mlflow_triton import reconcile
from mlflow_triton.settings import SETTINGS
from triton_local_server.environment import ensure_environment

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy" / "kubernetes"
FOLDERS = ("base", "overlays/example")
VERSIONS = ("1.29", "1.37")
GROUPS = {"discovery.k8s.io": {"endpointslices"}}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", FOLDERS)
def test_they_keep_to_the_schemas_of_kubernetes(render, folder, version):
    resources = render(folder).resources
    assert len(resources) == 9
    for resource in resources:
        kubernetes_validate.validate(resource, version, strict=True)


def test_the_schemas_find_a_mistake(base):
    broken = base.one("Deployment")
    broken["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl to ask")
@pytest.mark.parametrize("folder", FOLDERS)
def test_kustomize_makes_the_same_of_them(render, folder):
    done = subprocess.run(
        ["kubectl", "kustomize", DEPLOY / folder], capture_output=True, text=True, check=True
    )
    # The hash at the end of a generated name is the tool's own business.
    text = re.sub(r"triton-settings-[a-z0-9]{10}\b", "triton-settings", done.stdout)

    def ordered(resources):
        return sorted(resources, key=lambda found: (found["kind"], found["metadata"]["name"]))

    assert ordered(yaml.safe_load_all(text)) == ordered(render(folder).resources)


def test_every_file_belongs_to_a_kustomization():
    for folder in FOLDERS:
        said = yaml.safe_load((DEPLOY / folder / "kustomization.yaml").read_text())
        named = {*said["resources"], *(patch["path"] for patch in said.get("patches", []))}
        there = {path.name for path in (DEPLOY / folder).iterdir()} - {"kustomization.yaml"}
        assert there == {name for name in named if not name.startswith("..")}


def test_ports_agree(base):
    pod = base.pod
    triton = base.container("triton")
    ports = {port["name"]: port["containerPort"] for port in triton.spec["ports"]}
    given = dict(re.findall(r"--(http|grpc|metrics)-port=(\d+)", " ".join(triton.spec["args"])))
    assert {name: str(port) for name, port in ports.items()} == given
    for name in ("triton", "triton-headless"):
        for port in base.one("Service", name)["spec"]["ports"]:
            assert (port["name"], port["port"]) == (port["targetPort"], ports[port["targetPort"]])
    probes = [
        container[probe]["httpGet"]
        for container in pod["containers"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
        if "httpGet" in container.get(probe, {})
    ]
    assert probes == [{"path": "/v2/health/live", "port": "http"}] * 3
    url = base.container("reconcile").environment["TRITON_URL"]
    assert url == f"127.0.0.1:{ports['http']}"


def test_services_find_the_pods_and_only_the_headless_one_those_that_are_not_ready(base):
    deployment = base.one("Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    plain, headless = (base.one("Service", name) for name in ("triton", "triton-headless"))
    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        base.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        plain["spec"]["selector"],
        headless["spec"]["selector"],
        deployment["spec"]["template"]["spec"]["topologySpreadConstraints"][0]["labelSelector"][
            "matchLabels"
        ],
    ]
    assert all(selector == labels for selector in selectors)
    assert headless["spec"]["clusterIP"] == "None"
    assert headless["spec"]["publishNotReadyAddresses"] is True
    # With that, its EndpointSlices would call every pod ready.
    assert "publishNotReadyAddresses" not in plain["spec"]


def test_what_is_named_is_there(base):
    pod = base.pod
    assert base.one("ServiceAccount", pod["serviceAccountName"])
    volumes = {volume["name"] for volume in pod["volumes"]}
    mounted = {mount["name"] for found in pod["containers"] for mount in found["volumeMounts"]}
    assert volumes == mounted
    role, binding = base.one("Role", "triton-deployer"), base.one("RoleBinding", "triton-deployer")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert base.one("ServiceAccount", binding["subjects"][0]["name"])
    for rule in role["rules"]:
        assert rule["verbs"] == ["get", "list"]
        assert all(set(rule["resources"]) <= GROUPS[group] for group in rule["apiGroups"])
    for name in ("triton", "reconcile"):
        container = base.container(name)
        expanded = " ".join(container.command({}))
        assert "$(" not in expanded
    status = Path(base.container("reconcile").environment["TRITON_STATUS_FILE"])
    mounts = {mount["mountPath"] for mount in base.container("reconcile").spec["volumeMounts"]}
    assert str(status.parent) in mounts


def test_pods_may_do_no_more_than_they_have_to(base):
    assert base.pod["automountServiceAccountToken"] is False
    assert base.pod["securityContext"]["runAsNonRoot"] is True
    for container in base.pod["containers"]:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"cpu", "memory"} == set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]


def test_triton_knows_every_flag(base):
    environment = ensure_environment()
    helped = subprocess.run(
        [str(environment.server), "--help"],
        env=environment.variables(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    text = helped.stdout + helped.stderr
    flags = [word.partition("=")[0] for word in base.container("triton").spec["args"]]
    assert len(flags) == 6
    for flag in flags:
        assert re.search(rf"^\s*{flag}\b", text, re.MULTILINE), flag


def test_reconcile_knows_every_option_and_every_variable(base):
    container = base.container("reconcile").spec
    options = {name for option in reconcile.main.params for name in option.opts}
    words = [*container["args"], *container["readinessProbe"]["exec"]["command"][3:]]
    assert {word.partition("=")[0] for word in words} <= options
    variables = {setting.variable for setting in SETTINGS} | {
        option.envvar for option in reconcile.main.params
    }
    environment = base.container("reconcile").environment
    ours = {name for name in environment if name.startswith("TRITON_")}
    assert ours
    assert ours <= variables


def test_a_status_is_believed_for_longer_than_a_load_may_take(base):
    command = base.container("reconcile").spec["readinessProbe"]["exec"]["command"]
    (age,) = (word.partition("=")[2] for word in command if word.startswith("--max-age"))
    assert float(age) > 900


def test_the_image_has_what_the_containers_run():
    text = (DEPLOY / "Dockerfile").read_text()
    copied = [
        source for line in re.findall(r"^COPY (\S+) ", text, re.MULTILINE) for source in [line]
    ]
    assert all((ROOT / source).exists() for source in copied)
    installed = set(re.findall(r'"?\./packages/([a-z-]+)', text))
    assert all((ROOT / "packages" / name / "pyproject.toml").is_file() for name in installed)
    assert "mlflow-plugin" in installed
