"""What a run needs at an act is waited for right before the act, and noted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.conductor.preconditions import BEHIND_S, Preconditions, traffic_of
from cutover_harness.plan.path import Act, RouteState

from tests.unit.conductor.test_conductor import Lag, World, conductor, steps

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


def test_every_group_has_to_be_behind_what_was_there_a_while_ago() -> None:
    ends = list(range(100, 2000, 100))
    behind = Cluster(log_ends=ends, read={"g": [0], "h": [0]})
    assert looks(behind, "behind", 4) == [False, False, True, True]
    assert BEHIND_S == 2.0
    keeps_up = Cluster(
        log_ends=ends, read={"g": [0], "h": [end - 100 for end in ends]}
    )  # what it reads it commits later
    assert not any(looks(keeps_up, "behind", 9))


def test_every_group_has_to_have_read_what_is_not_mirrored() -> None:
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
def test_where_there_is_traffic_to_wait_for(state: RouteState, producers: str | None, consumers: str | None) -> None:
    assert (traffic_of("producer", state), traffic_of("consumer", state)) == (producers, consumers)


def test_a_fault_during_an_act_is_asked_for_when_its_gates_are_passed_and_its_needs_are_waited_for_then(
    tmp_path: Path,
) -> None:
    """Freeze first, then prove the lag, then hold: whoever is faster."""
    stop = Act.STOP_PRODUCERS
    acts = (Act.CREATE_TASK, Act.SYNCHRONISE, stop, Act.PRODUCERS_TO_SOURCE)
    walker = conductor(
        tmp_path, World(lag_records=3), steps(*acts), asks=[(stop, "during")], preconditions=[(stop, "lag")]
    )
    walker.journal.write("answer", 2, f"during {stop}")
    walker.walk()
    order = [(e.kind, e.name) for e in walker.journal.read() if e.step == 2 and e.kind != "answer"]
    assert order[:5] == [
        ("step", stop),
        ("gate", "mirror has missed nothing"),
        ("ask", f"during {stop}"),
        ("precondition", stop),
        ("doing", stop),
    ]


def test_a_need_that_does_not_come_to_be_is_noted_and_the_path_goes_on(tmp_path: Path) -> None:
    walker = conductor(
        tmp_path,
        World(lag_records=0),
        steps(Act.CREATE_TASK, Act.DELETE_TASK),
        preconditions=[(Act.DELETE_TASK, "lag")],
    )
    assert walker.walk()
    (noted,) = [entry for entry in walker.journal.read() if entry.kind == "precondition"]
    assert (noted.name, noted.detail["what"], noted.detail["held"]) == (Act.DELETE_TASK, "lag", False)


def test_a_lag_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    """With the lag read once, as before, a fast mirror made the run prove nothing."""

    class Late(World):
        left = 5

        def lag(self) -> Lag:
            self.left -= 1
            return Lag(0 if self.left > 0 else 9)

    path = steps(Act.CREATE_TASK, Act.DELETE_TASK)
    walker = conductor(tmp_path, Late(), path, deadline_s=20.0, preconditions=[(Act.DELETE_TASK, "lag")])
    assert walker.walk()
    (noted,) = [entry for entry in walker.journal.read() if entry.kind == "precondition"]
    assert (noted.detail["held"], noted.detail["evidence"]) == (True, "lag 9 records")


def test_once_producers_have_left_the_source_synchronised_means_that_nothing_is_left(tmp_path: Path) -> None:
    path = steps(Act.CREATE_TASK, Act.SYNCHRONISE, Act.STOP_PRODUCERS, Act.SYNCHRONISE, Act.PRODUCERS_TO_SOURCE)
    walker = conductor(tmp_path, World(lag_records=3), path)
    assert not walker.walk()
    (missed,) = [entry for entry in walker.journal.read() if entry.kind == "missed"]
    assert "lag 3 above 0 records" in missed.detail["why"]
