"""What each gate looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cutover_harness.conductor.gates import Gate, Reading
from cutover_harness.conductor.protocols import ClusterLike, MirrorLike
from cutover_harness.conductor.statuses import missing, read_statuses
from cutover_harness.plan.path import Place


@dataclass(frozen=True)
class Checks:
    """Builds the gates of one route."""

    route: str
    statuses: Path
    mirror: MirrorLike
    source: ClusterLike
    target: ClusterLike

    def attested(self, instances: Sequence[str], place: Place, generation: int, deadline_s: float) -> Gate:
        """Every client has followed the generation to `place`: drained and held, or running there."""
        what = "held" if place == "hold" else f"on {place}"

        def read() -> Reading:
            absent = missing(read_statuses(self.statuses, self.route), instances, place, generation)
            return Reading(
                open=not absent,
                waits_for=f"{len(absent)} of {len(instances)}: " + "; ".join(absent),
                evidence=f"all {len(instances)} attest {what} at generation {generation}: {', '.join(instances)}",
            )

        return Gate(f"attested {what}", read, deadline_s)

    def mirroring(self, topics: Sequence[str], deadline_s: float) -> Gate:
        """Connectors and tasks run, and the target has every topic with the source's partitions."""

        def read() -> Reading:
            waits = list(self.mirror.running())
            if waits:
                return Reading(open=False, waits_for="; ".join(waits))
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
            )

        return Gate("mirror running", read, deadline_s)

    def lag_under(self, bar: int, deadline_s: float) -> Gate:
        """Mirror lag is at most `bar` records."""

        def read() -> Reading:
            lag = self.mirror.lag().total
            return Reading(
                open=lag <= bar, waits_for=f"lag {lag} above {bar} records", evidence=f"lag {lag} records, bar {bar}"
            )

        return Gate("mirror lag under the bar", read, deadline_s)

    def drained(self, topics: Sequence[str], deadline_s: float) -> Gate:
        """Nothing is left to mirror. Meaningful only while producers are held: else lag is never zero for long."""

        def read() -> Reading:
            done, evidence = self.mirror.drained()
            return Reading(open=done, waits_for=evidence, evidence=f"{len(topics)} topics: {evidence}")

        return Gate("mirror at zero", read, deadline_s)

    def progress(self, groups: Sequence[str], wait_s: float) -> Gate:
        """The target has the last offsets that each group committed on the source."""

        def read() -> Reading:
            waits, proved = [], 0
            for group in groups:
                rows = self.mirror.group_progress(group)
                late = [row for row in rows if not row.synchronised]
                proved += len(rows) - len(late)
                if not rows:
                    waits.append(f"{group} has committed nothing on the source")
                elif late:
                    names = ", ".join(f"{row.topic}-{row.partition}" for row in late[:4])
                    waits.append(f"{group} {len(rows) - len(late)}/{len(rows)} partitions, missing {names}")
            return Reading(
                open=not waits,
                waits_for="; ".join(waits),
                evidence=f"offsets of {len(groups)} groups synchronised in {proved} partitions",
            )

        return Gate("group progress synchronised", read, wait_s, waits_only=True)
