"""What may happen next in a state besides the conductor: clients, mirror, retention, faults, and the operator. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from cutover_harness.explore import world as w
from cutover_harness.explore.case import LOCK, Case
from cutover_harness.explore.conductor import Conductors
from cutover_harness.explore.faults import Faults
from cutover_harness.explore.moves import Move, moved
from cutover_harness.explore.world import Part, World
from cutover_harness.procedure.names import StepName
from cutover_harness.types import Role

PLACES = ("the source", "hold", "the target")
_AWAY = (w.SOURCE_AWAY, 0, w.TARGET_AWAY)
_NAMES = {w.FOREIGN: "a foreign record", w.STRAGGLER: "the straggler's record", w.EARLY: "the early producer's record"}
_ASKS = (StepName.OVERLAP_CONSUMERS, StepName.CONSUMERS_TO_SOURCE)


class Environment:
    """Everything but the running conductors."""

    def __init__(self, case: Case, conductors: Conductors) -> None:
        self.case, self.conductors = case, conductors
        self.faults = Faults(case, conductors)

    def sees(self, world: World) -> object:
        """Return what `clients` sees of conductors and journal: with it, parts and rest it returns the same."""
        asked = frozenset(step for step in self._asked(world) if step in _ASKS) if self.case.overlaps else None
        requested = self.conductors.requested(world) if self.case.requests else None
        return asked, requested, self.faults.sees(world)

    def clients(self, world: World) -> Iterator[Move]:
        """Return what clients, mirror, and faults may do next."""
        for number, part in enumerate(world.parts):
            yield from self._producer(world, number, part)
            yield from self._member(world, number, part)
            if len(self.case.groups) < len(world.parts):
                yield from self._in_place_of(world, number, part)
            if self.case.overlaps:
                yield from self._new_member(world, number, part)
            yield from self._mirror(world, number, part)
        yield from _heals(world)
        if world.faults:
            yield from self.faults.moves(world._replace(faults=world.faults - 1), world)

    def _may_follow(self, world: World, role: Role, number: int) -> bool:
        """Whether a client can know where it has to be: one that is restarted may have to be told."""
        if not (self.case.requests and self.case.restarted(role, number)):
            return True
        return role in self.conductors.requested(world)

    def _producer(self, world: World, number: int, part: Part) -> Iterator[Move]:
        follows = self._may_follow(world, "producer", number)
        if not part.producer_up:
            place, fresh = (world.producers, 1) if follows else (part.producer_at, part.producer_fresh)
            back = part._replace(producer_up=1, producer_at=place, producer_fresh=fresh)
            yield moved(world, number, back, f"producer {number} is started again", "client")
            return
        record, place = part.sent, part.producer_at
        if record < self.case.bounds.records and place != w.HOLD and not world.away & _AWAY[place]:
            log = {"source": (*part.source, record)} if place == w.SOURCE else {"target": (*part.target, record)}
            now = part._replace(sent=record + 1, **log)  # type: ignore[arg-type]
            yield moved(world, number, now, f"producer {number} writes record {record} to {PLACES[place]}", "client")
        if not part.producer_fresh and follows:
            now = part._replace(producer_at=world.producers, producer_fresh=1)
            yield moved(world, number, now, f"producer {number} follows to {PLACES[world.producers]}", "client")

    def _member(self, world: World, number: int, part: Part) -> Iterator[Move]:
        follows = self._may_follow(world, "consumer", number)
        if not part.member_up:
            place, fresh = (world.consumers, 1) if follows else (part.member_at, part.member_fresh)
            back = part._replace(member_up=1, member_at=place, member_fresh=fresh, over=0)
            yield moved(world, number, back, f"member {number} is started again", "client")
            return
        place = part.member_at
        if place != w.HOLD and not world.away & _AWAY[place]:
            read = read_source(part) if place == w.SOURCE else read_target(part)
            if read is not None:
                words = f"member {number} reads {_record(part, read)} on {PLACES[place]} and commits"
                yield moved(world, number, read, words, "client")
        if not part.member_fresh and follows:
            now = part._replace(member_at=world.consumers, member_fresh=1, over=0)
            yield moved(world, number, now, f"member {number} follows to {PLACES[world.consumers]}", "client")

    def _in_place_of(self, world: World, number: int, part: Part) -> Iterator[Move]:
        """Return what other members read of a partition whose own member is not on their cluster: a rebalance."""
        for place in (w.SOURCE, w.TARGET):
            own = part.member_up and part.member_at == place
            others = [n for n, p in enumerate(world.parts) if n != number and p.member_up and p.member_at == place]
            if own or not others or world.away & _AWAY[place]:
                continue
            read = read_source(part) if place == w.SOURCE else read_target(part)
            if read is not None:
                words = (
                    f"member {others[0]}, alone on {PLACES[place]}, reads {_record(part, read)} of partition {number}"
                )
                yield moved(world, number, read, words, "client")

    def _new_member(self, world: World, number: int, part: Part) -> Iterator[Move]:
        """Return what a member does that runs on the target next to the old one."""
        if part.over and not world.away & w.TARGET_AWAY and (read := read_target(part)):
            words = f"new member {number} reads {_record(part, read)} on the target"
            yield moved(world, number, read, words, "client")
        if not part.member_fresh:
            return
        asked = self._asked(world)
        if StepName.OVERLAP_CONSUMERS in asked and not part.over:
            yield moved(world, number, part._replace(over=1), f"new member {number} starts on the target", "client")
        elif StepName.CONSUMERS_TO_SOURCE in asked and part.over:
            yield moved(world, number, part._replace(over=0), f"new member {number} ends on the target", "client")

    def _asked(self, world: World) -> set[StepName | None]:
        """Return the steps that conductors have begun and wait for."""
        return {self.conductors.step_name(world, me) for me in w.running(world) if world.conductors[me].after}  # type: ignore[union-attr]

    def _mirror(self, world: World, number: int, part: Part) -> Iterator[Move]:
        if world.mirror != w.RUNS or world.away:
            return
        if world.way == w.FORWARD:
            at = max(part.copied, part.source_start)
            if at > len(part.source):  # of a topic that was created again: MirrorMaker 2 begins at its start
                yield moved(
                    world, number, part._replace(copied=0), "the mirror begins at the start of the log", "client"
                )
            if at < len(part.source):
                copied = part._replace(copied=at + 1, target=(*part.target, part.source[at]))
                yield moved(
                    world, number, copied, f"the mirror copies record {part.source[at]} to the target", "client"
                )
            if world.translates and not w.active_on_target(world, self.case.groups[self.case.group_of(number)]):
                best = w.translated(part)
                for to, how in ((best, ""), (best - 1, ", one record early")):
                    if to > part.offset and to >= 0:
                        words = f"the mirror translates the group's offset to {to}{how}"
                        yield moved(world, number, part._replace(offset=to), words, "client")
        elif world.way == w.REVERSE and part.back >= 0:
            at = max(part.back, part.target_start)
            if at < len(part.target):
                copied = part._replace(back=at + 1, source=(*part.source, part.target[at]))
                words = f"the reverse mirror copies record {part.target[at]} to the source"
                yield moved(world, number, copied, words, "client")

    def operator(self, world: World) -> Iterator[Move]:
        """Return what an operator may do next, and kills."""
        running = w.running(world)
        if not world.ended and (not running or self.case.lacks(LOCK)):
            for me in [n for n, pc in enumerate(world.conductors) if pc is None][:1]:
                second = ", while another one runs" if running else ""
                if (started := self.conductors.start(world, me, back=False)) is not None:
                    kind = "resume" if world.journal else "operator"
                    yield Move(f"a conductor starts{second}", started, kind)
                if self.case.bounds.crashes and world.journal:
                    back = self.conductors.start(world, me, back=True)
                    if back is not None:
                        yield Move(f"the operator decides to roll back: a conductor starts{second}", back, "operator")
        if self.case.bounds.crashes:
            for me in running:
                died = tuple(None if n == me else pc for n, pc in enumerate(world.conductors))
                yield Move("the conductor is killed", world._replace(conductors=died), "crash")


def read_source(part: Part) -> Part | None:
    """Return the part once the group has read its next record on the source, None if there is none."""
    at = max(part.committed, part.source_start)
    if at >= len(part.source):
        return None
    return part._replace(committed=at + 1, delivered=part.delivered | 1 << part.source[at])


def read_target(part: Part) -> Part | None:
    """Return the part once the group has read its next record on the target, None if there is none."""
    at = max(part.offset, part.target_start)
    if at >= len(part.target):
        return None
    record = part.target[at]
    # What MirrorMaker 2 has copied twice is no record that the group reads again because it resumes too early.
    again = part.delivered >> record & 1 and w.first(part.target, record) == at
    counted = min(2, part.read_again + 1) if again else part.read_again
    return part._replace(offset=at + 1, delivered=part.delivered | 1 << record, read_again=counted)


def _heals(world: World) -> Iterator[Move]:
    """Return how what was broken heals."""
    if world.mirror in (w.DOWN, w.HUNG):
        yield Move("the mirror runs again", world._replace(mirror=w.RUNS), "client")
    if world.mirror == w.FAILED:
        yield Move("somebody restarts the mirror's task", world._replace(mirror=w.RUNS), "client")
    if world.away:
        yield Move("the cluster answers again", world._replace(away=0), "client")
    if world.stray:
        if (reads := _stray_reads(world)) is not None:
            yield Move("the stray member reads the target and commits there", reads, "client")
        yield Move("the stray member leaves", world._replace(stray=0), "client")


def _stray_reads(world: World) -> World | None:
    parts = tuple(p._replace(offset=len(p.target)) if p.offset < len(p.target) else p for p in world.parts)
    return None if parts == world.parts else world._replace(parts=parts)


def _record(before: Part, after: Part) -> str:
    new = after.delivered & ~before.delivered
    if new:
        record = new.bit_length() - 1
        return _NAMES.get(record, f"record {record}")
    return "a record again"
