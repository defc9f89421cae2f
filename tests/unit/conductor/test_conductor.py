"""The conductor's own logic: which gate guards which act, what is marked. Real clusters are in tests/cluster."""

from __future__ import annotations

import json
import sqlite3
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.conductor.conductor import Conductor, Route
from cutover_harness.conductor.journal import Journal, Kind
from cutover_harness.conductor.pointer import OvertakenError, PointerFile, RoutePointer
from cutover_harness.conductor.resume import waited
from cutover_harness.conductor.timeline import Timeline, timeline
from cutover_harness.plan.path import Act, RouteState
from cutover_harness.plan.scenario import Gates, Step


@dataclass
class Lag:
    total: int = 0
    records: Mapping[tuple[str, int], int] = field(default_factory=dict)
    not_compared: int = 0
    amid: int = 0


@dataclass
class Progress:
    topic: str = "t"
    partition: int = 0
    source_committed: int | None = 5
    target_committed: int | None = 5
    synchronised: bool = True


@dataclass
class Skip:
    """What a group would skip; `removed` by the target, else by its own offset."""

    words: str
    removed: bool = True
    sure: bool = True

    def __str__(self) -> str:
        return self.words


@dataclass
class World:
    """Mirror and cluster in one, with knobs; it notes what was asked of it."""

    asked: list[str] = field(default_factory=list)
    lag_records: int = 0
    is_drained: bool = True
    synchronised: bool = True
    target_committed: int | None = 5
    down: list[str] = field(default_factory=list)
    is_broken: str | None = None
    is_stalled: str | None = None
    unprovable: str | None = None
    not_compared: int = 0
    gone: list[str] = field(default_factory=list)
    topic_id: str = "id-1"
    counts: dict[str, int] = field(default_factory=lambda: {"t": 1})
    skips: list[Skip] = field(default_factory=list)
    # Of both clusters, as this is both.
    starts: dict[tuple[str, int], int] = field(default_factory=dict)
    ends: dict[tuple[str, int], int] = field(default_factory=dict)
    offsets: dict[tuple[str, int], int] = field(default_factory=dict)
    mirrored: list[tuple[str, int]] = field(default_factory=list)
    active_members: int = 0

    def mirrored_partitions(self) -> Sequence[tuple[str, int]]:
        return self.mirrored

    def skipped(self, groups: Sequence[str], *, offsets: bool = True) -> Sequence[Skip]:
        return [skip for skip in self.skips if offsets or skip.removed]

    def start_offsets(self, topics: Sequence[str]) -> Mapping[tuple[str, int], int]:
        return self.starts

    def active(self, group: str) -> int:
        return self.active_members

    def gaps(self, *, look: bool = True) -> Sequence[str]:
        return self.gone

    def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str]:
        return dict.fromkeys(self.partitions(topics), self.topic_id)

    def topics(self) -> Sequence[str]:
        return ["t"]

    def exists(self) -> bool:
        return "create" in self.asked

    def create(self) -> None:
        self.asked.append("create")

    def delete(self) -> None:
        self.asked.append("delete")

    def running(self) -> Sequence[str]:
        return []

    notes: Sequence[str] = ()

    def reason(self) -> str | None:
        return None

    def translating(self) -> Sequence[str]:
        return self.down

    def broken(self) -> str | None:
        return self.is_broken

    def reverse_broken(self) -> str | None:
        return self.is_broken

    def stalled(self) -> str | None:
        return self.is_stalled

    def set_absent_offsets(self, group: str, partitions: Collection[tuple[str, int]]) -> str | None:
        self.asked.append(f"absent offsets of {group} in {list(partitions)}")
        if self.unprovable is None:
            self.target_committed = 5
        return self.unprovable

    def lag(self) -> Lag:
        return Lag(self.lag_records, not_compared=self.not_compared)

    def drained(self) -> tuple[bool, str]:
        self.asked.append("drained?")
        return self.is_drained, "3 records left"

    def group_progress(self, group: str) -> Sequence[Progress]:
        self.asked.append(f"progress of {group}?")
        return [Progress(synchronised=self.synchronised, target_committed=self.target_committed)]

    def stop_translating(self) -> None:
        self.asked.append("stop translating")

    def set_exact_offsets(self, group: str) -> tuple[bool, str]:
        self.asked.append(f"exact offsets of {group}")
        return self.synchronised, "2 of 2 partitions proved"

    def cut(self) -> Mapping[tuple[str, int], int]:
        self.asked.append("cut")
        return {("t", 0): 7}

    def reverse(self, cut: Mapping[tuple[str, int], int]) -> None:
        self.asked.append(f"reverse from {cut['t', 0]}")

    def reverse_drained(self) -> tuple[bool, str]:
        self.asked.append("reverse drained?")
        return self.is_drained, "4 records left"

    def partitions(self, topics: Sequence[str]) -> Mapping[str, int]:
        return {topic: self.counts[topic] for topic in topics if topic in self.counts}

    def end_offsets(self, topics: Sequence[str]) -> Mapping[tuple[str, int], int]:
        return self.ends

    def committed(self, group: str, topics: Sequence[str]) -> Mapping[tuple[str, int], int]:
        return self.offsets

    def members(self, group: str) -> int:
        return 1


