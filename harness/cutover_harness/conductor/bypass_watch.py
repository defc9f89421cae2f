"""Looks for bypasses while a conductor runs: in a thread of its own, so that no gate waits for a look."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException

from cutover_harness.conductor.bypass_look import Baseline, CopiesLike, Cursor, Look, Seen
from cutover_harness.conductor.bypass_records import Side
from cutover_harness.conductor.journal import Entry, Journal
from cutover_harness.conductor.statuses import StatusSource, read_statuses
from cutover_harness.errors import UsageError, in_one_line
from cutover_harness.procedure.bypass import Activity, Bypass, Bypasses, of_detail
from cutover_harness.procedure.client_status import StatusWatch, joined_later, missing
from cutover_harness.procedure.context import RouteClients
from cutover_harness.procedure.entries import START
from cutover_harness.procedure.gates import Gate, Reading
from cutover_harness.procedure.whereabouts import ROLES, Away, Whereabouts, allowed, whereabouts
from cutover_harness.types import ClusterName, PartitionId
from cutover_harness.words import counted

EVERY_S = 1.0
GATE = "nobody bypasses the route"
_GROWS_EVERY_S = 5.0
_LEAST_PAUSE_S = 0.1


@dataclass
class BypassWatch:
    """Watches one route: looks once a second, or less often if a look takes long.

    topics: the topics of the route that a cluster has. accepts: whether a person has accepted the records of producers
    that an earlier conductor has found, and that nothing copies.
    """

    journal: Path
    route: RouteClients
    statuses: Callable[[], StatusSource]
    sides: Mapping[ClusterName, Side]
    copies: CopiesLike
    topics: Callable[[], Sequence[str]]
    quiet_s: float
    accepts: bool = False
    clock: Callable[[], float] = time.monotonic
    _found: Bypasses = field(init=False)
    _entries: list[Entry] = field(default_factory=list, init=False)
    _cursors: dict[Cursor, int] = field(default_factory=dict, init=False)
    _noted: dict[tuple[str, ...], tuple[object, float]] = field(default_factory=dict, init=False)
    """By bypass: what was noted of it, and when."""
    _watch: StatusWatch = field(default_factory=StatusWatch, init=False)
    _writers: list[Activity] = field(default_factory=list, init=False)
    """Producer ids of bypasses, for the next look."""
    _asked: set[tuple[object, ...]] = field(default_factory=set, init=False)
    _closing: tuple[str, ...] = field(default=(), init=False)
    _looked: tuple[float, str, str | None] = field(default=(0.0, "", "no look yet"), init=False)
    """When the last look began, what it looked at, and why it proves nothing."""
    _ending: bool = field(default=False, init=False)
    _wake: threading.Event = field(default_factory=threading.Event, init=False)

    def __post_init__(self) -> None:
        self._found = Bypasses(self.quiet_s)
        with closing(Journal(self.journal)) as journal:
            self._restore(journal)

    @contextmanager
    def running(self) -> Iterator[BypassWatch]:
        """Look until the context ends, then close what was opened."""
        thread = threading.Thread(target=self._run, name="bypasses", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ending = True
            self._wake.set()
            thread.join()
            for side in self.sides.values():
                side.close()

    # -- for gates -----------------------------------------------------------------------------------------------------

    def closing(self) -> str | None:
        """Return what closes gates, None if nothing does."""
        return "; ".join(self._closing) or None

    def gate(self, deadline_s: float) -> Gate:
        """Return the gate that opens once a look that began after the gate's first reading has found no bypass."""
        began: float | None = None

        def read() -> Reading:
            nonlocal began
            if began is None:
                began = self.clock()
                self._wake.set()
            at, evidence, problem = self._looked
            if (why := self.closing()) is not None:
                return Reading(open=False, waits_for=why)
            waits = problem or "the next look at both clusters"
            return Reading(open=at >= began and problem is None, waits_for=waits, evidence=evidence)

        return Gate(GATE, read, deadline_s)

    # -- in the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._look_until_the_end()
        except Exception as why:  # noqa: BLE001 - the gate stays closed, and says why
            ended = f"the look for bypasses has ended: {type(why).__name__}: {in_one_line(why)}"
            self._looked = self.clock(), "", ended

    def _look_until_the_end(self) -> None:
        with closing(Journal(self.journal)) as journal, ExitStack() as stack:
            statuses: StatusSource | None = None
            while not self._ending:
                self._wake.clear()
                began = self.clock()
                try:
                    if statuses is None:
                        statuses = stack.enter_context(closing(self.statuses()))
                    evidence, problem = self.look(journal, statuses)
                except (UsageError, KafkaException, OSError) as why:
                    evidence, problem = "", f"both clusters cannot be looked at: {' '.join(str(why).split())}"
                except Exception as why:  # noqa: BLE001 - the gate stays closed, and says why
                    evidence, problem = "", f"the look for bypasses failed: {type(why).__name__}: {why}"
                self._looked = began, evidence, problem
                took = self.clock() - began
                time.sleep(max(_LEAST_PAUSE_S, took))  # never more than half of the time, so that clusters feel nothing
                self._wake.wait(max(0.0, EVERY_S - took))

    def look(self, journal: Journal, statuses: StatusSource) -> tuple[str, str | None]:
        """Look once; return what was looked at, and why it proves nothing, None if it does."""
        self._entries += journal.read(self._entries[-1].id if self._entries else 0)
        where = whereabouts(self._entries)
        if where is None:
            return "", "clients have not attested where they are"
        absent = self._absent(where, statuses)
        aways = [away for away in where.away if away.role not in absent]
        topics, now = list(self.topics()), time.time()
        look = Look(self.sides, self.copies, self.route.groups, dict(self._cursors))
        bases = self._bases()
        new = {away: look.baseline(away, topics, now) for away in aways if _key(away) not in bases}
        seen = [look.at(away, where, bases[_key(away)], topics, now) for away in aways if _key(away) in bases]
        copied = self.copies.copied() if where.copies_to == "target" else {}
        if not self._keep(journal, seen, new, where, copied):
            return "", "a step is in progress"
        self._ask_writers(where)
        if new:
            return "", "clients have just attested where they are, and the next look shows what has happened since"
        if absent:
            return "", f"not every client attests where it is: {'; '.join(absent.values())}"
        topics_, groups = counted(len(topics), "topic"), counted(len(self.route.groups), "group")
        return f"{topics_} and {groups} looked at on both clusters", None

    def _absent(self, where: Whereabouts, statuses: StatusSource) -> dict[str, str]:
        """Return the roles of which not every client attests where it is, with the reason.

        Without those that are being moved: the step's own gates wait for them, and a conductor that resumes the step
        does not know yet which of them have followed.
        """
        if self.route.members is not None:
            return {}
        found = read_statuses(statuses, self.route.name)
        self._watch.look(found)
        absent: dict[str, str] = {}
        for role in (role for role in ROLES if role not in where.moving):
            expected = self.route.instances(role)
            names = [*expected, *joined_later(found, role, expected, self._watch)]
            place = where.state.producers if role == "producer" else where.state.consumers
            if wrong := missing(found, names, place, 0):
                absent[role] = "; ".join(wrong)
            elif statuses.problem is not None:
                absent[role] = f"{statuses.name}: {statuses.problem}"
        return absent

    def _bases(self) -> dict[tuple[str, str, int], Baseline]:
        found: dict[tuple[str, str, int], Baseline] = {}
        for entry in self._entries:
            if entry.kind == "left":
                found.setdefault((entry.detail["role"], entry.name, entry.step), Baseline.of_detail(entry.detail))
        return found

    def _keep(
        self,
        journal: Journal,
        seen: Sequence[Seen],
        new: Mapping[Away, Baseline],
        where: Whereabouts,
        copied: Mapping[PartitionId, int],
    ) -> bool:
        """Note what a look shows, unless the conductor has begun something since; return whether it was noted."""
        with journal.alone():
            self._entries += journal.read(self._entries[-1].id)
            if whereabouts(self._entries) != where:
                return False
            for away, base in new.items():
                journal.write("left", away.since, away.cluster, role=away.role, **base.detail())
            for each in seen:
                self._cursors.update(each.cursors)
            activities = [activity for each in seen for activity in each.activities] + self._writers
            self._writers = []

            def has(partition: PartitionId, offset: int) -> bool | None:
                return None if where.copies_to != "target" else copied.get(partition, 0) > offset

            may = {(role, cluster) for role in ROLES for cluster in allowed(where.state, role)}
            for changed in self._found.look(activities, has, may, self.clock(), time.time_ns()):
                self._note(journal, changed)
        self._closing = tuple(self._found.closing())
        return True

    def _ask_writers(self, where: Whereabouts) -> None:
        """Ask once who has written a bypass, after it was named: the brokers may take long to answer."""
        for found in self._found.known.values():
            its, key = found.activity, (*found.activity.key, found.since_ns)
            # Where a mirror writes, too, its own producer is among them.
            if its.role == "consumer" or found.standing != "active" or key in self._asked:
                continue
            self._asked.add(key)
            if its.cluster == where.copies_to:
                continue
            times = [each.time_ms for each in its.samples if each.time_ms is not None]
            if writers := self.sides[its.cluster].writers(list(its.records), min(times, default=None)):
                self._writers.append(Activity(its.kind, its.role, its.cluster, its.name, writers=writers))

    def _note(self, journal: Journal, found: Bypass) -> None:
        now = found.standing, found.activity.writers
        known, at = self._noted.get(found.activity.key, (None, 0.0))
        if now == known and self.clock() - at < _GROWS_EVERY_S:
            return
        self._noted[found.activity.key] = now, self.clock()
        its = found.activity
        journal.write("bypass", START, f"{its.kind} {its.role} on the {its.cluster}: {its.name}", **found.detail())

    def _restore(self, journal: Journal) -> None:
        """Take over what earlier conductors have found."""
        self._entries = journal.read()
        last = {}
        for entry in self._entries:
            if entry.kind == "bypass":
                quiet = self.quiet_s if entry.detail["standing"] == "stays" else 0.0
                found = of_detail(entry.detail, self.clock() - quiet)
                last[found.activity.key] = found
        where = whereabouts(self._entries)
        for key, found in last.items():
            its = found.activity
            for away in where.away if where is not None else ():
                if (away.role, away.cluster) == key[:2]:
                    group = its.name if its.role == "consumer" else ""
                    offset = 0 if group else 1  # a commit is the next record, and a record is read once
                    for partition, each in its.records.items():
                        self._cursors[away.cluster, away.since, group, partition] = each.last + offset
            if self.accepts and found.standing == "stays":
                found = found.accepted()  # noqa: PLW2901
                self._note(journal, found)
            self._found.known[key] = found
        self._closing = tuple(self._found.closing())


def _key(away: Away) -> tuple[str, str, int]:
    return away.role, away.cluster, away.since
