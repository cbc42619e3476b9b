"""Servers behind a Kubernetes service: the pods of its EndpointSlices."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from triton_deploy_core.errors import InvalidSettingError, ServerUnreachableError
from triton_deploy_transport._server_url import (
    GRPC_SCHEMES,
    HTTP_SCHEMES,
    bracketed,
    without_secrets,
)
from triton_deploy_transport.server_address import ServerAddress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SCHEMES = (*HTTP_SCHEMES, *GRPC_SCHEMES)
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_URL = re.compile(
    rf"k8s(?:\+(?P<scheme>\w+))?://(?P<namespace>{_LABEL})/(?P<service>{_LABEL})"
    rf":(?P<port>{_LABEL})(?:\?scheme=(?P<option>\w+))?"
)
_PORT_NAME = re.compile(rf"({'|'.join(sorted(_SCHEMES, reverse=True))})(-|$)")
_GRPC_PORT = 8001
_MAX_PORT = 65535
# Triton listens on IPv4 unless it is told otherwise.
_FAMILIES = ("IPv4", "IPv6", "FQDN")


class KubernetesDirectory:
    """The pods that Kubernetes has for a service now; those that terminate are left out.

    Args:
        url: ``k8s://namespace/service:port``, the port by name or, as the pods have it, by number;
            ``k8s+grpc://…`` or ``…?scheme=grpc`` where its name does not say what it speaks.
        timeout: seconds that one request to the API server may take.

    Raises:
        InvalidSettingError: `url` is something else.
    """

    def __init__(self, url: str, *, timeout: float) -> None:
        self._shown = without_secrets(url)
        found = _URL.fullmatch(url)
        if found is None:
            raise self._invalid("it has another form")
        self._namespace, self._service, self._port = found.group("namespace", "service", "port")
        self._scheme: str | None = found["scheme"] or found["option"]
        if self._scheme not in {None, *_SCHEMES} or (found["scheme"] and found["option"]):
            raise self._invalid(f"its scheme has to be one of {', '.join(_SCHEMES)}")
        if self._port.isdigit() and not 0 < int(self._port) <= _MAX_PORT:
            raise self._invalid(f"{self._port} is no port")
        self._timeout = timeout

    def find(self) -> Sequence[ServerAddress]:
        """See `Directory.find`."""
        slices = sorted(
            self._slices(),
            key=lambda found: (_FAMILIES.index(found["addressType"]), found["metadata"]["name"]),
        )
        pods = _pods(slices)
        if not pods:
            raise self._none(
                "it has no pods now. Start some, or see whether it selects any"
                if slices
                else "there is no such service with pods. Correct the URL, or the cluster"
            )
        servers = [self._server(pod) for pod in pods]
        known = [server for server in servers if server is not None]
        if not known:
            raise self._no_port(pods)
        return known

    def _slices(self) -> Sequence[Mapping[str, Any]]:
        try:
            from triton_deploy_transport._kubernetes_api import (  # noqa: PLC0415 (only when used)
                endpoint_slices,
            )
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in {"kubernetes", "urllib3", "yaml"}:
                raise
            raise InvalidSettingError(
                f"{self._shown} needs the client of Kubernetes: "
                "pip install 'triton-deploy-transport[kubernetes]'"
            ) from error
        return endpoint_slices(
            self._namespace, self._service, timeout=self._timeout, shown=self._shown
        )

    def _server(self, pod: _Pod) -> ServerAddress | None:
        for port in pod.ports:
            if self._port in {str(port.get("port")), port.get("name")}:
                scheme = self._scheme or _scheme(port)
                return ServerAddress(
                    f"{scheme}://{bracketed(pod.address)}:{port['port']}",
                    server_name=f"{self._service}.{self._namespace}.svc",
                    names=pod.names,
                    ready=pod.ready,
                )
        return None

    def _invalid(self, why: str) -> InvalidSettingError:
        return InvalidSettingError(
            f"{self._shown!r} is not the address of a Kubernetes service: {why}. Write "
            "k8s://namespace/service:port, or k8s+grpc://… where the port's name does not say "
            "what it speaks"
        )

    def _none(self, why: str) -> ServerUnreachableError:
        return ServerUnreachableError(f"no server found by {self._shown}: {why}")

    def _no_port(self, pods: Sequence[_Pod]) -> InvalidSettingError:
        known = sorted(f"{port.get('name') or '-'} ({port.get('port')})" for port in pods[0].ports)
        return InvalidSettingError(
            f"{self._shown}: the pods of the service have no port {self._port!r}, but "
            f"{', '.join(known) or 'none at all'}. Correct the port"
        )


@dataclass(frozen=True, slots=True)
class _Pod:
    address: str
    names: tuple[str, ...]
    ready: bool
    ports: Sequence[Mapping[str, Any]]


def _pods(slices: Sequence[Mapping[str, Any]]) -> list[_Pod]:
    """Return each pod once, by its first address, IPv4 before IPv6.

    While slices change, a pod may be in two of them: it is ready where both say so.
    """
    pods: dict[object, _Pod] = {}
    terminating = set()
    for key, endpoint, ports in _endpoints(slices):
        conditions = endpoint.get("conditions") or {}
        if conditions.get("terminating"):
            terminating.add(key)
        ready = _is_ready(conditions)
        known = pods.get(key)
        if known is None:
            address = endpoint["addresses"][0]  # the API gives no meaning to any other
            pods[key] = _Pod(address, _names(endpoint), ready, ports)
        elif known.ready and not ready:
            pods[key] = replace(known, ready=False)
    staying = (pod for key, pod in pods.items() if key not in terminating)
    return sorted(staying, key=lambda pod: (pod.names, pod.address))


def _endpoints(
    slices: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[object, Mapping[str, Any], Sequence[Mapping[str, Any]]]]:
    """Yield endpoints with what tells one pod from another, and with their ports."""
    for found in slices:
        for endpoint in found.get("endpoints") or ():
            target = endpoint.get("targetRef") or {}
            name = target.get("uid") or target.get("name") or endpoint["addresses"][0]
            yield name, endpoint, found.get("ports") or ()


def _is_ready(conditions: Mapping[str, Any]) -> bool:
    # `ready` is true for all pods of a service with publishNotReadyAddresses, `serving` is not.
    for condition in ("serving", "ready"):
        if conditions.get(condition) is not None:
            return bool(conditions[condition])
    return True


def _names(endpoint: Mapping[str, Any]) -> tuple[str, ...]:
    target = endpoint.get("targetRef") or {}
    names = target.get("name"), endpoint.get("hostname"), endpoint.get("nodeName")
    return tuple(dict.fromkeys(name for name in names if name))


def _scheme(port: Mapping[str, Any]) -> str:
    """Return what a port speaks: as its name says, its ``appProtocol``, or its number."""
    for said in (port.get("name"), port.get("appProtocol")):
        found = _PORT_NAME.match(said or "")
        if found:
            return found[1]
    return "grpc" if port.get("port") == _GRPC_PORT else "http"
