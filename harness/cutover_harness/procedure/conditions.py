"""Conditions that gates wait for: clients, mirror lag, groups' offsets."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from cutover_harness.procedure.client_status import ClientStatus, StatusWatch, joined_later, missing
from cutover_harness.procedure.gates import Gate, Reading, seldom
from cutover_harness.procedure.names import EXACT_OFFSETS, LAG_UNDER_BAR, PROGRESS
from cutover_harness.procedure.protocols import ClusterLike, MirrorLike
from cutover_harness.procedure.settling import Settling
from cutover_harness.procedure.target_state import skipping
from cutover_harness.types import Location, Role
from cutover_harness.words import counted


@dataclass(frozen=True)
class Conditions:
    """Builds the gates of one route.

    `statuses` reads the statuses of its clients; `unread` says why they cannot be read, None if they can; `behind` the
    channels that the present generation of the cutover file could not be written to, each with the reason. Without
    `safety`, as in a negative control, records that the mirror has missed are ignored.
    """

    statuses: Callable[[], Mapping[str, ClientStatus]]
    watch: StatusWatch
    mirror: MirrorLike
    source: ClusterLike
    target: ClusterLike
    safety: bool = True
    behind: Callable[[], Sequence[str]] = tuple
    unread: Callable[[], str | None] = lambda: None

    def attested(
        self, role: Role, expected: Sequence[str], place: Location, generation: int, deadline_s: float
    ) -> Gate:
        """Every client of `role` has followed the generation to `place`: drained and held, or running there.

        Clients that report on this route without being expected count too, until they are gone (`joined_later`). With a
        deadline that is shorter than that, a client that is silent closes the gate: it may be frozen, and hold nothing.
        """
        what = "held" if place == "hold" else f"on {place}"

        def read() -> Reading:
            statuses = self.statuses()
            self.watch.look(statuses)
            instances = [*expected, *joined_later(statuses, role, expected, self.watch)]
            absent = missing(statuses, instances, place, generation, self.watch)
            errors = {name: statuses[name].error for name in instances if name in statuses}
            behind = "".join(f"; not written to {each}" for each in self.behind())
            unread = f"; statuses cannot be read: {why}" if (why := self.unread()) is not None else ""
            return Reading(
                open=not absent and not unread,  # what cannot be read may be the status of an unexpected client
                waits_for=f"{len(absent)} of {len(instances)}: " + "; ".join(absent) + behind + unread,
                evidence=f"all {len(instances)} attest {what} at generation {generation}: {', '.join(instances)}"
                + "".join(f"; {name} reports: {error}" for name, error in errors.items() if error)
                + behind,
                left=len(absent),
            )

        return Gate(f"attested {what}", read, deadline_s)

    def joined(self, members: Mapping[str, int], place: Location, deadline_s: float) -> Gate:
        """Every group has its members on `place` and is stable; for apps that cannot attest it themselves."""
        cluster = self.source if place == "source" else self.target

        def read() -> Reading:
            found = {group: cluster.members(group) for group in members}
            late = [
                f"{group} has {n} of {counted(members[group], 'member')}"
                for group, n in found.items()
                if n < members[group]
            ]
            return Reading(
                open=bool(members) and not late,
                never=not members,
                waits_for="; ".join(late) or "the members that have to join are not known",
                evidence=f"{counted(sum(found.values()), 'member')} on {place}",
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
                f"{topic} has {target.get(topic, 0)} of {counted(count, 'partition')} on the target"
                for topic, count in source.items()
                if target.get(topic, 0) < count
            ]
            return Reading(
                open=not short,
                waits_for="; ".join(short),
                evidence=f"running; {counted(len(source), 'topic')}, "
                f"{counted(sum(source.values()), 'partition')} on the target",
                left=len(short),
            )

        return self.unless_broken(Gate("mirror running", read, deadline_s))

    def lag_under(self, bar: int, deadline_s: float) -> Gate:
        """Mirror lag is at most `bar` records, those counted that may be missing as they were not compared yet."""

        def read() -> Reading:
            lag = self.mirror.lag()
            total, unknown = (lag.total, lag.not_compared) if self.safety else (lag.total - lag.amid, 0)
            waits = f"lag {total} above {counted(bar, 'record')}"
            if total <= bar:
                waits = f"lag {counted(total, 'record')}, {unknown} more not compared yet, above {bar}"
            return Reading(
                open=total + unknown <= bar,
                waits_for=self._with_reason(waits),
                evidence=f"lag {counted(total, 'record')}, bar {bar}",
                left=total + unknown,
            )

        return self.unless_broken(Gate(LAG_UNDER_BAR, read, deadline_s))

    def drained(self, deadline_s: float) -> Gate:
        """Nothing is left to mirror. Meaningful only while producers are held: otherwise lag is never zero for long."""

        def read() -> Reading:
            done, evidence = self.mirror.drained()
            return Reading(
                open=done, waits_for=self._with_reason(evidence), evidence=evidence, left=None if done else left()
            )

        left = seldom(lambda: self.mirror.lag().total)
        return self.unless_broken(Gate("mirror at zero", read, deadline_s))

    def reverse_drained(self, deadline_s: float) -> Gate:
        """Nothing that was produced on the target is missing on the source."""

        def read() -> Reading:
            if broken := self.mirror.reverse_broken():
                return Reading(open=False, never=True, waits_for=broken)
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

        return self.unless_broken(Gate(EXACT_OFFSETS, read, deadline_s))

    def progress(
        self,
        groups: Sequence[str],
        wait_s: float,
        settle_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> Gate:
        """The target has the last offsets that each group committed on the source; see `Settling`."""
        settling = Settling(self.mirror, groups, settle_s, clock)

        def read() -> Reading:
            reading = settling.read()
            return (skipping(self.mirror, groups, held=True) if reading.open else None) or reading

        return self.unless_broken(Gate(PROGRESS, read, wait_s, waits_only=True))

    def unless_broken(self, gate: Gate) -> Gate:
        """Return `gate`, closed for good as soon as the mirror is broken."""
        if not self.safety:
            return gate

        def read() -> Reading:
            reading = None if (broken := self.mirror.broken()) else gate.read()
            if reading is not None and (not reading.open or (broken := self.mirror.broken()) is None):
                return reading
            # Also if it was found only by looking: what is missing need not be more than a bar allows.
            return Reading(open=False, never=True, waits_for=broken or "")

        return replace(gate, read=read)

    def _with_reason(self, waits_for: str) -> str:
        """Return what is waited for, with what is known of a mirror that does not progress."""
        return "; ".join([waits_for, *filter(None, [self.mirror.stalled()])])