class ObedientFleet(PointerFile):
    """A cutover file whose clients follow each generation at once."""

    def write(self) -> int:
        generation = super().write()
        route = self.routes["r"]
        for instance, role, place in (("p", "producer", route.producers), ("c", "consumer", route.consumers)):
            state = {"generation": generation, "desired": place, "state": "held" if place == "hold" else place}
            status = {"instance": instance, "role": role, "updated": 0.0, "routes": {"r": state}}
            (self.path.parent / "status" / f"{instance}.json").write_text(json.dumps(status), encoding="utf-8")
        return generation


def conductor(tmp_path: Path, world: World, path: list[Step], deadline_s: float = 0.02, **options: Any) -> Conductor:
    """A conductor on the journal in `tmp_path`, the first or one that goes on where another was."""
    (tmp_path / "status").mkdir(exist_ok=True)
    file = tmp_path / "cutover.toml"
    if file.exists():
        pointer: PointerFile = ObedientFleet.open(file)
    else:
        clusters = {"source": {"bootstrap.servers": "a:1"}, "target": {"bootstrap.servers": "b:1"}}
        pointer = ObedientFleet(file, clusters, {"r": RoutePointer(["t"], ["g"])})
        pointer.write()
    return Conductor(
        route=Route("r", ["g"], {"p": "producer", "c": "consumer"}), steps=path, pointer=pointer,
        statuses=tmp_path / "status", journal=QuickJournal(tmp_path / "journal.sqlite"),
        mirror=world, source=world, target=world, sleep=lambda _: None,
        gates=Gates(deadline_s=deadline_s, progress_wait_s=deadline_s), **options,
    )  # fmt: skip


def told(walker: Conductor) -> Timeline:
    return timeline(walker.journal.read(), ["g"])


def steps(*acts: Act, safety: bool = True) -> list[Step]:
    return [Step(act=act, safety=safety) for act in acts]


FORWARD = (
    Act.CREATE_TASK, Act.SYNCHRONISE, Act.STOP_CONSUMERS, Act.CONSUMERS_TO_TARGET,
    Act.STOP_PRODUCERS, Act.PRODUCERS_TO_TARGET, Act.DELETE_TASK,
)  # fmt: skip


def test_notes_of_the_mirror_are_journalled_when_it_is_created(tmp_path: Path) -> None:
    world = World()
    world.notes = ["topic t: not taken over to the target: vendor.x"]
    walker = conductor(tmp_path, world, steps(Act.CREATE_TASK))
    assert walker.walk()
    assert [entry.name for entry in walker.journal.read() if entry.kind == "note"] == world.notes


def test_stop_first_asks_for_progress_then_for_drain_and_deletes_last(tmp_path: Path) -> None:
    world = World()
    walker = conductor(tmp_path, world, steps(*FORWARD))
    assert walker.walk()
    assert world.asked == ["create", "progress of g?", "drained?", "delete"]
    assert [mark.stage for mark in told(walker).marks if mark.kind == "stage"] == [1, 2, 3, 4, 5, 6, 7]
    written = tomllib.loads((tmp_path / "cutover.toml").read_text(encoding="utf-8"))
    assert (written["generation"], written["routes"]["r"]["producers"]) == (5, "target")


GONE = "t-0: source records 4 to 8 are gone"


@pytest.mark.parametrize("act", [Act.STOP_CONSUMERS, Act.CONSUMERS_TO_TARGET, Act.STOP_PRODUCERS])
def test_records_that_were_not_mirrored_end_the_path_at_once(tmp_path: Path, act: Act) -> None:
    world, path = World(), steps(*FORWARD)
    before = FORWARD.index(act)
    assert conductor(tmp_path, world, path[:before]).walk()
    world.gone = [GONE]
    walker = conductor(tmp_path, world, path, deadline_s=3600)
    assert not walker.walk()
    assert told(walker).walked == list(FORWARD[:before])
    assert told(walker).failure == f"gate mirror has missed nothing cannot open: {GONE}"
    world.gone = []  # MirrorMaker 2 has gone on behind them; a conductor that is started again still knows
    assert not conductor(tmp_path, world, path, deadline_s=3600).walk()


