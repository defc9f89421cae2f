"""A journal of a real run, replayed in the abstract world, to see whether some order of events produces it.

What a journal has of the conductor (gates that were passed or missed, steps begun and done, the way back, the end) has
to be what the abstract conductor does in some run; clients, mirror, faults and kills may do anything in between. A
journal that the world forbids shows a defect of the product or of the world.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from cutover_harness.conductor.journalled_gates import APPROVE
from cutover_harness.explore.apps import APPS
from cutover_harness.explore.case import BYPASS, FAULTS, Bounds, Case, Removed
from cutover_harness.explore.ledgers import Seen
from cutover_harness.explore.moves import Move
from cutover_harness.explore.search import Search
from cutover_harness.explore.world import World
from cutover_harness.procedure.entries import Entry
from cutover_harness.words import counted

Event = tuple[str, str]
"""What a journal shows: its kind, and the name of the gate or step."""
SLACK_NS = 2_000_000_000
"""How much clocks may differ."""
SMALL = Bounds(partitions=1, records=1, faults=0, kinds=())
_GATE = re.compile(r"gate '(.*?)' (?:opens|is passed)")
_MISSED = re.compile(r"gate '(.*?)' (?:misses its deadline|refuses)")
READS = re.compile(r"(new )?member \d+.* reads ")
PLACE = ("source", "", "target")
READ_AGAIN, DISTURBED = ("mirror-repeats",), ("client-dies", "mirror-away", "cluster-away")
"""Faults with which clients are replayed: others leave the same records in the same order."""
_ENTRIES = ("doing", "done", "back", "end")


@dataclass(frozen=True)
class Timed:
    """When the journal's events were written, in nanoseconds, and the clients' events.

    Clocks of machines differ, and several events of the journal may be one move in the world.
    """

    times: Sequence[int]
    clients: Sequence[Seen]

    def allows(self, did: tuple[str, int, str] | None, begun: int, read: int, until: int) -> bool:
        """Whether a move is what comes next.

        did: what it does of a client's. begun, until: the first event of the journal's last move, and the last event of
        this one, -1 if it has none. read: how many events of clients there have been.
        """
        if did is not None and not (read < len(self.clients) and did == self.clients[read][:3]):
            return False
        return (did is None or self.after(begun, read)) and (until < 0 or self.before(until, read))

    def after(self, begun: int, client: int) -> bool:
        """Whether a client's event may come after the move of which event `begun` is the first; -1: before all."""
        return begun < 0 or self.clients[client].time_ns >= self.times[begun] - SLACK_NS

    def before(self, at: int, read: int) -> bool:
        """Whether event `at` may come after the first `read` events of clients."""
        return not read or self.times[at] >= self.clients[read - 1].time_ns - SLACK_NS


@dataclass(frozen=True)
class Replayed:
    """Whether the world allows a journal and the clients' events.

    at, read: how many of their events it allows at most; at is None if all.
    """

    events: Sequence[Event]
    at: int | None
    states: int
    read: int = 0
    clients: Sequence[Seen] = ()

    @property
    def allowed(self) -> bool:
        """Whether the world allows it."""
        return self.at is None

    def __str__(self) -> str:
        if self.at is None:
            return f"{counted(len(self.events), 'event')}, which the world allows ({counted(self.states, 'state')})"
        if self.at == len(self.events) or (self.clients and self.read < len(self.clients)):
            of = "" if self.at == len(self.events) else f" next to event {self.at + 1} of the journal"
            what = self.clients[self.read] if self.read < len(self.clients) else "the last one"
            return (
                f"event {self.read + 1} of {len(self.clients)} of the clients is not possible in the world{of}: {what}"
            )
        kind, name = self.events[self.at]
        return f"event {self.at + 1} of {len(self.events)} is not possible in the world: {kind} {name}"


def events_of(entries: Iterable[Entry]) -> list[Event]:
    """Return what a journal shows of the conductor, without what was before the first step."""
    return [(entry.kind, entry.name) for entry in entries if _shows(entry)]


def _shows(entry: Entry) -> bool:
    if entry.kind == "gate":
        return entry.step >= 0
    if entry.kind == "missed":
        return not entry.name.startswith(APPROVE)  # a person declined: the conductor ends
    return entry.kind in _ENTRIES and (entry.step >= 0 or entry.kind == "back")


