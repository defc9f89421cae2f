"""One look at both clusters for bypasses: growth of logs, members and commits of groups."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from cutover_harness.conductor.bypass_records import Side, Written, sample
from cutover_harness.mirror.foreign import Foreign
from cutover_harness.procedure.bypass import Activity, Kind, Range
from cutover_harness.procedure.whereabouts import Away, Whereabouts
from cutover_harness.types import ClusterName, PartitionId

LINGER_S = 60.0
"""How long a member counts as one that was killed before its clients left, and is removed by the group's session
timeout: 45 s by default."""
_MOST_CANDIDATES = 20
Cursor = tuple[ClusterName, int, str, PartitionId]
"""Cluster, step since which it was left, what is counted (records, or a group's commits), partition."""


class CopiesLike(Protocol):
    """What a mirror knows of copies, from any thread."""

    # ruff: noqa: D102 - what the names say, TwoWayMirror explains
    def foreign(self, cluster: ClusterName) -> Mapping[PartitionId, Foreign]: ...
    def copied(self) -> Mapping[PartitionId, int]: ...


@dataclass(frozen=True)
class Baseline:
    """What was there when the clients had left: ends of logs, members and commits of groups. at: seconds since 1970."""

    at: float
    ends: Mapping[PartitionId, int] = field(default_factory=dict)
    members: Mapping[str, Collection[str]] = field(default_factory=dict)
    commits: Mapping[str, Mapping[PartitionId, int]] = field(default_factory=dict)

    def detail(self) -> dict[str, Any]:
        """Return it for the journal."""
        return {
            "at": self.at,
            "ends": [[topic, number, end] for (topic, number), end in sorted(self.ends.items())],
            "members": {group: sorted(its) for group, its in self.members.items()},
            "commits": [[g, t, n, at] for g, its in self.commits.items() for (t, n), at in sorted(its.items())],
        }

    @classmethod
    def of_detail(cls, detail: Mapping[str, Any]) -> Baseline:
        """Return the baseline in an entry of the journal."""
        commits: dict[str, dict[PartitionId, int]] = {}
        for group, topic, number, at in detail["commits"]:
            commits.setdefault(group, {})[topic, number] = at
        ends = {(topic, number): end for topic, number, end in detail["ends"]}
        return cls(detail["at"], ends, detail["members"], commits)


@dataclass(frozen=True)
class Seen:
    """What one look shows, and up to where it has looked."""

    activities: Sequence[Activity]
    cursors: Mapping[Cursor, int]


@dataclass(frozen=True)
class Look:
    """Looks at one cluster at a time. groups, topics: of the route. cursors: up to where earlier looks have looked."""

    sides: Mapping[ClusterName, Side]
    copies: CopiesLike
    groups: Sequence[str]
    cursors: Mapping[Cursor, int]

    def baseline(self, away: Away, topics: Sequence[str], now: float) -> Baseline:
        """Return what is on the cluster now."""
        admin = self.sides[away.cluster].admin
        if away.role == "producer":
            return Baseline(now, ends=admin.end_offsets(topics))
        return Baseline(
            now,
            members={group: list(admin.member_ids(group)) for group in self.groups},
            commits={group: admin.committed(group, topics) for group in self.groups},
        )

    def at(self, away: Away, where: Whereabouts, base: Baseline, topics: Sequence[str], now: float) -> Seen:
        """Return what has happened on the cluster since `base`, or since the last look."""
        if away.role == "consumer":
            return self._groups(away, base, topics, now)
        return self._producers(away, where, base, topics)

    def _producers(self, away: Away, where: Whereabouts, base: Baseline, topics: Sequence[str]) -> Seen:
        side, copies_here = self.sides[away.cluster], where.copies_to == away.cluster
        known = self.copies.foreign(away.cluster) if copies_here else {}
        ends = side.admin.end_offsets(topics)
        begins, upto = {}, {}
        for partition, end in ends.items():
            begin = max(base.ends.get(partition, 0), self.cursors.get(_of(away, partition), 0))
            if away.cluster == "target":
                begin = max(begin, where.cut.get(partition, 0))
            # Whatever was written before the mirror began to copy to here is no copy.
            last = min(end, known[partition].begin) if partition in known else begin if copies_here else end
            if away.cluster == "target" and copies_here:
                last = begin
            if last > begin:
                begins[partition], upto[partition] = begin, last
        written = side.written(begins, upto)
        cursors = {_of(away, partition): end for partition, end in upto.items()}
        if copies_here:
            natives, searched = self._natives(away, base, known)
            written |= natives
            cursors |= searched
        return Seen(_of_topics(away, written), cursors)

    def _natives(
        self, away: Away, base: Baseline, known: Mapping[PartitionId, Foreign]
    ) -> tuple[dict[PartitionId, Written], dict[Cursor, int]]:
        """Return records that are no copies, among those that the mirror's comparison has not found on the other side.

        Each is searched for again: the comparison also lists copies of records that retention has removed since.
        """
        side, other = self.sides[away.cluster], self.sides["source" if away.cluster == "target" else "target"]
        candidates = {}
        for partition, its in known.items():
            begin = max(base.ends.get(partition, 0), its.begin, self.cursors.get(_of(away, partition), 0))
            if offsets := [each for each in its.offsets if each >= begin]:
                candidates[partition] = offsets
        if not candidates:
            return {}, {}
        found = other.lacks(side.at({p: offsets[:_MOST_CANDIDATES] for p, offsets in candidates.items()}))
        written = {}
        for partition, records in found.items():
            offsets = candidates[partition]
            # If all of the first ones are no copies, the rest of the burst is none either.
            whole = len(records) == min(len(offsets), _MOST_CANDIDATES)
            last, count = (offsets[-1], len(offsets)) if whole else (records[-1].offset, len(records))
            samples = [sample(partition, each) for each in records[:3]]
            written[partition] = Written(Range(records[0].offset, last, count), samples)
        return written, {_of(away, partition): offsets[-1] + 1 for partition, offsets in candidates.items()}

    def _groups(self, away: Away, base: Baseline, topics: Sequence[str], now: float) -> Seen:
        admin = self.sides[away.cluster].admin
        found, cursors = [], {}
        for group in self.groups:
            there = admin.member_ids(group)
            lingers = set(base.members.get(group, ())) if 0 <= now - base.at < LINGER_S else set()
            members = tuple(sorted(name for number, name in there.items() if number not in lingers))
            commits = {}
            # On the target the mirror and the conductor set offsets themselves.
            for partition, at in admin.committed(group, topics).items() if away.cluster == "source" else ():
                cursor = (away.cluster, away.since, group, partition)
                before = self.cursors.get(cursor, base.commits.get(group, {}).get(partition, 0))
                if at > before:
                    commits[partition] = Range(before, at, 1)
                if at != before:
                    cursors[cursor] = at
            if members or commits:
                found.append(Activity(_kind(away), "consumer", away.cluster, group, commits, members))
        return Seen(found, cursors)


def _of_topics(away: Away, written: Mapping[PartitionId, Written]) -> list[Activity]:
    found = []
    for topic in sorted({topic for topic, _ in written}):
        its = {partition: each for partition, each in written.items() if partition[0] == topic}
        records = {partition: each.range for partition, each in its.items()}
        samples = tuple(one for each in its.values() for one in each.samples)
        found.append(Activity(_kind(away), "producer", away.cluster, topic, records, samples=samples))
    return found


def _of(away: Away, partition: PartitionId) -> Cursor:
    return away.cluster, away.since, "", partition


def _kind(away: Away) -> Kind:
    return "straggler" if away.were_there else "early"