def test_what_was_not_mirrored_is_looked_for_once_more_when_the_mirror_is_at_zero(tmp_path: Path) -> None:
    world, path = World(), steps(*FORWARD)
    assert conductor(tmp_path, world, path[:5]).walk()
    world.gone = [GONE]
    walker = conductor(tmp_path, world, path)
    assert not walker.walk()
    assert told(walker).walked == list(FORWARD[:5])
    assert not told(walker).copied


def test_a_topic_that_was_made_again_ends_the_path(tmp_path: Path) -> None:
    world, path = World(), steps(*FORWARD)
    assert conductor(tmp_path, world, path[:2]).walk()
    world.topic_id = "id-2"
    walker = conductor(tmp_path, world, path, deadline_s=3600, on_missed="rollback")
    assert not walker.walk()
    assert "topic t was deleted and made again on the source: its id was id-1 and is id-2" in str(told(walker).failure)
    assert told(walker).walked == [*FORWARD[:2], Act.DELETE_TASK]


@pytest.mark.parametrize("act", [Act.STOP_CONSUMERS, Act.CONSUMERS_TO_TARGET])
def test_a_topic_that_was_deleted_closes_the_gate(tmp_path: Path, act: Act) -> None:
    world, path = World(), steps(*FORWARD)
    before = FORWARD.index(act)
    assert conductor(tmp_path, world, path[:before]).walk()
    world.counts = {}
    walker = conductor(tmp_path, world, path)
    assert not walker.walk()
    assert "topic t was deleted on the source; topic t was deleted on the target" in str(told(walker).failure)


def test_partitions_that_the_target_lacks_close_the_gate_until_they_are_there(tmp_path: Path) -> None:
    source, target = World(counts={"t": 2}), World(counts={"t": 2})
    path = steps(*FORWARD)
    walker = conductor(tmp_path, source, path[:2])
    walker.target = target
    assert walker.walk()
    source.counts = {"t": 3}
    walker = conductor(tmp_path, source, path)
    walker.target = target
    assert not walker.walk()
    assert "topic t has 2 of 3 partitions on the target" in str(told(walker).failure)
    target.counts = {"t": 3}
    walker = conductor(tmp_path, source, path)
    walker.target = target
    assert walker.walk()
    evidence = [e.detail["evidence"] for e in walker.journal.read() if e.kind == "gate" and "missed" in e.name]
    assert "topic t grew from 2 to 3 partitions on the source" in evidence[-1]


@pytest.mark.parametrize(("at_first", "passes"), [(3, True), (2, False)])
def test_more_partitions_on_the_target_are_known_from_the_start_or_refused(
    tmp_path: Path, at_first: int, passes: bool
) -> None:
    source, target = World(counts={"t": 2}), World(counts={"t": at_first})
    path = steps(*FORWARD)
    for last in (2, len(path)):
        walker = conductor(tmp_path, source, path[:last])
        walker.target = target
        assert walker.walk() == (passes or last == 2)
        target.counts = {"t": 3}
    assert passes or "topic t got 3 partitions on the target and has 2 on the source" in str(told(walker).failure)


# The target's state


@pytest.mark.parametrize(
    ("there", "says"),
    [
        ({"ends": {("t", 0): 100}}, "gate target unused cannot open: topic t holds 100 records on the target"),
        ({"ends": {("t", 0): 100}, "starts": {("t", 0): 99}}, "topic t holds 1 record on the target"),
        ({"offsets": {("t", 0): 7}}, "gate target unused cannot open: group g has offsets in t on the target"),
        ({"active_members": 2}, "waits for group g has 2 members on the target, which commits there: stop them"),
    ],
)
def test_what_is_on_the_target_before_the_task_is_not_mixed_with_what_is_mirrored(
    tmp_path: Path, there: dict[str, Any], says: str
) -> None:
    world = World(**there)
    walker = conductor(tmp_path, world, steps(*FORWARD))
    assert not walker.walk()
    assert says in str(told(walker).failure)
    assert "create" not in world.asked
    assert walker.journal.find("found", 0) is not None


@pytest.mark.parametrize(
    "there",
    [
        {},
        {"ends": {("t", 0): 100}, "starts": {("t", 0): 100}},  # emptied
        {"offsets": {("t", 0): 0}},
        # An earlier task of this batch, taken back.
        {"ends": {("t", 0): 100}, "offsets": {("t", 0): 7}, "mirrored": [("t", 0)]},
    ],
)
def test_an_unused_target_and_an_earlier_task_of_the_batch_are_fine(tmp_path: Path, there: dict[str, Any]) -> None:
    world = World(**there)
    assert conductor(tmp_path, world, steps(*FORWARD)).walk()


