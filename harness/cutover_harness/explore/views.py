"""What steps and gates see of a state: mirror, clusters, cutover file and journal, by `procedure/protocols.py`.

A view reads and changes the world in its `Box`. What a person would read is kept short: only traces show it.
"""

# ruff: noqa: D102, ARG002 - `procedure/protocols.py` explains the methods, and there is one group, topic and route

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cutover_harness.errors import FinalError, LeaseLostError, UsageError
from cutover_harness.explore import world as w
from cutover_harness.explore.case import BROKEN, GENERATION, LEASE, Case
from cutover_harness.explore.journals import Journals
from cutover_harness.explore.patience import BARS
from cutover_harness.explore.route import LOCATIONS, ROUTE, TOPIC, Locations
from cutover_harness.explore.rows import Lag, Progress, Resumes, Skip
from cutover_harness.explore.world import Part, World
from cutover_harness.procedure.client_status import ClientStatus, StatusWatch
from cutover_harness.procedure.conditions import Conditions
from cutover_harness.procedure.entries import Entry, Kind
from cutover_harness.procedure.gates import Gate, Reading
from cutover_harness.types import Location, PartitionId
from cutover_harness.words import counted

VERIFIED = "verified"
"""Name of the gate that compares all records."""


class OvertakenError(FinalError):
    """Another writer has written the cutover file."""


@dataclass
class Box:
    """The state that the views read and change. `me`: which conductor looks."""

    case: Case
    journals: Journals
    world: World
    me: int = 0
    saw_gap: bool = False
    knows: int = 0
    """The generation that this conductor wrote or read last."""
    lost: bool = False
    """Whether another conductor has taken over from this one."""

    def fence(self, *, lost: bool = False) -> None:
        """Raise LeaseLostError if this conductor was taken over: it looks before each write."""
        if (lost or self.lost) and not self.case.lacks(LEASE):
            raise LeaseLostError("it was taken over, and has written nothing since")

    def set(self, **fields: Any) -> None:
        """Change fields of the world."""
        self.world = self.world._replace(**fields)

    def parts_of(self, *groups: str) -> list[tuple[int, Part]]:
        """Return the partitions that these groups read, with their numbers."""
        numbers = sorted(n for group in groups for n in self.case.groups[group])
        return [(n, self.world.parts[n]) for n in numbers]

    def each_part(self, change: dict[int, Part]) -> None:
        """Replace parts by number."""
        self.set(parts=tuple(change.get(n, part) for n, part in enumerate(self.world.parts)))

    def answers(self, *clusters: int) -> None:
        """Raise UsageError if one of the clusters is away."""
        for cluster in clusters:
            if self.world.away & cluster:
                raise UsageError("the source is away" if cluster == w.SOURCE_AWAY else "the target is away")


