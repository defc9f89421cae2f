"""Check of topic names, so that those that Kafka refuses are refused before brokers are started."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LEGAL = re.compile(r"[a-zA-Z0-9._-]{1,249}")


def problem(names: Iterable[str]) -> str | None:
    """Return why no cluster can have topics of all these names; None if one can."""
    by_metric: dict[str, str] = {}
    for name in sorted(names):
        if not _LEGAL.fullmatch(name) or name in (".", ".."):
            return f"{name!r} is no name of a topic: Kafka allows up to 249 letters, digits and any of . _ -"
        other = by_metric.setdefault(name.replace(".", "_"), name)
        if other != name:
            return f"{other} and {name} collide, as Kafka takes . and _ in names of topics for the same: rename one"
    return None