def test_a_conductor_that_was_killed_after_create_does_not_take_its_own_records_for_foreign_ones(
    tmp_path: Path,
) -> None:
    world, path = World(), steps(*FORWARD)
    killed = conductor(tmp_path, world, path)
    killed.pointer.write()
    killed._take(0, path[0])
    with sqlite3.connect(tmp_path / "journal.sqlite") as db:  # as after a kill in the middle of the act
        db.execute("DELETE FROM entry WHERE kind = 'done' AND step = 0")
    world.ends = {("t", 0): 100}
    assert conductor(tmp_path, world, path).walk()


EXACT = (
    Act.CREATE_TASK, Act.SYNCHRONISE, Act.STOP_CONSUMERS, Act.SET_EXACT_OFFSETS, Act.CONSUMERS_TO_TARGET,
    Act.STOP_PRODUCERS, Act.PRODUCERS_TO_TARGET, Act.DELETE_TASK,
)  # fmt: skip
REMOVED = "the target has removed 90 records of t-0 that group g has not read"


@pytest.mark.parametrize("acts", [FORWARD, EXACT])
@pytest.mark.parametrize("synchronised", [True, False])
def test_records_that_the_target_removed_end_the_path_once_consumers_are_held(
    tmp_path: Path, acts: Sequence[Act], synchronised: bool
) -> None:
    world, path = World(), steps(*acts)
    assert conductor(tmp_path, world, path[:3]).walk()
    world.skips, world.synchronised = [Skip(REMOVED)], synchronised
    walker = conductor(tmp_path, world, path, deadline_s=3600)
    walker.gates = Gates(deadline_s=3600, progress_wait_s=3600, settle_s=0.01)
    assert not walker.walk()
    assert f"cannot open: {REMOVED}" in str(told(walker).failure)
    assert told(walker).walked == list(acts[:3])


@pytest.mark.parametrize(("sure", "says"), [(True, "cannot open: "), (False, "not open after 0 s: waits for ")])
def test_a_wait_for_progress_that_is_over_is_no_proof_that_nothing_is_skipped(
    tmp_path: Path, sure: bool, says: str
) -> None:
    world, path = World(), steps(*FORWARD)
    assert conductor(tmp_path, world, path[:3]).walk()
    world.skips, world.synchronised = [Skip(REMOVED, sure=sure)], False
    walker = conductor(tmp_path, world, path)
    walker.gates = Gates(deadline_s=0.02, progress_wait_s=0.02, settle_s=3600)
    assert not walker.walk()
    assert f"{says}{REMOVED}" in str(told(walker).failure)


def test_consumers_that_still_read_on_the_source_may_catch_up_with_what_the_target_removed(tmp_path: Path) -> None:
    world, path = World(skips=[Skip(REMOVED)]), steps(*FORWARD)
    walker = conductor(tmp_path, world, path)
    assert not walker.walk()
    assert f"gate target has what groups need not open after 0 s: waits for {REMOVED}" in str(told(walker).failure)
    world.skips = []
    assert conductor(tmp_path, world, path).walk()


def test_an_offset_that_is_ahead_ends_the_path_unless_it_is_set(tmp_path: Path) -> None:
    ahead = Skip("group g would skip 30 records of t-0", removed=False)
    for acts in (FORWARD, EXACT):
        folder = tmp_path / str(len(acts))
        folder.mkdir()
        world = World()
        assert conductor(folder, world, steps(*acts[:3])).walk()
        world.skips = [ahead]
        walker = conductor(folder, world, steps(*acts))
        assert not walker.walk()
        assert "cannot open: group g would skip 30 records of t-0" in str(told(walker).failure)
        assert ("exact offsets of g" in world.asked) == (acts is EXACT), "setting them is what heals it"


def test_members_on_the_target_close_the_gates_until_consumers_are_moved(tmp_path: Path) -> None:
    world, path = World(), steps(*FORWARD)
    assert conductor(tmp_path, world, path[:2]).walk()
    world.active_members = 1
    walker = conductor(tmp_path, world, path)
    assert not walker.walk()
    assert "gate no consumers on the target" in str(told(walker).failure)
    world.active_members = 0
    assert conductor(tmp_path, world, path[:4]).walk()
    world.active_members = 1  # they are there by right now
    assert conductor(tmp_path, world, path).walk()


def test_a_group_that_was_held_on_the_target_resumes_at_its_own_offsets(tmp_path: Path) -> None:
    acts = (*FORWARD[:4], Act.STOP_CONSUMERS, Act.CONSUMERS_TO_TARGET)
    world = World()
    assert conductor(tmp_path, world, steps(*acts[:4])).walk()
    world.skips = [Skip("its offset there is ahead of the one on the source", removed=False)]
    assert conductor(tmp_path, world, steps(*acts)).walk()


