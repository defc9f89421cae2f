"""Evidence for clients without the shim: members that have left and joined, and logs that no longer grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from cutover_harness.conductor import readback_restarted
from cutover_harness.conductor.readback_restarted import read_back_restarted
from cutover_harness.errors import UsageError
from cutover_harness.procedure.client_status import StatusWatch
from cutover_harness.procedure.conditions import Conditions
from cutover_harness.procedure.gates import Gate
from cutover_harness.procedure.restarted import Growth, RestartedClient, joined, left, quiet
from cutover_harness.procedure.state import RouteState

GROUP = RestartedClient("legacy", "consumer", 2, 600, False)
ERP = RestartedClient("erp", "producer", None, 600, True)


class Cluster:
    """Members of groups, of which `stable` says whether they count, and log ends that grow by `rate` a look."""

    def __init__(self, members: Sequence[str] = (), *, stable: bool = True, rates: Sequence[int] = ()) -> None:
        self._members, self._stable, self._rates, self._end = members, stable, list(rates), 100

    def member_names(self, group: str) -> Sequence[str]:
        return self._members if group == "legacy" else []

    def members(self, group: str) -> int:
        return len(self.member_names(group)) if self._stable else 0

    def end_offsets(self, topics: Sequence[str]) -> Mapping[tuple[str, int], int]:
        self._end += self._rates.pop(0) if self._rates else 0
        return {(topic, 0): self._end for topic in topics}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def cluster(*arguments: Any, **options: Any) -> Any:
    return Cluster(*arguments, **options)


def opens(gate: Gate, looks: int) -> list[bool]:
    return [gate.read().open for _ in range(looks)]


def test_a_group_has_left_only_without_any_member_and_the_members_are_named() -> None:
    gate = left([GROUP], cluster(["java-1 at 10.0.0.7"], stable=False), "source")
    reading = gate.read()
    assert not reading.open
    assert reading.waits_for == "group legacy has 1 member (java-1 at 10.0.0.7) on source: stop them"
    assert left([GROUP], cluster(), "source").read().open


@pytest.mark.parametrize(
    ("there", "stable", "is_open"), [(2, True, True), (1, True, False), (2, False, False), (0, True, False)]
)
def test_a_group_has_joined_with_all_its_members(there: int, stable: bool, is_open: bool) -> None:
    names = [f"java-{n} at host" for n in range(there)]
    assert joined([GROUP], cluster(names, stable=stable), "target").read().open == is_open


def test_nothing_has_joined_if_nothing_is_known_that_has_to() -> None:
    there: Any = cluster(["java-1 at host"])
    conditions = Conditions(dict, StatusWatch(), there, there, there)
    assert conditions.joined({"legacy": 1}, "target", 9).read().open
    reading = conditions.joined({}, "target", 9).read()
    assert (reading.open, reading.never) == (False, True)


def test_producers_have_left_when_nothing_grew_for_long_enough() -> None:
    gate = quiet([ERP], cluster(rates=[0, 0, 3, 0, 0, 0]), lambda: ["orders"], "source", 3.0, Clock())
    assert opens(gate, 6) == [False, False, False, False, False, True]


def test_producers_that_write_all_the_time_are_named_with_the_topic() -> None:
    gate = quiet([ERP], cluster(rates=[1] * 50), lambda: ["orders"], "source", 3.0, Clock())
    assert opens(gate, 40) == [False] * 40
    assert "orders got 1 record on source: stop what writes there" in gate.read().waits_for


class Shown:
    """Log ends as a list of looks; the last one stays."""

    def __init__(self, *looks: Mapping[tuple[str, int], int]) -> None:
        self._looks = list(looks)

    def end_offsets(self, topics: Sequence[str]) -> Mapping[tuple[str, int], int]:
        return self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]

    def member_names(self, group: str) -> Sequence[str]:
        return []


ONE, TWO = {("orders", 0): 100}, {("orders", 0): 100, ("orders", 1): 7}


def test_a_partition_that_is_gone_and_comes_back_is_not_quiet() -> None:
    shown: Any = Shown(TWO, TWO, ONE, ONE, TWO)
    gate = quiet([ERP], shown, lambda: ["orders"], "source", 3.0, Clock())
    assert opens(gate, 8) == [False] * 7 + [True]
    assert "got" not in gate.read().waits_for


def test_records_of_a_partition_that_was_gone_are_counted() -> None:
    shown: Any = Shown(TWO, ONE, {**TWO, ("orders", 1): 9})
    gate = quiet([ERP], shown, lambda: ["orders"], "source", 3.0, Clock())
    opens(gate, 2)
    assert "orders got 2 records on source" in gate.read().waits_for


def test_a_log_that_became_shorter_got_no_records() -> None:
    shown: Any = Shown(ONE, {("orders", 0): 90})
    gate = quiet([ERP], shown, lambda: ["orders"], "source", 3.0, Clock())
    opens(gate, 1)
    reading = gate.read()
    assert not reading.open
    assert "got" not in reading.waits_for


def test_time_in_which_the_cluster_is_away_is_not_quiet() -> None:
    now, away = [0.0], [False]

    def ends() -> Mapping[tuple[str, int], int]:
        if away[0]:
            raise UsageError("the source does not answer")
        return {("t", 0): 7}

    growth = Growth(ends, lambda: now[0])
    growth.quiet_s()
    away[0], now[0] = True, 60.0  # whoever writes waits for it, and continues once it is back
    with pytest.raises(UsageError):
        growth.quiet_s()
    away[0] = False
    assert growth.quiet_s() == 0
    now[0] += 10.0
    assert growth.quiet_s() == 10


def test_a_cluster_that_shows_no_topic_proves_nothing() -> None:
    shown: Any = Shown({})
    gate = quiet([ERP], shown, lambda: ["orders"], "source", 3.0, Clock())
    assert opens(gate, 10) == [False] * 10
    assert gate.read().waits_for.endswith("source shows none of the batch's topics")


def test_the_time_that_a_look_takes_is_not_quiet() -> None:
    clock = Clock()

    class Slow(Shown):
        def end_offsets(self, topics: Sequence[str]) -> Mapping[tuple[str, int], int]:
            clock.now += 10
            return super().end_offsets(topics)

    shown: Any = Slow(ONE)
    gate = quiet([ERP], shown, lambda: ["orders"], "source", 3.0, clock)
    assert opens(gate, 3) == [False, False, True]


def test_read_back_does_not_prove_what_it_saw_for_too_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readback_restarted, "_SLOW_S", 0.1)
    source: Any = Shown(*[ONE, TWO] * 100)
    found = read_back(source, cluster(["a at h", "b at h"]))
    assert found.proved == ["group legacy has 2 members on target"]
    assert found.unknown == ["erp: partitions on source came and went, or it answered slowly: run it again"]


MOVED = RouteState(task="deleted", consumers="target", producers="target")


def read_back(source: Any, target: Any, state: RouteState = MOVED) -> Any:
    return read_back_restarted([GROUP, ERP], state, {"source": source, "target": target}, lambda: ["orders"], 0.3)


def test_read_back_proves_members_and_quiet() -> None:
    found = read_back(cluster(), cluster(["a at h", "b at h"]))
    assert found.proved == ["group legacy has 2 members on target", "erp: no record on source for 0 s"]
    assert not found.wrong


@pytest.mark.parametrize(
    ("source", "target", "wrong"),
    [
        ({"members": ["a at h"]}, ["a at h", "b at h"], "group legacy has 1 member on source"),
        ({}, ["a at h"], "group legacy has 1 member on target"),
        ({"rates": [0, 5]}, ["a at h", "b at h"], "erp: orders got 5 records on source"),
    ],
)
def test_read_back_contradicts(source: dict[str, Any], target: list[str], wrong: str) -> None:
    assert read_back(cluster(**source), cluster(target)).wrong == [wrong]


def test_read_back_knows_nothing_where_the_mirror_writes() -> None:
    state = RouteState(task="synchronised", consumers="source", producers="source")
    (unknown,) = read_back(cluster(["a", "b"]), cluster(), state).unknown
    assert "the mirror writes to target" in unknown
