"""What clients of the shim report of their last change of cluster, as the journal keeps it. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_DONE = {"producer": "acked", "consumer": "delivered"}


def switches(statuses: Mapping[str, Mapping[str, Any]], route: str) -> list[dict[str, Any]]:
    """Return a row for each client that has changed its cluster on a route, by its last status.

    Times are seconds since 1970 by the clock of the client's host: `left_at`; `last_at`, the last acknowledgement or
    delivery before the change; `first_at`, the first one after it, None until it came.
    """
    rows = []
    for name, status in sorted(statuses.items()):
        content = _mapping(_mapping(status.get("routes")).get(route))
        switch, role = _mapping(content.get("switch")), status.get("role")
        generation = switch.get("generation")
        if role not in _DONE or not isinstance(generation, int):
            continue
        done = _DONE[role]
        rows.append(
            {
                "client": name,
                "role": role,
                "group": _text(status.get("group")),
                "app": _text(status.get("app")),
                "cluster": _text(content.get("cluster")),
                "generation": generation,
                "left_at": _time(switch.get("left_at")),
                "last_at": _time(switch.get(f"last_{done}_at")),
                "first_at": _time(switch.get(f"first_{done}_at")),
            }
        )
    return rows


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _time(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None