def test_a_way_back_notes_what_the_source_has_removed_and_goes_on(tmp_path: Path) -> None:
    acts = (*FORWARD[:4], Act.CONSUMERS_TO_SOURCE, Act.DELETE_TASK)
    world = World()
    assert conductor(tmp_path, world, steps(*acts[:4])).walk()
    world.starts, world.offsets = {("t", 0): 50}, {("t", 0): 10}
    walker = conductor(tmp_path, world, steps(*acts))
    assert walker.walk()
    (entry,) = [e for e in walker.journal.read() if e.kind == "gate" and e.name == "source has what groups read again"]
    assert "the source has removed up to 40 records of t-0 that group g has not read there" in entry.detail["evidence"]


def test_without_the_gates_nobody_asks_what_was_not_mirrored(tmp_path: Path) -> None:
    walker = conductor(tmp_path, World(gone=[GONE], topic_id="x"), steps(*FORWARD, safety=False))
    assert walker.walk()


def test_the_cutover_file_is_private(tmp_path: Path) -> None:
    conductor(tmp_path, World(), [])
    assert (tmp_path / "cutover.toml").stat().st_mode & 0o777 == 0o600


def test_a_cut_lasts_from_the_hold_to_the_attestation_on_the_other_cluster(tmp_path: Path) -> None:
    walker = conductor(tmp_path, World(), steps(*FORWARD))
    walker.walk()
    line = told(walker)
    cuts = [(cut.role, cut.group, cut.from_cluster, cut.to_cluster) for cut in line.cuts]
    assert cuts == [("consumer", "g", "source", "target"), ("producer", None, "source", "target")]
    acts = {mark.name: mark for mark in line.marks if mark.kind == "act"}
    holds = (Act.STOP_CONSUMERS, Act.STOP_PRODUCERS)
    arrivals = (Act.CONSUMERS_TO_TARGET, Act.PRODUCERS_TO_TARGET)
    for cut, hold, arrival in zip(line.cuts, holds, arrivals, strict=True):
        assert acts[hold].time_ns == cut.time_ns_from
        assert acts[arrival].end_ns == cut.time_ns_to


def test_producers_do_not_move_while_the_mirror_holds_records(tmp_path: Path) -> None:
    walker = conductor(tmp_path, World(is_drained=False), steps(*FORWARD))
    assert not walker.walk()
    assert "gate mirror at zero not open" in str(told(walker).failure)
    assert told(walker).state.stage == 5
    assert walker.pointer.routes["r"].producers == "hold"


def test_producers_do_not_move_before_the_consumers(tmp_path: Path) -> None:
    walker = conductor(tmp_path, World(), steps(Act.CREATE_TASK, Act.SYNCHRONISE, Act.PRODUCERS_TO_TARGET))
    assert not walker.walk()
    assert "consumers to be on the target" in str(told(walker).failure)


def test_a_negative_control_walks_past_the_safety_gates(tmp_path: Path) -> None:
    world = World(is_drained=False)
    path = steps(Act.CREATE_TASK, Act.SYNCHRONISE, Act.PRODUCERS_TO_TARGET, safety=False)
    walker = conductor(tmp_path, world, path)
    assert walker.walk()
    assert told(walker).state.stage == 6
    assert "drained?" not in world.asked


def test_exact_offsets_replace_the_wait_for_progress(tmp_path: Path) -> None:
    world = World()
    walker = conductor(tmp_path, world, steps(*FORWARD[:3], Act.SET_EXACT_OFFSETS, Act.CONSUMERS_TO_TARGET))
    assert walker.walk()
    assert world.asked == ["create", "stop translating", "exact offsets of g"]


def test_a_reversed_mirror_is_drained_before_producers_go_back(tmp_path: Path) -> None:
    world = World()
    back = (Act.STOP_PRODUCERS, Act.PRODUCERS_TO_SOURCE)
    path = steps(*FORWARD[:5], Act.REVERSE_MIRROR, Act.PRODUCERS_TO_TARGET, *back)
    walker = conductor(tmp_path, world, path)
    assert walker.walk()
    assert world.asked[2:] == ["drained?", "cut", "reverse from 7", "reverse drained?"]


