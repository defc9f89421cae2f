"""The principal that a cluster sees for client properties, as its default principal builder makes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cryptography import x509

_PASSWORDS = frozenset({"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"})


def principal_of(config: Mapping[str, str]) -> str | None:
    """Return the principal of librdkafka's properties; None if they do not tell it, as with tokens or tickets.

    Brokers with rules for principals or a builder of their own may see another one.
    """
    protocol = config.get("security.protocol", "plaintext").upper()
    if protocol.startswith("SASL"):
        mechanism = config.get("sasl.mechanism") or config.get("sasl.mechanisms", "GSSAPI")
        name = config.get("sasl.username")
        return f"User:{name}" if mechanism in _PASSWORDS and name else None
    if protocol == "SSL":
        return _of_certificate(config)
    return "User:ANONYMOUS"


def _of_certificate(config: Mapping[str, str]) -> str | None:
    try:
        location = config.get("ssl.certificate.location")
        pem = config.get("ssl.certificate.pem", "").encode() if location is None else Path(location).read_bytes()
        # RFC 2253, as Java writes it: the most specific part first.
        return f"User:{x509.load_pem_x509_certificate(pem).subject.rfc4514_string()}"
    except (OSError, ValueError):
        return None if config.keys() & {"ssl.keystore.location", "ssl.certificate.location"} else "User:ANONYMOUS"
