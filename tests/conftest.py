"""What all tests share: hypothesis profiles, variables that keep libraries quiet, certificates."""

from __future__ import annotations

import datetime as dt
import logging
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("triton_deploy_core.testing")

# A lookup that outlived its deadline goes on in a thread, also while another test runs: it must
# neither draw from the global `random`, which Hypothesis watches, nor ask the internet.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

# What commands tell of steps that last depends on how busy the machine is.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

# Shells start what runs in the background without Ctrl-C, and so would all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "dev", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "ci",
    max_examples=50,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("nightly", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "dev"))


@pytest.fixture
def warnings_told(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What this project's loggers have warned of so far, in this test.

    Libraries warn too, in threads that outlive the test which started them.
    """
    own = ("triton_deploy_", "triton_local_server", "mlflow_triton", "triton_publish")
    return lambda: [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING and record.name.startswith(own)
    ]


@dataclass(frozen=True)
class Certificates:
    """Files in PEM: an authority, what it vouches for, and another authority."""

    authority: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path
    stranger: Path


def _usage(*, authority: bool) -> Any:
    from cryptography.x509 import KeyUsage

    return KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A server's certificate for ``localhost`` and a client's, by an authority of their own."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder = tmp_path_factory.mktemp("certificates")
    now = dt.datetime.now(dt.timezone.utc)
    day = dt.timedelta(days=1)

    def written(name: str, key: Any, issuer: str, issuer_key: Any, *, authority: bool) -> Path:
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        signer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)])
        made = (
            x509.CertificateBuilder(signer, subject, key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            # Python 3.13 asks for these, as RFC 5280 does.
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
                critical=False,
            )
            .add_extension(_usage(authority=authority), critical=True)
            .sign(issuer_key, hashes.SHA256())
        )
        path = folder / f"{name}.pem"
        path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        path.with_suffix(".key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return path

    keys = {
        name: ec.generate_private_key(ec.SECP256R1())
        for name in ("authority", "stranger", "server", "client")
    }
    for name, key in keys.items():
        alone = name in {"authority", "stranger"}
        issuer = name if alone else "authority"
        written(name, key, issuer, keys[issuer], authority=alone)
    return Certificates(
        folder / "authority.pem",
        folder / "server.pem",
        folder / "server.key",
        folder / "client.pem",
        folder / "client.key",
        folder / "stranger.pem",
    )