def test_a_mirror_whose_turn_was_interrupted_is_turned_around_from_the_first_cut(tmp_path: Path) -> None:
    world = World()
    path = steps(*FORWARD[:5], Act.REVERSE_MIRROR, Act.PRODUCERS_TO_TARGET)
    assert conductor(tmp_path, world, path[:6]).walk()
    assert world.asked[2:] == ["drained?", "cut"]
    assert conductor(tmp_path, world, path).walk()
    assert world.asked[4:] == ["reverse from 7"]


def test_unproved_progress_is_waited_for_and_then_passed_as_documented(tmp_path: Path) -> None:
    walker = conductor(tmp_path, World(synchronised=False), steps(*FORWARD[:4]))
    assert walker.walk()
    gate = next(mark for mark in told(walker).marks if mark.name == "group progress synchronised")
    assert gate.detail.startswith(
        "waited 0 s without proof: g 0 of 1 partitions translated to the last commit, 1 transl"
    )


def test_progress_that_does_not_move_any_more_is_settled(tmp_path: Path) -> None:
    world, times = World(synchronised=False), iter([0.0, 3.9, 4.0])
    gate = conductor(tmp_path, world, []).checks.progress(["g"], 60, 4, clock=lambda: next(times))
    assert [gate.read().open for _ in range(3)] == [False, False, True]


def test_progress_that_still_moves_is_not_settled(tmp_path: Path) -> None:
    world, times = World(synchronised=False), iter([0.0, 5.0, 8.0, 9.0])
    gate = conductor(tmp_path, world, []).checks.progress(["g"], 60, 4, clock=lambda: next(times))
    assert not gate.read().open
    world.target_committed = 7
    assert [gate.read().open for _ in range(3)] == [False, False, True]


def test_a_lag_above_the_bar_keeps_stage_2_closed(tmp_path: Path) -> None:
    walker = conductor(tmp_path, World(lag_records=501), steps(Act.CREATE_TASK, Act.SYNCHRONISE))
    assert not walker.walk()
    assert "lag 501 above 500 records" in str(told(walker).failure)


def test_a_missed_deadline_turns_back_where_the_scenario_says_so(tmp_path: Path) -> None:
    world = World(is_drained=False)
    walker = conductor(tmp_path, world, steps(*FORWARD), on_missed="rollback")
    assert not walker.walk()
    line = told(walker)
    assert [str(act) for act in line.walked][-4:] == [
        "producers-to-source", "stop-consumers", "consumers-to-source", "delete-task",
    ]  # fmt: skip
    assert line.state == RouteState(task="deleted")
    assert world.asked[-1] == "delete"


def test_an_ask_is_made_once_and_waited_for(tmp_path: Path) -> None:
    asks = [(Act.CREATE_TASK, "before")]
    path = steps(Act.CREATE_TASK)
    assert not conductor(tmp_path, World(), path, asks=asks, asked_within_s=0.02).walk()
    assert [e.name for e in Journal(tmp_path / "journal.sqlite").read() if e.kind == "ask"] == ["before create-task"]
    Journal(tmp_path / "journal.sqlite").write("answer", 0, "before create-task")
    assert conductor(tmp_path, World(), path, asks=asks).walk()
    assert len([e for e in Journal(tmp_path / "journal.sqlite").read() if e.kind == "ask"]) == 1


def killed_at(tmp_path: Path, world: World, path: list[Step], at_kind: Kind, at_name: str) -> None:
    """Walk until this entry is written, and be killed right after it, before anything else is done."""
    walker = conductor(tmp_path, world, path)
    write = walker.journal.write

    def dying(kind: Kind, step: int, name: str, **detail: Any) -> int:
        number = write(kind, step, name, **detail)
        if (kind, name) == (at_kind, at_name):
            raise KilledError
        return number

    walker.journal.write = dying  # type: ignore[method-assign]
    with pytest.raises(KilledError):
        walker.walk()


@pytest.mark.parametrize("act", [Act.STOP_CONSUMERS, Act.CONSUMERS_TO_TARGET, Act.STOP_PRODUCERS])
def test_gates_are_asked_again_if_a_conductor_was_killed_between_them_and_the_act(tmp_path: Path, act: Act) -> None:
    world, path = World(), steps(*FORWARD)
    killed_at(tmp_path, world, path, "doing", act)
    before = (tmp_path / "cutover.toml").read_bytes()
    world.gone = [GONE]  # hours later
    walker = conductor(tmp_path, world, path, deadline_s=3600)
    assert not walker.walk()
    assert told(walker).failure == f"gate mirror has missed nothing cannot open: {GONE}"
    assert (tmp_path / "cutover.toml").read_bytes() == before


