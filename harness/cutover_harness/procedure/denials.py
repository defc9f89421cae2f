"""The fence: ACLs on the source that deny Write on a batch's topics once its producers have left. Pure.

Kafka applies a denial before everything that allows, so a denied principal cannot write whatever else it was granted;
super users are not checked at all (KIP-11).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cutover_harness.procedure.entries import Entry

MADE, REMOVED = "made", "removed"
"""Names of entries: written before denials are made, and after it was read back that they are gone."""
_SHOWN = 5


@dataclass(frozen=True, order=True)
class Denial:
    """One ACL: this principal may not write to this topic of the source, from whatever host."""

    principal: str
    topic: str

    def __str__(self) -> str:
        return f"{self.principal} on {self.topic}"


def wanted(principals: Iterable[str], topics: Iterable[str]) -> list[Denial]:
    """Return the denials of a fence."""
    every = sorted(set(topics))
    return [Denial(principal, topic) for principal in dict.fromkeys(principals) for topic in every]


def standing(entries: Iterable[Entry]) -> list[Denial]:
    """Return the denials that a run has made, or was about to make, and has not removed since."""
    found: dict[Denial, None] = {}
    for entry in entries:
        if entry.kind != "fence":
            continue
        for denial in (Denial(principal, topic) for principal, topic in entry.detail["denials"]):
            if entry.name == MADE:
                found[denial] = None
            else:
                found.pop(denial, None)
    return list(found)


def detail(denials: Iterable[Denial]) -> dict[str, list[list[str]]]:
    """Return what an entry of the journal keeps of denials."""
    return {"denials": [[each.principal, each.topic] for each in denials]}


def words(denials: Sequence[Denial]) -> str:
    """Return denials in words, those of a principal together."""
    by_principal: dict[str, list[str]] = {}
    for each in denials:
        by_principal.setdefault(each.principal, []).append(each.topic)
    return "; ".join(f"{principal} may not write to {_listed(topics)}" for principal, topics in by_principal.items())


def _listed(topics: Sequence[str]) -> str:
    more = f" and {len(topics) - _SHOWN} more" if len(topics) > _SHOWN else ""
    return f"{', '.join(topics[:_SHOWN])}{more}"
