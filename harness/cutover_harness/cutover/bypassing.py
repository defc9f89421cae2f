"""Bypasses of a batch, from the entries of its journal. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cutover_harness.conductor.journal import Entry


@dataclass(frozen=True)
class BypassSeen:
    """One bypass. count: records, or commits of a group. since: seconds since 1970. standing: as in the journal."""

    kind: str
    role: str
    cluster: str
    what: str
    standing: str
    count: int
    since: float
    words: str

    @property
    def closes(self) -> bool:
        """Whether it closes gates."""
        return self.standing not in ("over", "accepted")


def bypasses_in(entries: Iterable[Entry]) -> tuple[BypassSeen, ...]:
    """Return all bypasses, as they were noted last, in the order in which they were noticed."""
    found: dict[tuple[str, str, str, int], BypassSeen] = {}
    for entry in entries:
        if entry.kind == "bypass":
            its = entry.detail
            found[_key(entry)] = BypassSeen(
                its["bypass"],
                its["role"],
                its["cluster"],
                its["what"],
                its["standing"],
                its["count"],
                its["since_ns"] / 1e9,
                its["words"],
            )
    return tuple(found.values())


def is_news(entry: Entry, entries: Sequence[Entry]) -> bool:
    """Whether the standing of a bypass has changed; entries: the journal up to `entry`, which may only count more."""
    before = [each for each in entries if each.kind == "bypass" and each.id < entry.id and _key(each) == _key(entry)]
    return not before or before[-1].detail["standing"] != entry.detail["standing"]


def _key(entry: Entry) -> tuple[str, str, str, int]:
    its = entry.detail
    return its["role"], its["cluster"], its["what"], its["since_ns"]
