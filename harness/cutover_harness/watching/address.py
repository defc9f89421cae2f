"""The address that a page is served at."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from cutover_harness.errors import UsageError

LOOPBACK = "127.0.0.1"
_GIVEN = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)?:)?(?P<port>\d{1,5})")


@dataclass(frozen=True)
class Address:
    """Host and port; port 0: any that is free."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL of the page."""
        return f"http://{self}/"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def parse_address(given: str) -> Address:
    """Return the address that `--serve` names: [HOST:]PORT. Raises UsageError."""
    found = _GIVEN.fullmatch(given)
    if found is None or int(found["port"]) > 65535:
        raise UsageError(f"--serve {given}: is no address: give PORT, or HOST:PORT such as {LOOPBACK}:8300")
    return Address((found["host"] or LOOPBACK).strip("[]"), int(found["port"]))
