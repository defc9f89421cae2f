"""Statuses as clients write them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

SEEN = {"generation": 7, "channel": "kafka:cutover@source", "at": 100.0, "at_iso": "1970-01-01T00:01:40.000Z"}


def route(**change: Any) -> dict[str, Any]:
    found = {
        "generation": 7,
        "desired": "target",
        "state": "target",
        "cluster": "target",
        "in_flight": 3,
        "queued": 0,
        "acked": {},
        "committed": {},
        "assigned": {},
        "error": None,
        "acked_at": 990.0,
        "delivered_at": None,
        "switch": {"generation": 7, "left_at": 900.0, "last_acked_at": 899.5, "first_acked_at": 901.0},
    }
    return found | change


def status(instance: str = "a", *, on: dict[str, Any] | None = None, **change: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "format": 1,
        "instance": instance,
        "app": "orders",
        "client_id": "orders-api",
        "host": "h",
        "pid": 31,
        "role": "producer",
        "group": None,
        "versions": {"shim": "0.1.0"},
        "updated": 1000.0,
        "seen_generation": 7,
        "seen": SEEN,
        "channels": [],
        "rejected": None,
        "routes": {"r": route(**(on or {}))},
        "unrouted": 0,
        "closed": False,
        "ended": None,
    }
    return found | change


def of_first_version(instance: str = "old", **change: Any) -> dict[str, Any]:
    """Return a status as it was before statuses had names of applications, channels, ISO times and blackouts."""
    on_route = {k: v for k, v in route().items() if k not in ("acked_at", "delivered_at", "switch")}
    names = ("format", "instance", "host", "pid", "role", "group", "updated", "seen_generation", "rejected", "unrouted")
    found = {name: status(instance)[name] for name in names}
    return found | {"closed": False, "routes": {"r": on_route}} | change


def write(folder: Path, *statuses: dict[str, Any], fresh: bool = True) -> None:
    """Write statuses into a folder, by default as if clients had just written them."""
    folder.mkdir(exist_ok=True)
    for each in statuses:
        now = {"updated": time.time()} if fresh else {}
        temporary = folder / f".{each['instance']}.tmp"
        temporary.write_text(json.dumps(each | now), encoding="utf-8")
        temporary.replace(folder / f"{each['instance']}.json")