@dataclass(frozen=True)
class MirrorView:
    """See `MirrorLike`."""

    box: Box

    def topics(self) -> Sequence[str]:
        return [TOPIC]

    def exists(self) -> bool:
        return self.box.world.mirror != w.NOTHING

    def create(self) -> None:
        if self.box.world.mirror in (w.NOTHING, w.FAILED):
            self.box.set(mirror=w.RUNS, way=w.FORWARD)

    @property
    def notes(self) -> Sequence[str]:
        return []

    def delete(self) -> None:
        self.box.set(mirror=w.NOTHING, way=w.FORWARD, translates=1)

    def running(self) -> Sequence[str]:
        return [] if self.box.world.mirror in (w.RUNS, w.HUNG) else ["the mirror is not RUNNING"]

    def reason(self) -> str | None:
        return None

    def translating(self) -> Sequence[str]:
        return self.running() or ([] if self.box.world.translates else ["the checkpoint connector is STOPPED"])

    def broken(self) -> str | None:
        world = self.box.world
        if world.mirror == w.FAILED:
            return "the source connector's task is FAILED"
        return self._passed_over() or self.stalled()

    def _passed_over(self) -> str | None:
        world = self.box.world
        if world.way != w.FORWARD or world.topic:  # logs of a topic that was recreated cannot be compared
            return None
        over = any(w.passed_over(p, saw_gap=self.box.saw_gap) for p in world.parts)
        return "the mirror has continued behind source records that the target lacks" if over else None

    def reverse_broken(self) -> str | None:
        return "the reverse mirror's task is FAILED" if self.box.world.mirror == w.FAILED else None

    def stalled(self) -> str | None:
        world = self.box.world
        waits = any(p.copied < len(p.source) for p in world.parts) and not world.away
        return "the mirror is RUNNING and copies nothing" if world.mirror == w.HUNG and waits else None

    def lag(self) -> Lag:
        world = self.box.world
        self.box.answers(w.SOURCE_AWAY, w.TARGET_AWAY)
        self.gaps()
        left = {(TOPIC, n): max(0, len(p.source) - max(p.copied, p.source_start)) for n, p in enumerate(world.parts)}
        return Lag(left, sum(left.values()))

    def gaps(self, *, look: bool = True) -> Sequence[object]:
        if look:
            self.box.answers(w.SOURCE_AWAY)
            self.box.saw_gap |= w.overtaken(self.box.world)
        return ["source records are gone and were not mirrored"] if self.box.saw_gap else []

    def group_progress(self, group: str) -> Sequence[Progress]:
        self.box.answers(w.SOURCE_AWAY, w.TARGET_AWAY)
        return [
            Progress(TOPIC, n, p.committed, None if p.offset < 0 else p.offset, p.offset == w.exact(p))
            for n, p in self.box.parts_of(group)
            if p.committed >= 0
        ]

    def mirrored_partitions(self) -> Collection[PartitionId]:
        return [(TOPIC, n) for n, p in enumerate(self.box.world.parts) if p.copied]

    def skipped(self, groups: Sequence[str], *, offsets: bool = True) -> Sequence[Skip]:
        self.box.answers(w.SOURCE_AWAY, w.TARGET_AWAY)
        return [
            Skip(f"the group would skip {counted(len(found), 'record')} of {TOPIC}-{n}")
            for n, p in self.box.parts_of(*groups)
            if (found := w.skips(p, offsets=offsets))
        ]

    def stop_translating(self) -> None:
        self.box.set(translates=0)

    def set_exact_offsets(self, group: str) -> tuple[bool, str]:
        waiting = self._set(group, self.box.parts_of(group))
        if waiting:
            return False, f"{waiting} partitions wait for the mirror"
        self.stop_translating()
        return True, "proved and set"

    def resumes(self, group: str) -> Sequence[Resumes]:
        return [
            Resumes(TOPIC, n, p.committed, p.offset, proved=True)
            for n, p in self.box.parts_of(group)
            if p.committed >= 0
        ]

    def set_absent_offsets(self, group: str, partitions: Collection[PartitionId]) -> str | None:
        wanted = {n for _, n in partitions}
        waiting = self._set(group, [(n, p) for n, p in self.box.parts_of(group) if n in wanted])
        return f"{waiting} not proved" if waiting else None

    def _set(self, group: str, parts: Sequence[tuple[int, Part]]) -> int:
        """Set the exact offset of each of these parts, or of none; return how many wait for the mirror."""
        self.box.answers(w.SOURCE_AWAY, w.TARGET_AWAY)
        wanted = {n: p for n, p in parts if p.committed >= 0}
        if waiting := sum(w.exact(p) is None for p in wanted.values()):
            return waiting
        self.box.fence()
        if w.active_on_target(self.box.world, self.box.case.groups[group]):
            raise UsageError("the group has members on the target: stop them")
        self.box.each_part({n: p._replace(offset=w.exact(p) or 0) for n, p in wanted.items()})
        return 0

    def drained(self) -> tuple[bool, str]:
        try:
            self.gaps()
            self.box.answers(w.SOURCE_AWAY, w.TARGET_AWAY)
        except UsageError as why:
            return False, str(why)
        world = self.box.world
        left = sum(len(w.missing(p, saw_gap=self.box.saw_gap)) for p in world.parts)
        if left or world.mirror not in (w.RUNS, w.HUNG) or world.way == w.REVERSE:
            return False, f"{left} source records are not on the target, or the mirror is not RUNNING"
        return True, "every source record is on the target"

    def cut(self) -> Mapping[PartitionId, int]:
        self.box.answers(w.TARGET_AWAY)
        if self.box.world.way == w.FORWARD:
            self.box.set(way=w.CUT)
        return {(TOPIC, n): len(p.target) for n, p in enumerate(self.box.world.parts)}

    def reverse(self, cut: Mapping[PartitionId, int]) -> None:
        self.box.answers(w.SOURCE_AWAY, w.TARGET_AWAY)
        self.box.each_part({n: p._replace(back=cut[TOPIC, n]) for n, p in enumerate(self.box.world.parts)})
        self.box.set(way=w.REVERSE, mirror=w.RUNS, translates=0)

    def reverse_drained(self) -> tuple[bool, str]:
        world = self.box.world
        done = world.way == w.REVERSE and world.mirror in (w.RUNS, w.HUNG) and not world.away
        left = sum(len(p.target) - p.back for p in world.parts)
        return done and not left, f"{left} records of the target are not on the source, or the mirror does not run"


