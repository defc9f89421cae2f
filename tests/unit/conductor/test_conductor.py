"""The conductor's own logic: which gate guards which act, what is marked. Real clusters are in tests/cluster."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cutover_harness.conductor.conductor import Conductor
from cutover_harness.conductor.gates import GateMissedError
from cutover_harness.conductor.pointer import PointerFile, RoutePointer
from cutover_harness.plan.path import Act
from cutover_harness.plan.scenario import Gates, Step


@dataclass
class Lag:
    total: int = 0
    records: Mapping[tuple[str, int], int] = field(default_factory=dict)


@dataclass
class Progress:
    topic: str = "t"
    partition: int = 0
    source_committed: int | None = 5
    target_committed: int | None = 5
    synchronised: bool = True


@dataclass
class World:
    """Mirror and cluster in one, with knobs; it notes what was asked of it."""

    asked: list[str] = field(default_factory=list)
    lag_records: int = 0
    is_drained: bool = True
    synchronised: bool = True
    target_committed: int = 5

    def create(self) -> None:
        self.asked.append("create")

    def delete(self) -> None:
        self.asked.append("delete")

    def running(self) -> Sequence[str]:
        return []

    def lag(self) -> Lag:
        return Lag(self.lag_records)

    def drained(self) -> tuple[bool, str]:
        self.asked.append("drained?")
        return self.is_drained, "3 records left"

    def group_progress(self, group: str) -> Sequence[Progress]:
        self.asked.append(f"progress of {group}?")
        return [Progress(synchronised=self.synchronised, target_committed=self.target_committed)]

    def partitions(self, topics: Sequence[str]) -> Mapping[str, int]:
        return dict.fromkeys(topics, 1)

    def end_offsets(self, topics: Sequence[str]) -> Mapping[tuple[str, int], int]:
        return {}

    def committed(self, group: str, topics: Sequence[str]) -> Mapping[tuple[str, int], int]:
        return {}


class Quiet:
    def act(self, number: int, total: int, act: str, stage: int) -> None: ...
    def waiting(self, gate: str, waits_for: str, elapsed_s: float, deadline_s: float) -> None: ...
    def opened(self, gate: str, evidence: str, elapsed_s: float) -> None: ...
    def note(self, text: str) -> None: ...


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


def conductor(tmp_path: Path, world: World, deadline_s: float = 0.2) -> Conductor:
    (tmp_path / "status").mkdir()
    clusters = {"source": {"bootstrap.servers": "a:1"}, "target": {"bootstrap.servers": "b:1"}}
    pointer = ObedientFleet(tmp_path / "cutover.toml", clusters, {"r": RoutePointer(["t"], ["g"])})
    pointer.write()
    return Conductor(
        route="r", clients={"p": "producer", "c": "consumer"}, pointer=pointer, statuses=tmp_path / "status",
        mirror=world, source=world, target=world, observer=Quiet(), sleep=lambda _: None,
        gates=Gates(deadline_s=deadline_s, progress_wait_s=deadline_s),
    )  # fmt: skip


def steps(*acts: Act, safety: bool = True) -> list[Step]:
    return [Step(act=act, safety=safety) for act in acts]


FORWARD = (
    Act.CREATE_TASK, Act.SYNCHRONISE, Act.STOP_CONSUMERS, Act.CONSUMERS_TO_TARGET,
    Act.STOP_PRODUCERS, Act.PRODUCERS_TO_TARGET, Act.DELETE_TASK,
)  # fmt: skip


def test_stop_first_asks_for_progress_then_for_drain_and_deletes_last(tmp_path: Path) -> None:
    world = World()
    walker = conductor(tmp_path, world)
    walker.walk(steps(*FORWARD))
    assert world.asked == ["create", "progress of g?", "drained?", "delete"]
    assert [mark.stage for mark in walker.timeline.marks if mark.kind == "stage"] == [1, 2, 3, 4, 5, 6, 7]
    written = tomllib.loads((tmp_path / "cutover.toml").read_text(encoding="utf-8"))
    assert (written["generation"], written["routes"]["r"]["producers"]) == (5, "target")


def test_the_cutover_file_is_private(tmp_path: Path) -> None:
    conductor(tmp_path, World())
    assert (tmp_path / "cutover.toml").stat().st_mode & 0o777 == 0o600


def test_a_cut_lasts_from_the_hold_to_the_attestation_on_the_other_cluster(tmp_path: Path) -> None:
    walker = conductor(tmp_path, World())
    walker.walk(steps(*FORWARD))
    cuts = [(cut.role, cut.group, cut.from_cluster, cut.to_cluster) for cut in walker.timeline.cuts]
    assert cuts == [("consumer", "g", "source", "target"), ("producer", None, "source", "target")]
    acts = {mark.name: mark for mark in walker.timeline.marks if mark.kind == "act"}
    holds = (Act.STOP_CONSUMERS, Act.STOP_PRODUCERS)
    arrivals = (Act.CONSUMERS_TO_TARGET, Act.PRODUCERS_TO_TARGET)
    for cut, hold, arrival in zip(walker.timeline.cuts, holds, arrivals, strict=True):
        assert acts[hold].time_ns == cut.time_ns_from
        assert acts[arrival].time_ns < cut.time_ns_to


def test_producers_do_not_move_while_the_mirror_holds_records(tmp_path: Path) -> None:
    walker = conductor(tmp_path, World(is_drained=False))
    with pytest.raises(GateMissedError, match=r"mirror at zero .* 3 records left"):
        walker.walk(steps(*FORWARD))
    assert walker.state.stage == 5
    assert walker.pointer.routes["r"].producers == "hold"


def test_producers_do_not_move_before_the_consumers(tmp_path: Path) -> None:
    walker = conductor(tmp_path, World())
    with pytest.raises(GateMissedError, match="consumers to be on the target"):
        walker.walk(steps(Act.CREATE_TASK, Act.SYNCHRONISE, Act.PRODUCERS_TO_TARGET))


def test_a_negative_control_walks_past_the_safety_gates(tmp_path: Path) -> None:
    world = World(is_drained=False)
    walker = conductor(tmp_path, world)
    walker.walk(steps(Act.CREATE_TASK, Act.SYNCHRONISE, Act.PRODUCERS_TO_TARGET, safety=False))
    assert walker.state.stage == 6
    assert "drained?" not in world.asked


def test_unproved_progress_is_waited_for_and_then_passed_as_documented(tmp_path: Path) -> None:
    walker = conductor(tmp_path, World(synchronised=False))
    walker.walk(steps(*FORWARD[:4]))
    gate = next(mark for mark in walker.timeline.marks if mark.name == "group progress synchronised")
    assert gate.detail.startswith(
        "waited 0 s without proof: g 0 of 1 partitions translated to the last commit, 1 transl"
    )


def test_progress_that_does_not_move_any_more_is_settled(tmp_path: Path) -> None:
    world, times = World(synchronised=False), iter([0.0, 3.9, 4.0])
    gate = conductor(tmp_path, world).checks.progress(["g"], 60, 4, clock=lambda: next(times))
    assert [gate.read().open for _ in range(3)] == [False, False, True]


def test_progress_that_still_moves_is_not_settled(tmp_path: Path) -> None:
    world, times = World(synchronised=False), iter([0.0, 5.0, 8.0, 9.0])
    gate = conductor(tmp_path, world).checks.progress(["g"], 60, 4, clock=lambda: next(times))
    assert not gate.read().open
    world.target_committed = 7
    assert [gate.read().open for _ in range(3)] == [False, False, True]


def test_a_lag_above_the_bar_keeps_stage_2_closed(tmp_path: Path) -> None:
    walker = conductor(tmp_path, World(lag_records=501))
    with pytest.raises(GateMissedError, match="lag 501 above 500 records"):
        walker.walk(steps(Act.CREATE_TASK, Act.SYNCHRONISE))
