"""Gates on the target's state: what was there before the mirror, and what a group would find there now.

They read the target, because records that were on it before, or are removed from it later, are not in the mirror's lag:
the mirror is at zero, and the group skips records nevertheless.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from confluent_kafka import KafkaException

from cutover_harness.errors import UsageError
from cutover_harness.procedure.gates import Gate, Reading
from cutover_harness.procedure.protocols import ClusterLike, JournalLike, MirrorLike
from cutover_harness.types import PartitionId
from cutover_harness.words import counted


@dataclass(frozen=True)
class Found:
    """Records, offsets and members on the target before the mirror is created."""

    records: Mapping[PartitionId, int] = field(default_factory=dict)
    offsets: Mapping[str, Mapping[PartitionId, int]] = field(default_factory=dict)
    members: Mapping[str, int] = field(default_factory=dict)
    mirrored: Collection[PartitionId] = ()
    """Partitions that this batch has mirrored in an earlier task: their records and offsets are its own."""

    def foreign(self) -> list[str]:
        """Return, in words, what does not come from this batch and does not disappear by waiting."""
        records = Counter[str]()
        for partition, count in self.records.items():
            if partition not in self.mirrored:
                records[partition[0]] += count
        words = [
            f"topic {topic} holds {counted(count, 'record')} on the target that this batch has not mirrored: delete "
            "the topic there, or leave it out of the batch"
            for topic, count in sorted(records.items())
            if count
        ]
        for group, offsets in sorted(self.offsets.items()):
            topics = sorted({topic for (topic, n), at in offsets.items() if at and (topic, n) not in self.mirrored})
            if topics:
                words.append(
                    f"group {group} has offsets in {', '.join(topics)} on the target that this batch has not set, and "
                    "MirrorMaker 2 never moves an offset back: delete the group's offsets there"
                )
        return words

    def active(self) -> list[str]:
        """Return, in words, which groups have members on the target."""
        return active(self.members)

    def detail(self) -> dict[str, object]:
        """Return it for the journal."""
        own = set(self.mirrored)
        return {
            "records": [[topic, n, count] for (topic, n), count in sorted(self.records.items()) if count],
            "offsets": [
                [group, topic, n, at] for group, its in self.offsets.items() for (topic, n), at in sorted(its.items())
            ],
            "members": dict(self.members),
            "mirrored_before": sorted([topic, n] for topic, n in own),
        }


def active(members: Mapping[str, int]) -> list[str]:
    """Return, in words, which groups have members on the target."""
    return [
        f"group {group} has {counted(count, 'member')} on the target, which commits there: stop them"
        for group, count in sorted(members.items())
        if count
    ]


@dataclass(frozen=True)
class TargetState:
    """Builds these gates for one route's groups."""

    groups: Sequence[str]
    journal: JournalLike
    mirror: MirrorLike
    source: ClusterLike
    target: ClusterLike

    def unused(self, step: int, deadline_s: float) -> Gate:
        """Nothing on the target is foreign to this batch. What is found is noted in the journal."""

        def read() -> Reading:
            found = self._look()
            wrong, members = found.foreign(), found.active()
            if self.journal.find("found", step) is None or not (wrong or members):
                self.journal.write("found", step, "target", **found.detail())
            own = sum(found.records.values())
            return Reading(
                open=not wrong and not members,
                never=bool(wrong),
                waits_for="; ".join([*wrong, *members]),
                evidence=f"no foreign records, offsets or members of {counted(len(self.groups), 'group')}"
                + (f"; {counted(own, 'record')} mirrored by an earlier task of this batch" if own else ""),
            )

        return Gate("target unused", read, deadline_s)

    def _look(self) -> Found:
        topics = self.mirror.topics()
        starts, ends = self.target.start_offsets(topics), self.target.end_offsets(topics)
        return Found(
            records={partition: end - starts.get(partition, 0) for partition, end in ends.items()},
            offsets={group: self.target.committed(group, topics) for group in self.groups},
            members={group: self.target.active(group) for group in self.groups},
            mirrored=self.mirror.mirrored_partitions(),
        )

    def no_members(self, deadline_s: float) -> Gate:
        """No group has members on the target before its consumers are moved: they would commit there."""

        def read() -> Reading:
            waits = active({group: self.target.active(group) for group in self.groups})
            return Reading(
                open=not waits,
                waits_for="; ".join(waits),
                evidence=f"{counted(len(self.groups), 'group')} without members on the target",
            )

        return Gate("no consumers on the target", read, deadline_s)

    def nothing_skipped(self, deadline_s: float, *, held: bool, offsets: bool) -> Gate:
        """The target has all that the groups have not read, and they would not resume behind it.

        While consumers still read on the source (not `held`) it may come true by waiting. `offsets`: whether the
        groups' offsets on the target count, or are about to be set.
        """

        def read() -> Reading:
            closed = skipping(self.mirror, self.groups, held=held, offsets=offsets)
            evidence = f"the target has all that was not read by {counted(len(self.groups), 'group')}"
            return closed or Reading(open=True, evidence=evidence)

        return Gate("target has what groups need", read, deadline_s)

    def read_again(self) -> Gate:
        """What groups will read again is still on the source. If not, the journal notes it and a way back continues."""

        def read() -> Reading:
            try:
                gone = removed_on_source(self.groups, self.source, self.mirror.topics())
            except (UsageError, KafkaException) as why:
                gone = [f"what the source has removed is not known: {' '.join(str(why).split())}"]
            return Reading(
                open=not gone,
                enough=True,
                waits_for="; ".join(gone),
                evidence=f"the source has all from the offsets of {counted(len(self.groups), 'group')} on",
            )

        return Gate("source has what groups read again", read, 0.0, waits_only=True)


def skipping(mirror: MirrorLike, groups: Sequence[str], *, held: bool, offsets: bool = True) -> Reading | None:
    """Return the closed reading of a gate if a group would skip records on the target, None if none would."""
    skipped = mirror.skipped(groups, offsets=offsets)
    if not skipped:
        return None
    return Reading(
        open=False, never=held and any(each.sure for each in skipped), waits_for="; ".join(map(str, skipped))
    )


def removed_on_source(groups: Sequence[str], source: ClusterLike, topics: Sequence[str]) -> list[str]:
    """Return, in words, what retention has removed from the source behind the groups' offsets there."""
    starts = source.start_offsets(topics)
    gone = []
    for group in groups:
        for partition, at in sorted(source.committed(group, topics).items()):
            if (count := starts.get(partition, 0) - at) > 0:
                gone.append(
                    f"the source has removed up to {counted(count, 'record')} of {partition[0]}-{partition[1]} that "
                    f"group {group} has not read there: it resumes by its auto.offset.reset"
                )
    return gone