def replay(case: Case, entries: Sequence[Entry]) -> Replayed:
    """Replay the journal of a run of this path."""
    return replay_events(case, events_of(entries))


def replay_clients(case: Case, entries: Sequence[Entry], clients: Sequence[Seen]) -> Replayed:
    """Replay the journal of a run together with what its ledgers show of one stream and group."""
    timed = Timed([entry.time_ns for entry in entries if _shows(entry)], clients)
    records = max(1, len({each.record for each in clients}))
    return replay_events(case, events_of(entries), timed, records)


def replay_events(
    case: Case, events: Sequence[Event], timed: Timed | None = None, records: int = SMALL.records
) -> Replayed:
    """Replay what a journal shows: without faults first, then with one.

    Journals of earlier versions, and of conductors without a watch, have no look for bypasses.
    """
    if not any(name == BYPASS for _, name in events):
        case = replace(case, without=case.without | {Removed(BYPASS)})
    # With one partition all clients of a role are alike; with two, one producer may be restarted and one on the shim.
    small = replace(SMALL, records=records)
    wider = (small, replace(small, partitions=2), replace(small, faults=1, kinds=tuple(FAULTS)))
    if timed is not None:
        wider = (small, replace(small, faults=1, kinds=READ_AGAIN), replace(small, faults=1, kinds=DISTURBED))
    found = []
    for bounds in wider:
        found.append(_replay(replace(case, bounds=bounds), events, timed))
        if found[-1].allowed:
            return found[-1]
    return max(found, key=lambda each: each.at or 0)


def _replay(case: Case, events: Sequence[Event], timed: Timed | None = None) -> Replayed:
    search = Search(case)
    seen_last = timed.clients if timed is not None else ()
    first = (search.key(search.first()), 0, -1, 0)
    seen, queue, furthest = {first}, [first], (0, 0)
    while queue:
        key, at, begun, read = queue.pop()
        furthest = max(furthest, (at, read))
        if at == len(events) and read == len(seen_last):
            return Replayed(events, None, len(seen))
        world = search.world(key)
        for move in list(search.after(world)):  # all of them, before the conductors look at another world
            shown = _events_of_move(search, world, move)
            if move.kind == "crash" and (gate := search.conductors.waits_for(world, 0)) is not None:
                # Reading it may have taken longer than its deadline, as a comparison of all records may.
                late = [("missed", gate.gate)]
                shown = late if events[at : at + 1] == late else shown
            if events[at : at + len(shown)] != shown:
                continue
            did = client_event(world, move) if timed is not None else None
            if timed is not None and not timed.allows(did, begun, read, at + len(shown) - 1 if shown else -1):
                continue
            reads = read + (did is not None)
            following = (search.key(move.world), at + len(shown), at if shown else begun, reads)
            if following not in seen:
                seen.add(following)
                queue.append(following)
    return Replayed(events, furthest[0], len(seen), read=furthest[1], clients=seen_last)


def _events_of_move(search: Search, before: World, move: Move) -> list[Event]:
    """Return what a move writes to a real journal."""
    found: list[Event] = [("gate", name) for name in _GATE.findall(move.words) if name != APPS]
    found += [("missed", name) for name in _MISSED.findall(move.words)]
    journals = search.conductors.journals
    had = len(journals.entries(before.journal))
    for entry in journals.entries(move.world.journal)[had:]:
        if entry.kind in _ENTRIES:
            found.append((entry.kind, entry.name))
    return found


def client_event(before: World, move: Move) -> tuple[str, int, str] | None:
    """Return the record that a move writes or has read, None if none: (written or read, record, cluster)."""
    if move.kind != "client":
        return None
    for was, now in zip(before.parts, move.world.parts, strict=True):
        if now.sent > was.sent:
            return "written", was.sent, PLACE[was.producer_at]
        if not READS.match(move.words):
            continue
        if now.committed > was.committed:
            return "read", now.source[now.committed - 1], "source"
        if now.offset > was.offset:
            return "read", now.target[now.offset - 1], "target"
    return None