def test_producers_that_were_about_to_move_wait_for_the_mirror_again(tmp_path: Path) -> None:
    world, path = World(), steps(*FORWARD)
    killed_at(tmp_path, world, path, "doing", Act.PRODUCERS_TO_TARGET)
    world.is_drained = False
    walker = conductor(tmp_path, world, path)
    assert not walker.walk()
    assert "gate mirror at zero not open" in str(told(walker).failure)
    assert walker.pointer.routes["r"].producers == "hold"


def test_gates_before_an_act_that_was_done_are_not_asked_again(tmp_path: Path) -> None:
    """Who has left cannot be held back any more: only the way on, or back, is left."""
    world, path = World(), steps(*FORWARD)
    killed_at(tmp_path, world, path, "gate", "attested on target")
    world.gone = [GONE]
    walker = conductor(tmp_path, world, path[:4])
    assert walker.walk()


def test_exact_offsets_of_before_a_kill_do_not_vouch_for_the_mirror(tmp_path: Path) -> None:
    world = World()
    path = steps(*FORWARD[:3], Act.SET_EXACT_OFFSETS, Act.CONSUMERS_TO_TARGET)
    killed_at(tmp_path, world, path, "done", Act.SET_EXACT_OFFSETS)
    world.gone = [GONE]
    walker = conductor(tmp_path, world, path, deadline_s=3600)
    assert not walker.walk()
    assert told(walker).failure == f"gate mirror has missed nothing cannot open: {GONE}"


def test_a_deadline_goes_on_where_a_killed_conductor_left_it(tmp_path: Path) -> None:
    """What it waited counts; the time until somebody resumed does not, and no jump of the clock."""
    world, path = World(lag_records=501), steps(Act.CREATE_TASK, Act.SYNCHRONISE)
    killed = conductor(tmp_path, world, path)
    killed.journal.write("waits", 1, "mirror lag under the bar", waits_for="x", elapsed_s=3599.99, deadline_s=3600)
    killed.journal.close()
    walker = conductor(tmp_path, world, path, deadline_s=3600)
    assert not walker.walk()
    assert "gate mirror lag under the bar not open after 3600 s" in str(told(walker).failure)


def test_a_gate_that_is_open_is_passed_however_long_it_was_waited_for(tmp_path: Path) -> None:
    path = steps(Act.CREATE_TASK, Act.SYNCHRONISE)
    walker = conductor(tmp_path, World(), path)
    walker.journal.write("waits", 1, "mirror lag under the bar", waits_for="x", elapsed_s=99, deadline_s=0.02)
    assert walker.walk()


def test_who_resumes_after_a_missed_deadline_waits_for_the_whole_of_it(tmp_path: Path) -> None:
    walker = conductor(tmp_path, World(), [])
    walker.journal.write("waits", 1, "g", waits_for="x", elapsed_s=5, deadline_s=6)
    assert waited(walker.journal.read(), 1, "g") == (5, 5)
    walker.journal.write("waits", 1, "g", waits_for="x", elapsed_s=6, idle_s=2, deadline_s=6)
    assert waited(walker.journal.read(), 1, "g") == (6, 2), "a deadline counts from the last progress"
    assert waited(walker.journal.read(), 2, "g") == waited(walker.journal.read(), 1, "other") == (0, 0)
    walker.journal.write("missed", -1, "g", why="x")
    assert waited(walker.journal.read(), 1, "g") == (0, 0)


def test_a_conductor_that_was_overtaken_stops_and_does_not_retry(tmp_path: Path) -> None:
    walker = conductor(tmp_path, World(), steps(*FORWARD), deadline_s=3600)
    file = tmp_path / "cutover.toml"
    file.write_text(file.read_text(encoding="utf-8").replace("generation = 1", "generation = 8"), encoding="utf-8")
    now = file.read_bytes()
    with pytest.raises(OvertakenError, match="generation 8 is there"):
        walker.walk()
    assert file.read_bytes() == now


class KilledError(BaseException):
    """What a SIGKILL looks like from inside: nothing runs after it."""


