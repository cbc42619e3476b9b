"""The EndpointSlices of a Kubernetes service, asked for by the official client.

The client comes with the extra ``kubernetes``; whoever imports this module needs it.

Source: https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import urllib3.exceptions
import yaml
from kubernetes import client, config

from triton_deploy_core.errors import InvalidSettingError, ServerUnreachableError
from triton_deploy_transport._one_line import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PAGE_SIZE = 250
_SERVICE_LABEL = "kubernetes.io/service-name"
_UNAUTHORIZED, _FORBIDDEN, _GONE = 401, 403, 410
_KUBECONFIG = "KUBECONFIG"
_USUAL_KUBECONFIG = "~/.kube/config"
_OF_A_POD = "KUBERNETES_SERVICE_HOST"


def endpoint_slices(
    namespace: str, service: str, *, timeout: float, shown: str
) -> Sequence[Mapping[str, Any]]:
    """Return the slices of a service as the API has them in JSON: none for an unknown service.

    Which API server, and who asks it, say the kubeconfig (``KUBECONFIG``, ``~/.kube/config``) or,
    where there is none, what Kubernetes gives a pod.

    Args:
        namespace: where the service is.
        service: its name.
        timeout: seconds that one request may take.
        shown: what messages call the service.

    Raises:
        InvalidSettingError: there is neither, or it is of no use.
        ServerUnreachableError: the API server can't be asked, or refuses.
    """
    settings = _configuration(shown)
    with (
        _mapped_errors(namespace, host=settings.host, shown=shown),
        client.ApiClient(settings) as connection,
    ):
        api = client.DiscoveryV1Api(connection)
        try:
            return list(_pages(api, namespace, service, timeout))
        except client.ApiException as error:
            if error.status != _GONE:
                raise
        # So many changes meanwhile that the server forgot where the next page begins.
        return list(_pages(api, namespace, service, timeout))


def _pages(api: Any, namespace: str, service: str, timeout: float) -> Iterator[Mapping[str, Any]]:
    where: dict[str, str] = {}
    while True:
        # As JSON: objects of older clients refuse a service without pods, whose list is null.
        answer = api.list_namespaced_endpoint_slice(
            namespace,
            label_selector=f"{_SERVICE_LABEL}={service}",
            limit=PAGE_SIZE,
            _request_timeout=timeout,
            _preload_content=False,
            **where,
        )
        page = json.loads(answer.data)
        yield from map(_checked, page["items"])
        token = page["metadata"].get("continue")
        if not token:
            return
        where = {"_continue": token}


def _checked(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a slice that has what every slice has; a `KeyError` or so, where it is none."""
    (found["addressType"], found["metadata"]["name"])
    for endpoint in found.get("endpoints") or ():
        endpoint["addresses"][0]
    return found


def _configuration(shown: str) -> Any:
    settings = client.Configuration()
    settings.retries = False  # its own would wait and repeat, without a word
    given = os.environ.get(_KUBECONFIG)
    try:
        if given or Path(_USUAL_KUBECONFIG).expanduser().exists():
            config.load_kube_config(given or _USUAL_KUBECONFIG, client_configuration=settings)
        elif os.environ.get(_OF_A_POD):
            config.load_incluster_config(client_configuration=settings)
        else:
            message = (
                f"{shown}: no cluster is known, for there is no kubeconfig (set {_KUBECONFIG}, or "
                f"write {_USUAL_KUBECONFIG}), and this is no pod of Kubernetes"
            )
            raise InvalidSettingError(message)
    except (config.ConfigException, yaml.YAMLError, OSError) as error:
        raise _no_configuration(shown, one_line(str(error), limit=200)) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _no_configuration(shown, "it is not what kubectl would read") from error
    return settings


def _no_configuration(shown: str, why: str) -> InvalidSettingError:
    what = f"{_KUBECONFIG} or {_USUAL_KUBECONFIG}"
    if not (os.environ.get(_KUBECONFIG) or Path(_USUAL_KUBECONFIG).expanduser().exists()):
        what = "the pod's service account"
    return InvalidSettingError(f"{shown}: {what} is of no use ({why}). Correct it")


@contextmanager
def _mapped_errors(namespace: str, *, host: str, shown: str) -> Iterator[None]:
    failed = f"no server found by {shown}:"
    try:
        yield
    except client.ApiException as error:
        raise ServerUnreachableError(f"{failed} {_refusal(error, namespace, host)}") from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        message = (
            f"{failed} the API server {host} can't be reached ({_why(error)}). Start the cluster, "
            "or correct the kubeconfig"
        )
        raise ServerUnreachableError(message) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        message = (
            f"{failed} {host} did not answer as an API server of Kubernetes does. Correct the "
            "cluster's server in the kubeconfig"
        )
        raise ServerUnreachableError(message) from error


def _refusal(error: client.ApiException, namespace: str, host: str) -> str:
    if not error.status:  # what the client makes of a failure of TLS
        why = one_line(str(error.reason), limit=200)
        return (
            f"no TLS with the API server {host} ({why}). Correct the cluster's server or its "
            "certificate authority in the kubeconfig"
        )
    if error.status == _UNAUTHORIZED:
        return (
            f"the API server {host} does not know who asks (401). Log in to the cluster again, or "
            "correct the user of the kubeconfig"
        )
    if error.status == _FORBIDDEN:
        return (
            f"who asks may not list EndpointSlices in namespace {namespace!r} (403). Grant "
            "get and list on endpointslices of discovery.k8s.io there, by a Role and a RoleBinding"
        )
    return f"the API server {host} answered {error.status} ({_said(error)})"


def _said(error: client.ApiException) -> str:
    try:
        return one_line(str(json.loads(error.body or "")["message"]), limit=200)
    except (ValueError, TypeError, KeyError):
        return one_line(str(error.reason or "nothing more"), limit=200)


def _why(error: Exception) -> str:
    """Return the last words of an error, without the objects that urllib3's begin with."""
    return one_line(str(error).rpartition(": ")[2] or type(error).__name__, limit=200)
