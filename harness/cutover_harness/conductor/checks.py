"""What each gate looks at."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cutover_harness.conductor.gates import Gate, Reading, seldom
from cutover_harness.conductor.protocols import ClusterLike, GroupProgressLike, MirrorLike
from cutover_harness.conductor.statuses import Role, joined_later, missing, read_statuses
from cutover_harness.conductor.target_state import skipping
from cutover_harness.plan.path import Place


@dataclass(frozen=True)
class Checks:
    """Builds the gates of one route."""

    route: str
    statuses: Path
    mirror: MirrorLike
    source: ClusterLike
    target: ClusterLike

    def attested(self, role: Role, expected: Sequence[str], place: Place, generation: int, deadline_s: float) -> Gate:
        """Every client of `role` has followed the generation to `place`: drained and held, or running there.

        That is those that are expected, and whoever else reports on this route.
        """
        what = "held" if place == "hold" else f"on {place}"

        def read() -> Reading:
            statuses = read_statuses(self.statuses, self.route)
            instances = [*expected, *joined_later(statuses, role, expected)]
            absent = missing(statuses, instances, place, generation)
            return Reading(
                open=not absent,
                waits_for=f"{len(absent)} of {len(instances)}: " + "; ".join(absent),
                evidence=f"all {len(instances)} attest {what} at generation {generation}: {', '.join(instances)}",
                left=len(absent),
            )

        return Gate(f"attested {what}", read, deadline_s)

    def joined(self, members: Mapping[str, int], place: Place, deadline_s: float) -> Gate:
        """Every group has its members on `place` and is stable; for apps that cannot attest it themselves."""
        cluster = self.source if place == "source" else self.target

        def read() -> Reading:
            found = {group: cluster.members(group) for group in members}
            late = [f"{group} has {n} of {members[group]} members" for group, n in found.items() if n < members[group]]
            return Reading(
                open=not late,
                waits_for="; ".join(late),
                evidence=f"{sum(found.values())} members on {place}",
                left=sum(max(0, count - found[group]) for group, count in members.items()),
            )

        return Gate(f"joined on {place}", read, deadline_s)

    def mirroring(self, deadline_s: float) -> Gate:
        """Connectors and tasks run, and the target has every topic with the source's partitions."""

        def read() -> Reading:
            waits = list(self.mirror.running())
            if waits:
                return Reading(open=False, waits_for="; ".join(waits))
            topics = self.mirror.topics()
            source, target = self.source.partitions(topics), self.target.partitions(topics)
            short = [
                f"{topic} has {target.get(topic, 0)} of {count} partitions on the target"
                for topic, count in source.items()
                if target.get(topic, 0) < count
            ]
            return Reading(
                open=not short,
                waits_for="; ".join(short),
                evidence=f"running; {len(source)} topics, {sum(source.values())} partitions on the target",
                left=len(short),
            )

        return Gate("mirror running", read, deadline_s)

    def lag_under(self, bar: int, deadline_s: float) -> Gate:
        """Mirror lag is at most `bar` records."""

        def read() -> Reading:
            lag = self.mirror.lag().total
            return Reading(
                open=lag <= bar,
                waits_for=f"lag {lag} above {bar} records",
                evidence=f"lag {lag} records, bar {bar}",
                left=lag,
            )

        return Gate("mirror lag under the bar", read, deadline_s)

    def drained(self, deadline_s: float) -> Gate:
        """Nothing is left to mirror. Meaningful only while producers are held: else lag is never zero for long."""

        def read() -> Reading:
            done, evidence = self.mirror.drained()
            return Reading(open=done, waits_for=evidence, evidence=evidence, left=None if done else left())

        left = seldom(lambda: self.mirror.lag().total)
        return Gate("mirror at zero", read, deadline_s)

    def reverse_drained(self, deadline_s: float) -> Gate:
        """Nothing that was produced on the target is missing on the source."""

        def read() -> Reading:
            done, evidence = self.mirror.reverse_drained()
            return Reading(open=done, waits_for=evidence, evidence=evidence)

        return Gate("reverse mirror at zero", read, deadline_s)

    def exact_offsets(self, groups: Sequence[str], deadline_s: float) -> Gate:
        """The offsets of every group are set on the target, each proved by the records around it."""

        def read() -> Reading:
            # What the target has removed no offset brings back. Offsets that were not proved are MirrorMaker 2's own.
            if removed := skipping(self.mirror, groups, held=True, offsets=False):
                return removed
            results = {group: self.mirror.set_exact_offsets(group) for group in groups}
            words = "; ".join(f"{group}: {evidence}" for group, (_, evidence) in results.items())
            if not all(done for done, _ in results.values()):
                return Reading(open=False, waits_for=words)
            return skipping(self.mirror, groups, held=True) or Reading(open=True, evidence=words)

        return Gate("exact offsets proved", read, deadline_s)

    def progress(
        self,
        groups: Sequence[str],
        wait_s: float,
        settle_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> Gate:
        """The target has the last offsets that each group committed on the source.

        MirrorMaker 2 writes no checkpoint where it cannot translate any closer than before (KAFKA-14666), so some
        partitions of a group that lags are never proved. They are *settled* once nothing moved for `settle_s`, which
        has to be several of the mirror's intervals: waiting longer changes nothing, and what was translated early
        is read again.
        """
        seen: list[tuple[object, float]] = []

        def read() -> Reading:
            rows = {group: self.mirror.group_progress(group) for group in groups}
            late = {group: [row for row in its if not row.synchronised] for group, its in rows.items()}
            if not any(late.values()) and all(rows.values()):
                if skipped := skipping(self.mirror, groups, held=True):
                    return skipped
                count = sum(len(its) for its in rows.values())
                return Reading(
                    open=True, evidence=f"last commits of {len(groups)} groups translated in {count} partitions"
                )
            words = "; ".join(_describe(group, len(rows[group]), late[group]) for group in groups)
            now = clock()
            offsets = [(row.source_committed, row.target_committed) for its in rows.values() for row in its]
            if not seen or seen[0][0] != offsets:
                seen[:] = [(offsets, now)]
            settled = all(rows.values()) and now - seen[0][1] >= settle_s
            if settled and (skipped := skipping(self.mirror, groups, held=True)):
                return skipped
            return Reading(open=settled, waits_for=words, evidence=f"nothing moved for {settle_s:.0f} s: {words}")

        return Gate("group progress synchronised", read, wait_s, waits_only=True)


def _describe(group: str, total: int, late: Sequence[GroupProgressLike]) -> str:
    if not total:
        return f"{group} has committed nothing on the source"
    without = sum(row.target_committed is None for row in late)
    early = f", {len(late) - without} translated early" if len(late) > without else ""
    none = f", {without} without any offset" if without else ""
    return f"{group} {total - len(late)} of {total} partitions translated to the last commit{early}{none}"
