"""Bypasses: producers and groups that are active on a cluster on which they must not be. Pure.

A *straggler* is still active on a cluster that its role has left, an *early* client is on one that it has not been
moved to yet. What the path allows is no bypass, and neither are the mirror's own copies.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from cutover_harness.types import ClusterName, PartitionId, Role
from cutover_harness.words import counted

Kind = Literal["straggler", "early"]
Standing = Literal["active", "quiet", "stays", "accepted", "over"]
"""active: within the quiet time. quiet: not active, but the mirror has not copied all of its records yet. stays: its
records are on one cluster alone, and nothing copies them. accepted: a person accepts that. over: nothing is left."""
_MOST_SAMPLES = 3
_MOST_SHOWN = 3
ACCEPT = "kafka-cutover run --accept-bypass"


@dataclass(frozen=True)
class Sample:
    """A record that was read back: never its value, of its key a digest, of its headers the names."""

    partition: int
    offset: int
    time_ms: int | None
    key: str | None
    headers: tuple[str, ...]

    def __str__(self) -> str:
        at = "" if self.time_ms is None else f" of {time.strftime('%H:%M:%S UTC', time.gmtime(self.time_ms / 1000))}"
        headers = f", headers {', '.join(self.headers)}" if self.headers else ""
        return f"offset {self.offset}{at}: {'no key' if self.key is None else f'key digest {self.key}'}{headers}"


@dataclass(frozen=True)
class Range:
    """Records of one partition: the first and the last offset, and how many."""

    first: int
    last: int
    count: int

    def with_(self, other: Range) -> Range:
        """Return both together."""
        return Range(min(self.first, other.first), max(self.last, other.last), self.count + other.count)


@dataclass(frozen=True)
class Activity:
    """Activity of one topic's producers, or of one group, that one look shows.

    records: by partition, what producers have written; of a group, the offsets that it has committed. members: client
    id and host. writers: producer ids that the partitions' leaders remember.
    """

    kind: Kind
    role: Role
    cluster: ClusterName
    name: str
    records: Mapping[PartitionId, Range] = field(default_factory=dict)
    members: tuple[str, ...] = ()
    samples: tuple[Sample, ...] = ()
    writers: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[Role, ClusterName, str]:
        """What it is part of."""
        return self.role, self.cluster, self.name


@dataclass(frozen=True)
class Bypass:
    """One bypass so far. since_ns: when it was noticed. active_s: when it was active last, on the looking clock."""

    activity: Activity
    since_ns: int
    active_s: float
    standing: Standing = "active"

    @property
    def count(self) -> int:
        """Records, or commits, so far."""
        return sum(each.count for each in self.activity.records.values())

    @property
    def closes(self) -> bool:
        """Whether it closes gates."""
        return self.standing not in ("over", "accepted")

    def with_(self, more: Activity, now_s: float) -> Bypass:
        """Return it with more activity; whatever a person had accepted before, this is new."""
        known = self.activity
        records = dict(known.records)
        for partition, added in more.records.items():
            records[partition] = records[partition].with_(added) if partition in records else added
        together = replace(
            known,
            records=records,
            members=tuple(dict.fromkeys([*known.members, *more.members])),
            samples=(*known.samples, *more.samples)[:_MOST_SAMPLES],
            writers=tuple(dict.fromkeys([*known.writers, *more.writers])),
        )
        if not more.records and not more.members:  # what is known of it now is no activity
            return replace(self, activity=together)
        return replace(self, activity=together, active_s=now_s, standing="active")

    def settled(self, now_s: float, quiet_s: float, copied: Callable[[PartitionId, int], bool | None]) -> Bypass:
        """Return it as it stands now. `copied`: whether the other cluster has the record; None if nothing copies it."""
        if self.standing in ("accepted", "over"):
            return self
        if now_s - self.active_s < quiet_s:
            return replace(self, standing="active")
        if self.activity.role == "consumer":
            return replace(self, standing="over")
        found = [copied(partition, each.last) for partition, each in self.activity.records.items()]
        return replace(self, standing="stays" if None in found else "over" if all(found) else "quiet")

    def accepted(self) -> Bypass:
        """Return it as a person has accepted it."""
        return replace(self, standing="accepted")

    def words(self) -> str:
        """Return who bypasses what, where, and what to do."""
        its = self.activity
        if its.role == "consumer":
            return f"{its.kind} group on the {its.cluster}: {its.name} {self._group()}{_remedy(self)}"
        parts = [
            f"{topic}-{number} offset{'' if each.first == each.last else 's'} {each.first}"
            + ("" if each.first == each.last else f" to {each.last}")
            for (topic, number), each in sorted(its.records.items())[:_MOST_SHOWN]
        ]
        more = (
            f" and {counted(len(its.records) - _MOST_SHOWN, 'more partition')}"
            if len(its.records) > _MOST_SHOWN
            else ""
        )
        who = f"; written by {', '.join(its.writers[:_MOST_SHOWN])}" if its.writers else ""
        shown = f"; {its.samples[0]}" if its.samples else ""
        return (
            f"{its.kind} producer on the {its.cluster}: topic {its.name} got {counted(self.count, 'record')} "
            f"({', '.join(parts)}{more}{who}{shown}){_remedy(self)}"
        )

    def _group(self) -> str:
        its = self.activity
        found = []
        if its.members:
            extra = f" and {len(its.members) - _MOST_SHOWN} more" if len(its.members) > _MOST_SHOWN else ""
            found.append(f"has members ({', '.join(its.members[:_MOST_SHOWN])}{extra})")
        if its.records:
            places = ", ".join(f"{t}-{n} up to {r.last}" for (t, n), r in sorted(its.records.items())[:_MOST_SHOWN])
            found.append(f"has committed offsets ({places})")
        return " and ".join(found)

    def detail(self) -> dict[str, Any]:
        """Return it for the journal."""
        its = self.activity
        return {
            "bypass": its.kind,
            "role": its.role,
            "cluster": its.cluster,
            "what": its.name,
            "standing": self.standing,
            "since_ns": self.since_ns,
            "count": self.count,
            "partitions": [[t, n, r.first, r.last, r.count] for (t, n), r in sorted(its.records.items())],
            "members": list(its.members),
            "samples": [asdict(each) for each in its.samples],
            "writers": list(its.writers),
            "words": self.words(),
        }


def of_detail(detail: Mapping[str, Any], active_s: float) -> Bypass:
    """Return the bypass in an entry of the journal. active_s: when it was active last."""
    activity = Activity(
        kind=detail["bypass"],
        role=detail["role"],
        cluster=detail["cluster"],
        name=detail["what"],
        records={(t, n): Range(first, last, count) for t, n, first, last, count in detail["partitions"]},
        members=tuple(detail["members"]),
        samples=tuple(Sample(**{**each, "headers": tuple(each["headers"])}) for each in detail["samples"]),
        writers=tuple(detail["writers"]),
    )
    return Bypass(activity, detail["since_ns"], active_s, detail["standing"])


def _remedy(found: Bypass) -> str:
    its = found.activity
    match found.standing:
        case "active":
            return ": stop it, or point it to the right cluster"
        case "quiet":
            return ": it is quiet now, and the mirror has to copy its records"
        case "stays":
            other = "target" if its.cluster == "source" else "source"
            return (
                f": it is quiet now, and its records stay on the {its.cluster}, as nothing copies them to the {other}: "
                f"roll back, or accept that with {ACCEPT}"
            )
        case "accepted":
            return f": accepted, its records stay on the {its.cluster} alone"
        case _:
            return ": it is over"


@dataclass
class Bypasses:
    """All bypasses of one route, while somebody looks."""

    quiet_s: float
    known: dict[tuple[Role, ClusterName, str], Bypass] = field(default_factory=dict)

    def look(
        self,
        activities: Sequence[Activity],
        copied: Callable[[PartitionId, int], bool | None],
        may: Collection[tuple[str, str]],
        now_s: float,
        now_ns: int,
    ) -> list[Bypass]:
        """Take what a look shows; return the bypasses that are new, or have changed.

        copied: see `Bypass.settled`, for the source. may: roles and clusters on which they may be now, as after a move
        back.
        """
        before = dict(self.known)
        for each in activities:
            known = self.known.get(each.key)
            if known is None or known.standing == "over":
                self.known[each.key] = Bypass(each, now_ns, now_s)
            else:
                self.known[each.key] = known.with_(each, now_s)
        for key, found in self.known.items():
            of_source = found.activity.cluster == "source"
            self.known[key] = (
                replace(found, standing="over")
                if key[:2] in may and found.standing != "accepted"  # the last gate has to know what was accepted
                else found.settled(now_s, self.quiet_s, copied if of_source else lambda *_: None)
            )
        return [found for key, found in self.known.items() if _facts(found) != _facts(before.get(key))]

    def closing(self) -> list[str]:
        """Return, in words, what closes gates."""
        return [found.words() for found in self.known.values() if found.closes]


def _facts(found: Bypass | None) -> object:
    return None if found is None else (found.activity, found.standing, found.since_ns)