@dataclass(frozen=True)
class ClusterView:
    """See `ClusterLike`. `at`: w.SOURCE or w.TARGET."""

    box: Box
    at: int

    def _parts(self) -> Sequence[Part]:
        self.box.answers(w.SOURCE_AWAY if self.at == w.SOURCE else w.TARGET_AWAY)
        return self.box.world.parts

    def partitions(self, topics: Sequence[str] | None = None) -> Mapping[str, int]:
        return {TOPIC: len(self._parts())}

    def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str]:
        return {TOPIC: f"id-{self.box.world.topic if self.at == w.SOURCE else 0}"}

    def cluster_id(self) -> str | None:
        return None

    def start_offsets(self, topics: Sequence[str]) -> Mapping[PartitionId, int]:
        return {
            (TOPIC, n): p.source_start if self.at == w.SOURCE else p.target_start for n, p in enumerate(self._parts())
        }

    def end_offsets(self, topics: Sequence[str]) -> Mapping[PartitionId, int]:
        return {(TOPIC, n): len(p.source if self.at == w.SOURCE else p.target) for n, p in enumerate(self._parts())}

    def committed(self, group: str, topics: Sequence[str]) -> Mapping[PartitionId, int]:
        self._parts()
        offsets = {n: p.committed if self.at == w.SOURCE else p.offset for n, p in self.box.parts_of(group)}
        return {(TOPIC, n): at for n, at in offsets.items() if at >= 0}

    def active(self, group: str) -> int:
        self._parts()
        if self.at == w.TARGET:
            return w.active_on_target(self.box.world, self.box.case.groups[group])
        return sum(p.member_at == w.SOURCE and p.member_up for _, p in self.box.parts_of(group))

    def member_names(self, group: str) -> Sequence[str]:
        return [f"member {n}" for n in range(self.active(group))]

    def members(self, group: str) -> int:
        return self.active(group)


@dataclass(frozen=True)
class CutoverFileView:
    """See `CutoverFileLike`."""

    box: Box

    @property
    def generation(self) -> int:
        return 1

    @property
    def routes(self) -> Mapping[str, Locations]:
        world = self.box.world
        return {ROUTE: Locations(LOCATIONS[world.producers], LOCATIONS[world.consumers])}

    def point(self, route: str, *, producers: Location | None = None, consumers: Location | None = None) -> int:
        """Write the next generation; refuse it if another writer has written since, as the real writer does."""
        world = self.box.world
        wanted = (
            world.producers if producers is None else LOCATIONS.index(producers),
            world.consumers if consumers is None else LOCATIONS.index(consumers),
        )
        if wanted == (world.producers, world.consumers):
            return self.generation
        self.box.fence()
        if self.box.knows != world.generation and not self.box.case.lacks(GENERATION):
            raise OvertakenError("another writer has written the cutover file")
        moved = {}
        for n, part in enumerate(world.parts):
            changed = part
            if wanted[0] != world.producers:
                changed = changed._replace(producer_fresh=0)
            if wanted[1] != world.consumers:
                changed = changed._replace(member_fresh=0)
            moved[n] = changed
        self.box.each_part(moved)
        counted = world.generation + self.box.case.counts
        self.box.set(producers=wanted[0], consumers=wanted[1], generation=counted)
        self.box.knows = counted
        return self.generation


@dataclass(frozen=True)
class JournalView:
    """See `JournalLike`."""

    box: Box

    def read(self) -> Sequence[Entry]:
        return self.box.journals.entries(self.box.world.journal)

    def find(self, kind: Kind, step: int, name: str | None = None) -> Entry | None:
        return next((e for e in self.read() if e.kind == kind and e.step == step and name in (None, e.name)), None)

    def write(self, kind: Kind, step: int, name: str, **detail: Any) -> int:
        self.box.set(journal=self.box.journals.with_entry(self.box.world.journal, kind, step, name, detail))
        return 0


class Views:
    """All views of one world, and the conditions over them."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self.mirror = MirrorView(box)
        self.source, self.target = ClusterView(box, w.SOURCE), ClusterView(box, w.TARGET)
        self.cutover_file, self.journal = CutoverFileView(box), JournalView(box)

    def conditions(self, *, safety: bool) -> Conditions:
        """Return the product's conditions over this world."""
        safety = safety and not self._box.case.lacks(BROKEN)
        return Conditions(
            lambda: statuses(self._box), StatusWatch(float), self.mirror, self.source, self.target, safety
        )

    def verified(self) -> Gate:
        """Return the gate that compares all records, in the run of a plan."""

        def read() -> Reading:
            parts = self._box.world.parts
            left = sum(len(w.missing(p, saw_gap=False)) for p in parts)
            extra = sum(w.EARLY in p.target for p in parts)
            waits = f"{left} records of the source are not on the target, and {extra} there are none of the source"
            return Reading(open=not left and not extra, waits_for=waits)

        return Gate(VERIFIED, read, BARS.deadline_s)


def statuses(box: Box) -> Mapping[str, ClientStatus]:
    """Return the statuses of the clients on the shim: what they reported last, also if they are dead."""
    found = {}
    for n, part in enumerate(box.world.parts):
        for role, at, fresh in (
            ("producer", part.producer_at, part.producer_fresh),
            ("consumer", part.member_at, part.member_fresh),
        ):
            if not box.case.restarted(role, n):
                location = LOCATIONS[at]
                name = f"{role}-{n}"
                found[name] = ClientStatus(
                    instance=name,
                    role="producer" if role == "producer" else "consumer",
                    group=box.case.group_of(n) if role == "consumer" else None,
                    updated=0.0,
                    generation=1 if fresh else 0,
                    desired=location,
                    state="held" if location == "hold" else location,
                    in_flight=0,
                    queued=0,
                    error=None,
                    rejected=None,
                )
    return found
