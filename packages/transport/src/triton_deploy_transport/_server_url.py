"""A server's address, parsed once."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_transport._one_line import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

TRITON_PORT = 8000
_PORTS = {"http": 80, "https": 443, "grpc": 8001, "grpcs": 8001}
HTTP_SCHEMES = ("http", "https")
GRPC_SCHEMES = ("grpc", "grpcs")
SCHEMES = (*HTTP_SCHEMES, *GRPC_SCHEMES)
DNS, KUBERNETES = "dns", "k8s"
"""What URLs of directories begin with."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_LABEL = r"[A-Za-z0-9_-]{1,63}"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9._-]+)?")
_PATH = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """Where a server is.

    Attributes:
        tls: whether the connection is encrypted.
        host: a name or an address, an IPv6 one without brackets: what is connected to.
        port: its port.
        port_given: whether that was written, not left to the scheme.
        name: what the server's certificate and the header ``Host`` say in place of `host`, where
            a directory knows the server's address under a name.
        prefix: what stands before ``/v2`` in every path, such as ``/triton``, or nothing.
        authorization: the value of that header, made from ``user:password@``, or nothing.
        shown: the URL as its user wrote it, without any secret.
    """

    tls: bool
    host: str
    port: int
    port_given: bool
    name: str
    prefix: str
    authorization: str = field(repr=False)
    shown: str

    @property
    def authority(self) -> str:
        """Host and port as the header ``Host`` has them."""
        host = bracketed(self.name)
        return (
            host if self.port == _PORTS["https" if self.tls else "http"] else f"{host}:{self.port}"
        )

    @classmethod
    def parse(
        cls, url: str, schemes: Sequence[str] = HTTP_SCHEMES, *, name: str | None = None
    ) -> ServerUrl:
        """Read ``host:port`` (which is HTTP), ``http://…``, ``https://…``, ``grpc://…``, ….

        A bare host has Triton's own port, 8000; a URL with a scheme has the scheme's, 80 or 443,
        or Triton's own for gRPC, 8001. A `name` takes the host's place in all that the server is
        told and judged by.

        Raises:
            InvalidSettingError: for anything else, or a scheme that is not among `schemes`.
        """
        scheme = scheme_of(url)
        if scheme not in schemes:
            known = " nor ".join(f"{scheme}://" for scheme in schemes)
            raise _invalid(url, f"its scheme is neither {known}")
        bare = _SCHEME.match(url) is None
        parts, port = _split(f"http://{url}" if bare else url, url)
        if _HOST.fullmatch(parts.hostname or "") is None:
            raise _invalid(url, "it names no host")
        if parts.query or parts.fragment or _PATH.fullmatch(parts.path) is None:
            raise _invalid(url, "after the host there can be a path, and nothing but a path")
        if scheme in GRPC_SCHEMES and parts.path.strip("/"):
            raise _invalid(url, "gRPC knows no path, there can be nothing after the port")
        return cls(
            tls=scheme in {"https", "grpcs"},
            host=parts.hostname or "",
            port=port if port is not None else TRITON_PORT if bare else _PORTS[scheme],
            port_given=port is not None,
            name=name or parts.hostname or "",
            prefix=parts.path.rstrip("/"),
            authorization=_authorization(parts),
            shown=without_secrets(url),
        )


def bracketed(host: str) -> str:
    """Return a host as URLs have it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def scheme_of(url: str) -> str:
    """Return a URL's scheme in lower case, ``http`` for a bare ``host:port``."""
    found = _SCHEME.match(url)
    return found[1].lower() if found else "http"


def names_several(urls: str) -> bool:
    """Tell whether a text stands for several servers, or for others at another time."""
    return "," in urls or scheme_of(urls).partition("+")[0] in {DNS, KUBERNETES}


def require_known_scheme(url: str) -> None:
    """Refuse the URL of a server that speaks something else than Triton does.

    Raises:
        InvalidSettingError: its scheme is none of `SCHEMES`.
    """
    if scheme_of(url) in SCHEMES:
        return
    known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
    message = (
        f"{without_secrets(url)!r}: Triton speaks HTTP and gRPC ({known}): give one of its "
        f"addresses, such as http://host:8000, or what knows them ({DNS}+http://…, "
        f"{KUBERNETES}://…)"
    )
    raise InvalidSettingError(message)


def without_secrets(url: str) -> str:
    """Return a URL, or several with commas, fit for messages: one line, no user, no query."""
    # First of all of it: a password may hold the comma that looks like the end of a URL.
    shown = re.sub(r"(?<=//)[^/]*@", "", url)
    parts = (re.sub(r"^[^/]*@|[?#].*", "", part, flags=re.DOTALL) for part in shown.split(","))
    return one_line(",".join(parts), limit=200)


def _split(text: str, url: str) -> tuple[SplitResult, int | None]:
    if not text.isprintable() or " " in text:
        raise _invalid(url, "it has blanks or control characters")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise _invalid(url, without_secrets(str(error))) from None
    if port == 0:
        raise _invalid(url, "port 0 is nobody's")
    return parts, port


def _authorization(parts: SplitResult) -> str:
    if parts.username is None:
        return ""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode("ascii")


def _invalid(url: str, why: str) -> InvalidSettingError:
    return InvalidSettingError(
        f"{without_secrets(url)!r} is not the URL of a server: {why}. "
        "Write host:port, http://host:port, https://host:port, grpc://host:port or "
        "grpcs://host:port"
    )
