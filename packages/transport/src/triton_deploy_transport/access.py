"""Who a client trusts, and how it shows who it is: the same over HTTP and over gRPC."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from triton_deploy_core.errors import InvalidSettingError

_HEADER = re.compile(r"[A-Za-z0-9_.-]+")  # what both HTTP and gRPC allow
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_TOKEN = re.compile(r"[\x21-\x7e]+")
# The protocols' own, and names that mean something else to gRPC.
_RESERVED = re.compile(
    r"host|connection|te|trailer|upgrade|content-.*|transfer-encoding|accept-encoding"
    r"|inference-header-content-length|grpc-.*|.*-bin"
)


@dataclass(frozen=True, slots=True)
class Access:
    """Certificates, headers and a token. Its `repr` holds no secret.

    Attributes:
        tls_ca: file with the certificates (PEM) of the authorities that are trusted, in place of
            the system's.
        tls_cert: file with the client's own certificate (PEM) and those between it and its
            authority.
        tls_key: file with that certificate's private key (PEM, not encrypted); left out where
            it is in the same file.
        headers: names and values sent with every request.
        token: sent as ``Authorization: Bearer …``.
        token_file: likewise, read anew for each request, as tokens that expire need it. It goes
            before `token`, and both before whatever else says who asks.

    Raises:
        InvalidSettingError: something of it can't be sent, or a key without a certificate.
    """

    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    token: str | None = field(default=None, repr=False)
    token_file: str | None = None

    def __post_init__(self) -> None:
        if self.tls_key is not None and self.tls_cert is None:
            raise InvalidSettingError(
                "tls_key is set without tls_cert: name the client's certificate too"
            )
        for name, value in self.headers:
            problem = _header_problem(name, value)
            if problem:
                raise InvalidSettingError(f"headers: {problem}")
        if self.token is not None and _TOKEN.fullmatch(self.token) is None:
            raise InvalidSettingError(f"token: {_NO_TOKEN}")

    def request_headers(self) -> dict[str, str]:
        """Return what to send with a request, names in lower case.

        Raises:
            InvalidSettingError: the token's file can't be read, or holds none.
        """
        headers = {name.lower(): value for name, value in self.headers}
        token = self.token if self.token_file is None else _read_token(self.token_file)
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        return headers


def parse_headers(text: str) -> tuple[tuple[str, str], ...]:
    """Read ``name=value,name=value``; a comma or a percent sign in a value is %2C or %25.

    Raises:
        ValueError: it is something else, or a header that can't be sent; without any value.
    """
    headers = []
    for pair in filter(None, (pair.strip() for pair in text.split(","))):
        name, equals, value = pair.partition("=")
        if not equals:
            raise ValueError("it has to be name=value,name=value, with %2C for a comma in a value")
        name, value = name.strip(), unquote(value.strip())
        problem = _header_problem(name, value)
        if problem:
            raise ValueError(problem)
        headers.append((name, value))
    return tuple(headers)


def _header_problem(name: str, value: str) -> str:
    if _HEADER.fullmatch(name) is None:
        return "a header's name has letters, digits and any of - _ . only"
    if _RESERVED.fullmatch(name.lower()):
        return f"{name!r} is the protocol's own header, or not one for text"
    if _VALUE.fullmatch(value) is None:
        return f"the value of {name!r} is empty or has more than printable ASCII characters"
    return ""


_NO_TOKEN = "a token is one word of printable ASCII characters"  # noqa: S105 (a message)


def _read_token(file: str) -> str:
    try:
        text = Path(file).read_text("ascii").strip()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise InvalidSettingError(f"token_file {file!r} can't be read: {why}") from None
    except UnicodeDecodeError:
        text = ""
    if _TOKEN.fullmatch(text) is None:
        raise InvalidSettingError(f"token_file {file!r} holds no token: {_NO_TOKEN}")
    return text
