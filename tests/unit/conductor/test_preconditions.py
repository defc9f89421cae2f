"""The conductor waits for a step's preconditions right before the step, and journals them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.conductor.preconditions import BEHIND_S, Preconditions, traffic_of
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.state import RouteState

from tests.unit.conductor.world import Lag, World, new_conductor, steps

T = ("t", 0)


@dataclass
class Cluster(World):
    """A source, a target and a mirror whose figures a test sets, look by look."""

    log_ends: list[int] = field(default_factory=lambda: [0])
    read: Mapping[str, list[int]] = field(default_factory=dict)
    lags: list[int] = field(default_factory=lambda: [0])
    looks: int = 0

    def end_offsets(self, topics: Sequence[str]) -> Mapping[tuple[str, int], int]:
        return {T: _at(self.log_ends, self.looks)}

    def committed(self, group: str, topics: Sequence[str]) -> Mapping[tuple[str, int], int]:
        return {T: _at(self.read[group], self.looks)}

    def lag(self) -> Lag:
        count = _at(self.lags, self.looks)
        return Lag(count, {T: count})


def _at(values: Sequence[int], look: int) -> int:
    return values[min(look, len(values) - 1)]


def looks(cluster: Cluster, what: Any, count: int, groups: Sequence[str] = ("g", "h")) -> list[bool]:
    clock = Ticking()
    read = Preconditions(groups, cluster, cluster, cluster, clock).of(what)
    found = []
    for cluster.looks in range(count):
        found.append(read().open)
        clock.now += 1.0
    return found


class Ticking:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_mirror_lags_once_a_record_is_missing() -> None:
    assert looks(Cluster(lags=[0, 0, 3]), "lag", 3) == [False, False, True]


def test_every_group_has_to_be_behind_the_log_end_of_a_while_ago() -> None:
    ends = list(range(100, 2000, 100))
    behind = Cluster(log_ends=ends, read={"g": [0], "h": [0]})
    assert looks(behind, "behind", 4) == [False, False, True, True]
    assert BEHIND_S == 2.0
    keeps_up = Cluster(
        log_ends=ends, read={"g": [0], "h": [end - 100 for end in ends]}
    )  # what it reads it commits later
    assert not any(looks(keeps_up, "behind", 9))


def test_every_group_has_to_have_read_records_that_are_not_mirrored() -> None:
    cluster = Cluster(log_ends=[100], lags=[10], read={"g": [95], "h": [80, 90, 91]})
    assert looks(cluster, "ahead", 3) == [False, False, True]
    assert looks(Cluster(log_ends=[100], lags=[0], read={"g": [100], "h": [100]}), "ahead", 1) == [False]


def test_every_group_has_to_have_read_all() -> None:
    cluster = Cluster(log_ends=[100], read={"g": [100], "h": [80, 99, 100]})
    assert looks(cluster, "read", 3) == [False, False, True]


@pytest.mark.parametrize("role", ["producer", "consumer"])
def test_traffic_is_what_moves(role: Any) -> None:
    cluster = Cluster(log_ends=[5, 5, 6], read={"g": [3, 4, 4], "h": [2, 2, 3]})
    read = Preconditions(["g", "h"], cluster, cluster, cluster).flows(role, "source")
    found = []
    for cluster.looks in range(3):
        found.append(read().open)
    assert found == [False, False, True]


@pytest.mark.parametrize(
    ("state", "producers", "consumers"),
    [
        (RouteState(), "source", "source"),
        (RouteState(task="synchronised", consumers="target"), "source", "target"),
        (RouteState(task="deleted", consumers="target"), "source", None),
        (RouteState(task="synchronised", producers="target"), "target", None),
        (RouteState(task="synchronised", producers="target", reverse=True), "target", "source"),
        (RouteState(task="synchronised", producers="source", consumers="target", reverse=True), "source", None),
        (RouteState(task="synchronised", producers="hold", consumers="target"), None, None),
        (RouteState(task="synchronised", consumers="hold"), "source", None),
    ],
)
def test_clusters_on_which_traffic_is_expected(state: RouteState, producers: str | None, consumers: str | None) -> None:
    assert (traffic_of("producer", state), traffic_of("consumer", state)) == (producers, consumers)


def test_a_fault_during_a_step_is_requested_between_its_gates_and_its_preconditions(
    tmp_path: Path,
) -> None:
    """Freeze first, then prove the lag, then hold: whoever is faster."""
    stop = StepName.STOP_PRODUCERS
    acts = (StepName.CREATE_TASK, StepName.SYNCHRONISE, stop, StepName.PRODUCERS_TO_SOURCE)
    conductor = new_conductor(
        tmp_path, World(lag_records=3), steps(*acts), asks=[(stop, "during")], preconditions=[(stop, "lag")]
    )
    conductor.journal.write("answer", 2, f"during {stop}")
    conductor.run()
    order = [(e.kind, e.name) for e in conductor.journal.read() if e.step == 2 and e.kind != "answer"]
    assert order[:5] == [
        ("step", stop),
        ("gate", "mirror has missed nothing"),
        ("ask", f"during {stop}"),
        ("precondition", stop),
        ("doing", stop),
    ]


def test_a_precondition_that_does_not_come_true_is_journalled_and_the_path_continues(tmp_path: Path) -> None:
    conductor = new_conductor(
        tmp_path,
        World(lag_records=0),
        steps(StepName.CREATE_TASK, StepName.DELETE_TASK),
        preconditions=[(StepName.DELETE_TASK, "lag")],
    )
    assert conductor.run()
    (noted,) = [entry for entry in conductor.journal.read() if entry.kind == "precondition"]
    assert (noted.name, noted.detail["what"], noted.detail["held"]) == (StepName.DELETE_TASK, "lag", False)


def test_the_precondition_of_a_step_that_comes_twice_is_awaited_at_the_first(tmp_path: Path) -> None:
    stop, back = StepName.STOP_PRODUCERS, StepName.PRODUCERS_TO_SOURCE
    path = steps(StepName.CREATE_TASK, stop, back, stop, back)
    conductor = new_conductor(tmp_path, World(lag_records=3), path, preconditions=[(stop, "lag")])
    assert conductor.run()
    assert [entry.step for entry in conductor.journal.read() if entry.kind == "precondition"] == [1]


def test_a_lag_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    """With the lag read once, as before, a fast mirror made the run prove nothing."""

    class Late(World):
        left = 5

        def lag(self) -> Lag:
            self.left -= 1
            return Lag(0 if self.left > 0 else 9)

    path = steps(StepName.CREATE_TASK, StepName.DELETE_TASK)
    conductor = new_conductor(tmp_path, Late(), path, deadline_s=20.0, preconditions=[(StepName.DELETE_TASK, "lag")])
    assert conductor.run()
    (noted,) = [entry for entry in conductor.journal.read() if entry.kind == "precondition"]
    assert (noted.detail["held"], noted.detail["evidence"]) == (True, "lag 9 records")


def test_once_producers_have_left_the_source_synchronised_means_that_nothing_is_left(tmp_path: Path) -> None:
    path = steps(
        StepName.CREATE_TASK,
        StepName.SYNCHRONISE,
        StepName.STOP_PRODUCERS,
        StepName.SYNCHRONISE,
        StepName.PRODUCERS_TO_SOURCE,
    )
    conductor = new_conductor(tmp_path, World(lag_records=3), path)
    assert not conductor.run()
    (missed,) = [entry for entry in conductor.journal.read() if entry.kind == "missed"]
    assert "lag 3 above 0 records" in missed.detail["why"]
