"""Whether the target has the last offsets that groups committed on the source."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from confluent_kafka import KafkaException

from cutover_harness.errors import UsageError
from cutover_harness.procedure.gates import Reading
from cutover_harness.procedure.protocols import GroupProgressLike, MirrorLike
from cutover_harness.words import counted

Rows = Mapping[str, Sequence[GroupProgressLike]]


@dataclass
class Settling:
    """Looks at the offsets of stopped groups until they are synchronised, or settled.

    MirrorMaker 2 writes no checkpoint if it cannot translate any closer than before (KAFKA-14666), so some
    partitions of a group that lags are never proved. They are *settled* once nothing moved for `settle_s`, which has to
    be several of the mirror's intervals: waiting longer changes nothing, and what was translated early is read again.
    That nothing moves is evidence only while the mirror runs and both clusters answer, so the time starts again when
    that was not so.

    A partition without any offset on the target never settles: the group would skip it there, or read all of it again,
    by its `auto.offset.reset`. Its offset is set to the very record, with proof, or the reading stays closed.
    """

    mirror: MirrorLike
    groups: Sequence[str]
    settle_s: float
    clock: Callable[[], float] = time.monotonic
    _seen: tuple[object, float] | None = field(default=None, init=False)
    # Offsets that were set here, by group and partition.
    _set: dict[tuple[str, str, int], int | None] = field(default_factory=dict, init=False)

    def read(self) -> Reading:
        """Look once."""
        try:
            rows = {group: self.mirror.group_progress(group) for group in self.groups}
        except (UsageError, KafkaException):
            self._seen = None  # a cluster is away: nothing was translated in the meantime, whatever Connect reports
            raise
        late = {group: [row for row in its if not self._synchronised(group, row)] for group, its in rows.items()}
        if not any(late.values()) and all(rows.values()):
            count = sum(len(its) for its in rows.values())
            ours = f", {len(self._set)} of them set with proof" if self._set else ""
            return Reading(
                open=True,
                evidence=f"last commits of {counted(len(rows), 'group')} translated in "
                f"{counted(count, 'partition')}{ours}",
            )
        words = "; ".join(_describe(group, len(rows[group]), late[group]) for group in self.groups)
        if down := list(self.mirror.translating()):
            self._seen = None
            return Reading(open=False, waits_for=f"{words}; {'; '.join(down)}")
        absent = {group: [row for row in its if row.target_committed is None] for group, its in late.items()}
        settled = self._nothing_moved(rows) and all(rows.values())
        if any(absent.values()) and (settled or absent == late):
            return self._set_absent(absent, words)
        return Reading(
            open=settled,
            waits_for=words,
            evidence=f"nothing moved for {self.settle_s:.0f} s while the mirror ran: {words}",
            enough=not any(absent.values()),
        )

    def _synchronised(self, group: str, row: GroupProgressLike) -> bool:
        if row.target_committed is None:
            return False
        return row.synchronised or self._set.get((group, row.topic, row.partition)) == row.target_committed

    def _nothing_moved(self, rows: Rows) -> bool:
        offsets = [(row.source_committed, row.target_committed) for its in rows.values() for row in its]
        now = self.clock()
        if self._seen is None or self._seen[0] != offsets:
            self._seen = offsets, now
        return now - self._seen[1] >= self.settle_s

    def _set_absent(self, absent: Mapping[str, Sequence[GroupProgressLike]], words: str) -> Reading:
        """Set the offsets that the target lacks; the next look sees them."""
        problems = []
        for group, rows in absent.items():
            if not rows:
                continue
            if why := self.mirror.set_absent_offsets(group, [(row.topic, row.partition) for row in rows]):
                problems.append(f"{group}: {why}")
            for row in self.mirror.group_progress(group):
                if row.target_committed is not None and any(
                    (row.topic, row.partition) == (each.topic, each.partition) for each in rows
                ):
                    self._set[group, row.topic, row.partition] = row.target_committed
        return Reading(open=False, waits_for="; ".join([words, *problems]))


def _describe(group: str, total: int, late: Sequence[GroupProgressLike]) -> str:
    if not total:
        return f"{group} has committed nothing on the source"
    without = sum(row.target_committed is None for row in late)
    early = f", {len(late) - without} translated early" if len(late) > without else ""
    none = f", {without} without any offset" if without else ""
    return f"{group} {total - len(late)} of {counted(total, 'partition')} translated to the last commit{early}{none}"
