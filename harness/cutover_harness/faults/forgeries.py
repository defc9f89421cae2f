"""Documents that no application may put in force: forged, altered, replayed and broken ones."""

from __future__ import annotations

import secrets
import tomllib
from dataclasses import dataclass

import tomli_w
from cutover_shim.cutover_file import MAX_BYTES
from cutover_shim.signature import sign, signed

AHEAD = 1000
"""How far ahead the generation of a forged document is: it would be the highest one."""
_FOREIGN = "its signature does not fit"
_UNSIGNED = "not signed"


@dataclass(frozen=True)
class Forgery:
    """One document and why the shim refuses it: part of the reason in the status."""

    name: str
    content: bytes
    refused: str


def forgeries(present: bytes, first: bytes) -> list[Forgery]:
    """Return forged documents; `present` is the signed one in force, `first` an older one of the same key.

    The forged ones would move everything to the target. No two in succession are refused for the same reason, so that a
    status shows that each of them was read.
    """
    body = signed(present)[1]
    evil = _to_target(body)
    return [
        Forgery("unsigned", evil, _UNSIGNED),
        Forgery("altered", present[: len(present) - len(body)] + evil, _FOREIGN),
        Forgery("empty", b"", "empty"),
        Forgery("signed with another key", sign(evil, secrets.token_bytes(32)), _FOREIGN),
        Forgery("larger than 1 MiB", sign(evil + b"#" * MAX_BYTES, secrets.token_bytes(32)), "larger than 1 MiB"),
        Forgery("torn", present[: len(present) - len(body) // 2], _FOREIGN),
        Forgery("binary", bytes(range(256)) * 16, _UNSIGNED),
        Forgery("old generation", first, "every change needs a higher generation"),
    ]


def _to_target(body: bytes) -> bytes:
    """Return the document that moves all clients to the target, far ahead of all generations."""
    document = tomllib.loads(body.decode())
    document["generation"] += AHEAD
    for route in document["routes"].values():
        route["producers"] = route["consumers"] = "target"
    return tomli_w.dumps(document).encode()