@pytest.mark.parametrize("on_missed", ["stop", "rollback"])
def test_a_conductor_killed_before_any_write_goes_on_to_the_same_end(tmp_path: Path, on_missed: str) -> None:
    """Killed at each entry of its journal in turn, right before it is written and right after."""
    world = World(is_drained=on_missed == "stop")
    (tmp_path / "whole").mkdir()
    whole = conductor(tmp_path / "whole", world, steps(*FORWARD), on_missed=on_missed)
    whole.walk()
    expected = told(whole)
    for moment in range(2 * len(whole.journal.read())):
        folder = tmp_path / str(moment)
        folder.mkdir()
        killed = conductor(folder, World(is_drained=world.is_drained), steps(*FORWARD), on_missed=on_missed)
        killed.journal = DyingJournal(folder / "journal.sqlite", moment // 2, after=bool(moment % 2))
        with pytest.raises(KilledError):
            killed.walk()
        resumed = conductor(folder, World(is_drained=world.is_drained), steps(*FORWARD), on_missed=on_missed)
        resumed.walk()
        assert (told(resumed).state, told(resumed).walked) == (expected.state, expected.walked)
        assert [c.to_cluster for c in told(resumed).cuts] == [c.to_cluster for c in expected.cuts]
        assert resumed.pointer.generation == whole.pointer.generation


class QuickJournal(Journal):
    """A journal that need not survive the machine."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._db.execute("PRAGMA synchronous=OFF")


class DyingJournal(QuickJournal):
    """A journal whose owner dies at its n-th write."""

    def __init__(self, path: Path, n: int, *, after: bool) -> None:
        super().__init__(path)
        self._left = n
        self._after = after

    def write(self, kind: Kind, step: int, name: str, **detail: Any) -> int:
        if self._left == 0 and not self._after:
            raise KilledError
        number = super().write(kind, step, name, **detail)
        self._left -= 1
        if self._left < 0:
            raise KilledError
        return number


BROKEN = "cutover-r-source FAILED: RecordTooLargeException"


@pytest.mark.parametrize("act", FORWARD[:6])
def test_a_mirror_that_is_broken_closes_every_gate_at_once(tmp_path: Path, act: Act) -> None:
    world, path = World(), steps(*FORWARD)
    before = FORWARD.index(act)
    assert conductor(tmp_path, world, path[:before]).walk()
    world.is_broken = BROKEN
    walker = conductor(tmp_path, world, path, deadline_s=3600)
    assert not walker.walk()
    assert str(told(walker).failure).endswith(f"cannot open: {BROKEN}")
    assert told(walker).walked[:before] == list(FORWARD[:before])


def test_a_mirror_that_breaks_behind_the_cut_stops_nobody(tmp_path: Path) -> None:
    world, path = World(), steps(*FORWARD)
    assert conductor(tmp_path, world, path[:6]).walk()
    world.is_broken = BROKEN
    assert conductor(tmp_path, world, path).walk()


def test_a_broken_mirror_does_not_keep_clients_from_going_back(tmp_path: Path) -> None:
    world = World()
    assert conductor(tmp_path, world, steps(*FORWARD[:5])).walk()
    world.is_broken = BROKEN
    walker = conductor(tmp_path, world, steps(*FORWARD), deadline_s=3600, on_missed="rollback")
    assert not walker.walk()
    assert told(walker).state.stage == 0
    assert walker.pointer.routes["r"].producers == walker.pointer.routes["r"].consumers == "source"


def test_a_mirror_that_breaks_while_a_gate_looks_does_not_open_it(tmp_path: Path) -> None:
    """Records that are missing are found by looking at the lag, which may be under the bar with them."""
    world = World()

    class Breaking(World):
        def lag(self) -> Lag:
            self.is_broken = BROKEN
            return Lag(0)

    assert conductor(tmp_path, world, steps(Act.CREATE_TASK)).walk()
    walker = conductor(tmp_path, Breaking(), steps(Act.CREATE_TASK, Act.SYNCHRONISE), deadline_s=3600)
    assert not walker.walk()
    assert told(walker).failure == f"gate mirror lag under the bar cannot open: {BROKEN}"


def test_what_was_not_compared_counts_against_the_bar(tmp_path: Path) -> None:
    world = World(not_compared=501)
    walker = conductor(tmp_path, world, steps(Act.CREATE_TASK, Act.SYNCHRONISE))
    assert not walker.walk()
    assert "waits for lag 0 records, 501 more not compared yet, above 500" in str(told(walker).failure)


@pytest.mark.parametrize("safety", [True, False])
def test_a_negative_control_does_not_look_whether_records_were_missed(tmp_path: Path, safety: bool) -> None:
    class Holed(World):
        def lag(self) -> Lag:
            self.is_broken = BROKEN
            return Lag(700, not_compared=900, amid=700)

    path = steps(Act.CREATE_TASK) + steps(Act.SYNCHRONISE, Act.STOP_CONSUMERS, safety=safety)
    assert conductor(tmp_path, Holed(), path).walk() is not safety


def test_a_gate_says_why_nothing_is_copied(tmp_path: Path) -> None:
    world = World(
        lag_records=900, is_stalled="RUNNING and has copied nothing for 9 s; its worker's log: WARN too large"
    )
    walker = conductor(tmp_path, world, steps(Act.CREATE_TASK, Act.SYNCHRONISE))
    assert not walker.walk()
    assert str(told(walker).failure).endswith(f"waits for lag 900 above 500 records; {world.is_stalled}")
