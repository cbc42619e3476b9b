"""Certificates and keys from their files, for HTTP and for gRPC."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from triton_deploy_core.errors import InvalidSettingError

if TYPE_CHECKING:
    from triton_deploy_transport.access import Access


def ssl_context(access: Access) -> ssl.SSLContext:
    """Return a context that verifies servers, with the client's own certificate if there is one.

    Raises:
        InvalidSettingError: a file can't be read or is not what it should be; the message names it.
    """
    try:
        context = ssl.create_default_context(cafile=access.tls_ca)
    except ssl.SSLError:
        message = f"tls_ca {access.tls_ca!r} holds no certificate: give one in PEM"
        raise InvalidSettingError(message) from None
    except OSError as error:
        raise _unreadable("tls_ca", access.tls_ca, error) from None
    if access.tls_cert is not None:
        _load_own(context, access.tls_cert, access.tls_key)
    return context


@dataclass(frozen=True, slots=True)
class PemTexts:
    """The same in the form that gRPC takes: None for its own authorities, or for no certificate."""

    authorities: bytes | None
    key: bytes | None = field(repr=False)
    certificate: bytes | None


def pem_texts(access: Access) -> PemTexts:
    """Return what the files hold, after a check that it is of use.

    Raises:
        InvalidSettingError: see `ssl_context`.
    """
    ssl_context(access)
    # gRPC brings authorities of its own; those of the system are what HTTP trusts.
    authorities = access.tls_ca or ssl.get_default_verify_paths().cafile
    return PemTexts(
        authorities=_read("tls_ca", authorities),
        key=_read("tls_key", access.tls_key or access.tls_cert),
        certificate=_read("tls_cert", access.tls_cert),
    )


def _load_own(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    for name, path in (("tls_cert", certificate), ("tls_key", key)):
        _read(name, path)  # OpenSSL does not say which of the two it could not read
    try:
        # Without a password of ours OpenSSL asks the terminal for one.
        context.load_cert_chain(certificate, key, password=str)
    except (ssl.SSLError, ValueError):
        message = (
            f"tls_cert {certificate!r} with tls_key {key or certificate!r} is of no use: give a "
            "certificate and the key that belongs to it, in PEM, the key not encrypted"
        )
        raise InvalidSettingError(message) from None


def _read(name: str, path: str | None) -> bytes | None:
    try:
        return None if path is None else Path(path).read_bytes()
    except OSError as error:
        raise _unreadable(name, path, error) from None


def _unreadable(name: str, path: str | None, error: OSError) -> InvalidSettingError:
    why = error.strerror or type(error).__name__
    return InvalidSettingError(f"{name} {path!r} can't be read: {why}")
