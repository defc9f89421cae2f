"""Faults of the abstract world: each uses up one of those that the bounds allow."""

from __future__ import annotations

from collections.abc import Iterator

from cutover_harness.explore import world as w
from cutover_harness.explore.case import Case
from cutover_harness.explore.conductor import Conductors
from cutover_harness.explore.moves import Move, moved
from cutover_harness.explore.world import Part, World


class Faults:
    """The faults of one case. In all methods `less` is the world with one fault fewer to come."""

    def __init__(self, case: Case, conductors: Conductors) -> None:
        self.case, self.conductors = case, conductors
        self._kinds = frozenset(case.bounds.kinds)

    def sees(self, world: World) -> tuple[bool, ...]:
        """Return what these faults see of conductors and journal."""
        overlap, on_target = self.conductors.state(world).overlap, self.conductors.were_on_target(world)
        back = self.conductors.is_back(world)
        return overlap, on_target, back, _waits_to_move(world), bool(world.journal)

    def moves(self, less: World, world: World) -> Iterator[Move]:
        """Return the faults that may come next."""
        yield from self._of_the_mirror(less, world)
        yield from self._of_clusters(less, world)
        for number, part in enumerate(world.parts):
            yield from self._of_logs(less, world, number, part)
            yield from self._of_clients(less, number, part)
            if self.case.planned:
                yield from self._of_strangers(less, world, number, part)
            if not (world.mirror or part.copied or world.journal):
                yield from self._foreign(less, number, part)

    def _of_the_mirror(self, less: World, world: World) -> Iterator[Move]:
        if world.mirror != w.RUNS or world.way == w.CUT:
            return
        if "mirror-away" in self._kinds:
            yield Move("Connect is away: nothing is copied", less._replace(mirror=w.DOWN), "fault")
        if not any(_pending(world, p) for p in world.parts):
            return
        if "mirror-fails" in self._kinds:
            yield Move("the mirror FAILS on a record", less._replace(mirror=w.FAILED), "fault")
        if "mirror-hangs" in self._kinds:
            yield Move("the mirror is RUNNING and copies nothing", less._replace(mirror=w.HUNG), "fault")

    def _of_clusters(self, less: World, world: World) -> Iterator[Move]:
        kinds = self._kinds
        if "cluster-away" in kinds and not world.away:
            yield Move("the target is away", less._replace(away=w.TARGET_AWAY), "fault")
            yield Move("the source is away", less._replace(away=w.SOURCE_AWAY), "fault")
        on_source = world.consumers == w.SOURCE and not w.active_on_target(world) and not _waits_to_move(world)
        if "stray-member" in kinds and on_source and not self.conductors.state(world).overlap:
            yield Move("a stray member of the group starts on the target", less._replace(stray=1), "fault")
        if "recreated" in kinds and not world.topic and world.mirror and world.producers == w.SOURCE:
            yield Move("the topic is deleted on the source and created again", recreated(less), "fault")

    def _of_logs(self, less: World, world: World, number: int, part: Part) -> Iterator[Move]:
        kinds = self._kinds
        if "mirror-repeats" in kinds and world.mirror == w.RUNS and world.way == w.FORWARD and part.copied:
            again = part._replace(copied=part.copied - 1)
            yield moved(less, number, again, "the mirror restarts, and copies its last record again", "fault")
        if "source-retention" in kinds and world.mirror and part.source_start < len(part.source):
            record = part.source[part.source_start]
            if part.delivered >> record & 1:
                gone = part._replace(source_start=part.source_start + 1)
                yield moved(less, number, gone, f"retention removes record {record} from the source", "fault")
        # What is removed once the group has been sent to the target it would have lost on any cluster.
        sent_there = self.conductors.were_on_target(world) or self.conductors.state(world).overlap
        reads_there = sent_there or part.member_at == w.TARGET or part.over
        before_target = world.consumers != w.TARGET and not reads_there
        if "target-retention" in kinds and before_target and part.target_start < len(part.target):
            record = part.target[part.target_start]
            gone = part._replace(target_start=part.target_start + 1)
            yield moved(less, number, gone, f"retention removes record {record} from the target", "fault")

    def _of_clients(self, less: World, number: int, part: Part) -> Iterator[Move]:
        if "client-dies" not in self._kinds:
            return
        if part.producer_up and part.sent < self.case.bounds.records:
            yield moved(less, number, part._replace(producer_up=0), f"producer {number} dies", "fault")
        if part.member_up:
            yield moved(less, number, part._replace(member_up=0), f"member {number} dies", "fault")

    def _of_strangers(self, less: World, world: World, number: int, part: Part) -> Iterator[Move]:
        # No gate prevents what they write after the mirror has been deleted.
        if world.mirror == w.NOTHING or world.way != w.FORWARD or self.conductors.is_back(world):
            return
        left = world.producers != w.SOURCE and all(p.producer_at != w.SOURCE for p in world.parts)
        if "straggler" in self._kinds and left and w.STRAGGLER not in part.source:
            late = part._replace(source=(*part.source, w.STRAGGLER))
            yield moved(less, number, late, "an unknown producer writes to the source", "fault")
        if "early-writer" in self._kinds and world.producers != w.TARGET and w.EARLY not in part.target:
            early = part._replace(target=(*part.target, w.EARLY))
            yield moved(less, number, early, "an unknown producer writes to the target", "fault")

    def _foreign(self, less: World, number: int, part: Part) -> Iterator[Move]:
        if "foreign-record" in self._kinds and not part.target:
            dirty = part._replace(target=(w.FOREIGN,))
            yield moved(less, number, dirty, "somebody writes a foreign record to the topic on the target", "fault")
        if "foreign-offset" in self._kinds and part.offset < 0:
            ahead = part._replace(offset=1)
            yield moved(less, number, ahead, "somebody commits offset 1 for the group on the target", "fault")


def recreated(world: World) -> World:
    """Return the world once the source topic was deleted and created again, empty."""
    empty = [
        # What is destroyed counts neither as lost nor as stranded.
        p._replace(
            source=(),
            source_start=0,
            committed=-1,
            destroyed=sum(1 << r for r in p.source),
        )
        for p in world.parts
    ]
    return world._replace(parts=tuple(empty), topic=1)


def _pending(world: World, part: Part) -> bool:
    if world.way == w.REVERSE:
        return 0 <= part.back < len(part.target)
    return part.copied < len(part.source)


def _waits_to_move(world: World) -> bool:
    """Whether a gate has just looked for members on the target: what comes between look and action no gate prevents."""
    return any(pc is not None and pc.asleep < 0 and not pc.after and pc.gate for pc in world.conductors)
