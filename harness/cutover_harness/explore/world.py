"""A state of the abstract world: two clusters, a mirror, clients, the cutover file and the conductors. Pure.

Everything in a state is a tuple of small numbers, so that it can be hashed. A partition, its producer and the member of
the group that reads it are one `Part`: parts that differ only in their number are the same state.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

SOURCE, HOLD, TARGET = 0, 1, 2
"""Where clients are."""
NOTHING, RUNS, DOWN, FAILED, HUNG = 0, 1, 2, 3, 4
"""The mirror: it does not exist, runs, is away (Connect restarts, say), failed on a record, or is RUNNING and copies
nothing."""
FORWARD, CUT, REVERSE = 0, 1, 2
"""Which way the mirror copies; CUT: not at all, since the ends of the target's logs were noted."""
OTHERS = 80
STRAGGLER, EARLY = OTHERS, OTHERS + 1
"""Numbers of the records of producers that are no clients of the route, each of a key of its own."""
FOREIGN = 90
"""The number of a record that the application has not produced."""
SOURCE_AWAY, TARGET_AWAY = 1, 2


class Part(NamedTuple):
    """A partition on both clusters, with its producer and its member of the group.

    sent: records that were acknowledged; they are numbered 0, 1, ... and are one key's. source, target: numbers of the
    records in each log; source_start, target_start: what retention has removed before. copied, back: the next offset
    that the mirror, and the reverse mirror, copies. committed, offset: the group's next offset on source and target, -1
    if none. delivered: bits of the records that the group was delivered. *_at, *_fresh, *_up: where the client is,
    whether it has followed the cutover file's present generation, whether it is alive. over: whether a new member reads
    the target next to the old one. read_again: how often the group read a record on the target again, up to 2.
    destroyed: bits of the records that a topic contained when it was deleted.
    """

    sent: int = 0
    source: tuple[int, ...] = ()
    source_start: int = 0
    target: tuple[int, ...] = ()
    target_start: int = 0
    copied: int = 0
    back: int = -1
    committed: int = -1
    offset: int = -1
    delivered: int = 0
    producer_at: int = SOURCE
    producer_fresh: int = 1
    producer_up: int = 1
    member_at: int = SOURCE
    member_fresh: int = 1
    member_up: int = 1
    over: int = 0
    read_again: int = 0
    destroyed: int = 0


class Pc(NamedTuple):
    """Where a conductor is: the step's number, before or after its action, the gate, and what that gate remembers.

    done_here: number of the last step that this process did itself, -1 if none. back: whether it is on the way back.
    saw_gap: whether its mirror has seen that retention overtook the mirror. generation: the one that it wrote or read.
    asleep: its copy of the journal if it was suspended when it was about to write, and taken over; -1 if it runs.
    """

    number: int
    after: int
    gate: int
    memory: tuple[object, ...]
    done_here: int
    back: int
    saw_gap: int
    generation: int
    asleep: int = -1


class World(NamedTuple):
    """The state. producers, consumers: locations in the cutover file. journal: a number that `Journals` knows."""

    parts: tuple[Part, ...]
    producers: int = SOURCE
    consumers: int = SOURCE
    generation: int = 0
    mirror: int = NOTHING
    way: int = FORWARD
    translates: int = 1
    topic: int = 0
    away: int = 0
    stray: int = 0
    faults: int = 0
    journal: int = 0
    conductors: tuple[Pc | None, ...] = (None,)
    ended: int = 0


def running(world: World) -> list[int]:
    """Return the positions of the conductors that run."""
    return [me for me, pc in enumerate(world.conductors) if pc is not None and pc.asleep < 0]


def first(log: tuple[int, ...], record: int) -> int:
    """Return the offset of a record's first copy in a log, -1 if it is not there."""
    return log.index(record) if record in log else -1


def last(log: tuple[int, ...], record: int) -> int:
    """Return the offset of a record's last copy in a log, -1 if it is not there."""
    return len(log) - 1 - log[::-1].index(record) if record in log else -1


def exact(part: Part) -> int | None:
    """Return the group's exact offset on the target, None while no record proves it.

    The next record to read proves it by its last copy, otherwise the last one that was read. If the source has removed
    both, nothing that is there is unread.
    """
    at = part.committed
    if at <= 0:
        return 0
    if part.source_start <= at < len(part.source) and part.source[at] in part.target:
        return last(part.target, part.source[at])
    if at > part.source_start:
        found = last(part.target, part.source[at - 1])
        return None if found < 0 else found + 1
    return None if at < len(part.source) else len(part.target)


def translated(part: Part) -> int:
    """Return the furthest offset that MirrorMaker 2 can translate the group's one to; -1 if none."""
    if part.committed < 0:
        return -1
    ends = (first(part.target, record) + 1 for record in part.source[: part.committed])
    return max(ends, default=0)


def active_on_target(world: World, numbers: Collection[int] | None = None) -> int:
    """Return how many members the group that reads these partitions has on the target; None: all of them."""
    parts = world.parts if numbers is None else [world.parts[n] for n in numbers]
    return world.stray + sum(p.over + (p.member_at == TARGET and p.member_up) for p in parts)


def skips(part: Part, *, offsets: bool) -> list[int]:
    """Return the mirrored records that the group has not read on the source and would not find on the target."""
    resumes = max(part.offset if offsets else 0, part.target_start)
    unread = part.source[max(part.committed, part.source_start, 0) :]
    gone = [r for r in unread if r in part.target and r not in part.target[resumes:]]
    return gone or ([-1] if offsets and part.offset > len(part.target) else [])


def missing(part: Part, *, saw_gap: bool) -> list[int]:
    """Return the source's records that are not on the target, without those of a gap that was seen."""
    begin = part.source_start if saw_gap else 0
    return [record for record in part.source[begin:] if record not in part.target]


def passed_over(part: Part, *, saw_gap: bool) -> list[int]:
    """Return the source's records that the mirror has not copied and is past, without those of a gap that was seen."""
    begin = part.source_start if saw_gap else 0
    return [record for record in part.source[begin : part.copied] if record not in part.target]


def overtaken(world: World) -> bool:
    """Whether retention on the source has removed what the mirror has not copied."""
    return world.mirror != NOTHING and world.way == FORWARD and any(p.source_start > p.copied for p in world.parts)
