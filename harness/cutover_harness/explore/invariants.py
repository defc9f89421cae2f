"""What must never be so, in every state and at every move. Pure.

Each returns, in words, the damage; the search then has the shortest trace to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cutover_harness.explore import world as w
from cutover_harness.explore.case import Case
from cutover_harness.explore.conductor import REPEATS, Conductors
from cutover_harness.explore.environment import read_source, read_target
from cutover_harness.explore.world import Part, World
from cutover_harness.procedure.names import StepName


class Damage(NamedTuple):
    """A violation: its kind, and what happened."""

    kind: str
    words: str


KINDS = {
    "lost": "an acknowledged record is never delivered to the group",
    "reordered": "a record is delivered to the group after a later one of its key",
    "re-read": "the group reads again on the target what it has read on the source, more than the path allows",
    "stranded": "a record is left behind on the cluster that the producers left, and the path does not allow it",
    "phantom": "the group is delivered a record that the application has not produced",
    "both": "producers of the route write to both clusters at the same time",
    "in-vain": "clients are held although it can be seen that the path cannot be completed",
    "waits-in-vain": "a gate waits for what can never come, so that only its deadline ends the wait",
    "unfinished": "the path is reported as completed, and a client is not where it should be",
    "left": "a conductor that was taken over leaves behind what no conductor removes",
    "journal": "the journal describes no path any more, so that nothing can be resumed or rolled back",
    "no-way-back": "from a state no sequence of events leads back to the source, or to the end of the path",
    "resumed": "a conductor that was resumed ends in a state in which no undisturbed one ends",
}


def of_move(case: Case, conductors: Conductors, before: World, after: World) -> Damage | None:
    """Return the damage that a move does."""
    for number, (was, now) in enumerate(zip(before.parts, after.parts, strict=True)):
        if was is now:
            continue
        if now.delivered != was.delivered and (found := _delivered(number, was, now)):
            return found
        if now.offset > was.offset >= 0 and now.delivered != was.delivered and (found := _skipped(number, now)):
            return found
        excused = case.overlaps or before.topic  # old and new members read both; a recreated topic has no offsets
        if now.read_again > was.read_again and not excused and now.read_again > (0 if case.is_exact else 1):
            return Damage("re-read", f"the group reads a record of partition {number} again that it had read before")
        if now.sent > was.sent and (found := _written(case, before, number)):
            return found
    if before.conductors != after.conductors and (found := _held(conductors, before, after)):
        return found
    if before.ended and after.mirror not in (w.NOTHING, before.mirror):
        return Damage("left", "the path has ended, and a mirror is created that no conductor deletes")
    if after.ended and not before.ended:
        return _unfinished(case, after) or next(_at_the_end(conductors, after), None)
    return None


def _skipped(number: int, now: Part) -> Damage | None:
    """Return that the group, which reads on the target, has passed a record there that it was never delivered."""
    if w.EARLY in now.target[: now.offset] and not now.delivered >> w.EARLY & 1:
        return Damage("lost", f"the group skips a record of partition {number} that an early producer has written")
    return None


def _delivered(number: int, was: Part, now: Part) -> Damage | None:
    new = (now.delivered & ~was.delivered).bit_length() - 1
    if new == w.FOREIGN:
        return Damage("phantom", f"the group is delivered a foreign record of partition {number}")
    if new >= w.OTHERS:
        return None
    if now.destroyed >> new & 1:  # somebody has deleted the topic with this record: what is left of it has no order
        return None
    later = was.delivered >> (new + 1) & ((1 << w.OTHERS - new - 1) - 1)
    if later:
        return Damage("reordered", f"record {new} of partition {number} is delivered after a later one of its key")
    return None


def _written(case: Case, world: World, number: int) -> Damage | None:
    at = world.parts[number].producer_at
    others = [p for n, p in enumerate(world.parts) if n != number and p.producer_up]
    if any(p.producer_at not in (at, w.HOLD) and p.sent < case.bounds.records for p in others):
        return Damage("both", "one producer writes to the target while another one still writes to the source")
    return None


_HOLDS = (StepName.STOP_CONSUMERS, StepName.STOP_PRODUCERS)


def holds(conductors: Conductors, before: World, after: World) -> Iterator[tuple[int, StepName]]:
    """Return the conductors that a move brings nearer to a hold of clients who leave the source, and the step.

    It looks at nothing but conductors and journal.
    """
    for me, (was, now) in enumerate(zip(before.conductors, after.conductors, strict=True)):
        if was is None or now is None or was.asleep >= 0 or was.after or was.gate == REPEATS or was.back:
            continue
        if (now.number, now.after, now.gate) == (was.number, 0, was.gate):
            continue
        step = conductors.step_name(before, me)
        if step not in _HOLDS:
            continue
        state = conductors.state_before(before, me)
        leaves = state.consumers if step == StepName.STOP_CONSUMERS else state.producers
        if leaves == "source" and state.has_task:
            yield me, step


def _held(conductors: Conductors, before: World, after: World) -> Damage | None:
    """Return that clients are held although the mirror, or the target, lacks what nothing brings back."""
    for me, step in holds(conductors, before, after):
        was, now = before.conductors[me], after.conductors[me]
        assert was is not None and now is not None  # noqa: S101, PT018 - as `holds` has it
        # What comes between a look and the action no gate prevents, so it counts only if it was there at the first.
        lacks = before.way == w.FORWARD and any(w.passed_over(p, saw_gap=bool(was.saw_gap)) for p in before.parts)
        never = w.overtaken(before) or before.topic or before.mirror == w.FAILED or lacks
        if never and was.gate == conductors.first_gate(before, me):
            return Damage("in-vain", f"{step}: clients are held although the mirror can never be complete")
        acts = now.after or now.number != was.number
        if step == StepName.STOP_CONSUMERS and acts and any(w.skips(p, offsets=False) for p in before.parts):
            return Damage("in-vain", f"{step}: clients are held although the target has removed what they need")
    return None


def _unfinished(case: Case, world: World) -> Damage | None:
    """Return that the path is reported as completed although a client on the shim has not followed.

    After a way back the command reads the clients' statuses back, and reports what contradicts it.
    """
    if world.ended != 1:
        return None
    for number, part in enumerate(world.parts):
        late = [
            role
            for role, fresh in (("producer", part.producer_fresh), ("member", part.member_fresh))
            if not fresh and not case.restarted("consumer" if role == "member" else role, number)
        ]
        if late:
            return Damage("unfinished", f"the path is completed, and {late[0]} {number} has not followed")
    return None


def _at_the_end(conductors: Conductors, world: World) -> Iterator[Damage]:
    """Return what is lost, stranded or reordered once everything that is left has been read."""
    reversed_once = conductors.reversed_once(world)
    for number, part in enumerate(world.parts):
        at_source = world.consumers == w.SOURCE
        # A path back without a reverse mirror leaves behind what was produced on the target: it says so.
        allowed = set() if reversed_once or not at_source else set(part.target) - set(part.source)
        done = part
        if world.mirror != w.NOTHING and world.way == w.FORWARD:  # it was not deleted, and copies the rest
            done = part._replace(target=(*part.target, *part.source[max(part.copied, part.source_start) :]))
        while (more := read_source(done) if at_source else read_target(done)) is not None:
            if more.delivered != done.delivered and (found := _delivered(number, done, more)):
                yield found
            done = more
        others = [r for r in (w.STRAGGLER, w.EARLY) if r in part.source or r in part.target]
        lost = [
            r
            for r in (*range(part.sent), *others)
            if not (done.delivered | part.destroyed) >> r & 1 and r not in allowed
        ]
        if lost:
            yield Damage("lost", f"{_records(lost)} of partition {number} were acknowledged and are never delivered")
        if world.producers == w.TARGET and (left := set(part.source) - set(done.target)):
            yield Damage("stranded", f"{_records(sorted(left))} of partition {number} are only on the source")
        left = set(part.target) - set(part.source) - {w.FOREIGN}
        if world.producers == w.SOURCE and not world.topic and (left - allowed):
            yield Damage("stranded", f"{_records(sorted(left - allowed))} of partition {number} are only on the target")


def _records(numbers: list[int]) -> str:
    names = {w.STRAGGLER: "the straggler's", w.EARLY: "the early producer's"}
    return f"records {', '.join(names.get(number, str(number)) for number in numbers)}"
