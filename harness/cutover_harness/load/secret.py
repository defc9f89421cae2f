"""The shared secret of master and workers, and the addresses that need it."""

from __future__ import annotations

import ipaddress
import socket

from cutover_harness.errors import UsageError
from cutover_harness.load.handover import take
from cutover_harness.words import counted

VARIABLE = "CUTOVER_LOAD_SECRET"
LEAST_BYTES = 16


def read_secret(reference: str) -> bytes:
    """Return the secret in a file (or handed over). Raises UsageError, which does not contain it."""
    secret = take(reference, "--secret").strip()
    if len(secret) < LEAST_BYTES:
        raise UsageError(
            f"--secret {reference}: {counted(len(secret), 'byte')}, too few: use {LEAST_BYTES} or more, "
            "as from `openssl rand -hex 32`"
        )
    return secret


def is_local(host: str) -> bool:
    """Return whether `host` is an address of this machine only."""
    if host in ("", "*"):
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None)
    except OSError:
        return False
    return all(ipaddress.ip_address(each[4][0]).is_loopback for each in found)


def check_open(option: str, host: str, secret: bytes | None) -> None:
    """Raise UsageError if other machines can reach `host` and there is no secret."""
    if secret is None and not is_local(host):
        raise UsageError(
            f"load: {option} {host}: is open to other machines: give --secret FILE (the same on each), "
            "or leave it at 127.0.0.1"
        )
