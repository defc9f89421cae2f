"""What `rollback` says it will cost and do, and what it believes only when it has read it back."""

from __future__ import annotations

import time

import pytest
from cutover_harness.cli.conduct import exit_code
from cutover_harness.conductor.cost import Now, cost, native, steps, unread
from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.readback import ReadBack, clients, mirror
from cutover_harness.conductor.statuses import ClientStatus, Role
from cutover_harness.mirror.connect_rest import Status
from cutover_harness.plan.path import Act, RouteState, walk, way_back

NOW = Now(unread={"billing": 1234}, native=56, queued=7)
FORWARD = (
    Act.CREATE_TASK, Act.SYNCHRONISE, Act.STOP_CONSUMERS, Act.CONSUMERS_TO_TARGET,
    Act.STOP_PRODUCERS, Act.PRODUCERS_TO_TARGET, Act.DELETE_TASK,
)  # fmt: skip
AGAIN = "what group billing has consumed on the target is consumed again on the source: at most 1,234 records"
STRANDED = (
    "about 56 records that were produced on the target are not on the source, and the application must deal with them"
)
COSTS = {
    1: ["nothing: applications are on the source and stay there"],
    2: ["nothing: applications are on the source and stay there"],
    3: ["consumption is paused until consumers are back on the source, and is delayed by that"],
    4: [AGAIN],
    5: [AGAIN, "production is paused until producers are back on the source; 7 messages wait"],
    6: [AGAIN, "production pauses while producers move back", STRANDED],
    7: [AGAIN, "production pauses while producers move back", STRANDED],
}


@pytest.mark.parametrize("stage", COSTS)
def test_the_cost_of_each_stage(stage: int) -> None:
    state = walk(FORWARD[:stage])[-1]
    assert (state.stage, cost(state, NOW)) == (stage, COSTS[stage])


def test_a_reverse_mirror_brings_back_what_was_produced_on_the_target() -> None:
    state = walk([*FORWARD[:5], Act.REVERSE_MIRROR, Act.PRODUCERS_TO_TARGET])[-1]
    assert "about 56 records that were produced on the target are copied to the source first" in cost(state, NOW)[-1]


def test_what_nobody_noted_is_not_made_up() -> None:
    assert native([], {("t", 0): 9}) is None
    assert cost(walk(FORWARD[:6])[-1], Now({}, None, 0))[-1].startswith("an unknown number of records")


def test_counting() -> None:
    assert unread({("t", 0): 4, ("t", 1): 9, ("gone", 0): 1}, {("t", 0): 10, ("t", 1): 8}) == 6
    noted = Entry(1, 1, "ends", 5, "target", {"offsets": [["t", 0, 7]]})
    assert native([noted], {("t", 0): 9, ("t", 1): 3}) == 5


def test_steps_give_each_generation_of_the_cutover_file_and_what_is_waited_for() -> None:
    acts = way_back(walk(FORWARD[:5])[-1])
    found = steps(acts, "r", 5, ("hold", "target"))
    assert [(step.act, step.does) for step in found] == [
        (Act.PRODUCERS_TO_SOURCE, written(6, "source", "target")),
        (Act.STOP_CONSUMERS, written(7, "source", "hold")),
        (Act.CONSUMERS_TO_SOURCE, written(8, "source", "source")),
        (Act.DELETE_TASK, "stop and delete the connectors"),
    ]
    assert found[1].after == "all consumers attest it (held)"
    assert str(found[0]) == (
        "producers-to-source: waits until the reverse mirror, if there is one, is at zero; "
        f"{written(6, 'source', 'target')}; waits until all producers attest it (source)"
    )


def written(generation: int, producers: str, consumers: str) -> str:
    return f'cutover file: generation = {generation}, routes.r: producers = "{producers}", consumers = "{consumers}"'


EXPECTED: dict[str, Role] = {"p": "producer", "c": "consumer"}
BACK = RouteState(task="deleted")


def status(name: str, role: Role, state: str = "source", generation: int = 5, age_s: float = 0.0) -> ClientStatus:
    updated = time.time() - age_s
    return ClientStatus(name, role, None, updated, generation, "source", state, 0, 0, None, None)


def found(*statuses: ClientStatus) -> ReadBack:
    return clients({each.instance: each for each in statuses}, EXPECTED, BACK, 5, time.time())


def test_clients_that_attest_are_proof() -> None:
    told = found(status("p", "producer"), status("c", "consumer"))
    assert (told.wrong, told.unknown, len(told.proved)) == ([], [], 2)


def test_a_producer_that_hangs_on_hold_is_not_back() -> None:
    told = found(status("p", "producer", "held"), status("c", "consumer"))
    assert told.wrong == ["p is held at generation 5, not on source at generation 5"]


def test_a_client_of_an_older_generation_is_not_back() -> None:
    assert found(status("p", "producer", generation=4), status("c", "consumer")).wrong


def test_a_client_that_is_silent_or_missing_proves_nothing() -> None:
    told = found(status("p", "producer", age_s=60))
    assert not told.wrong
    assert told.unknown == ["p is silent for 60 s", "c has written no status"]


def test_nobody_at_all_proves_nothing() -> None:
    assert clients({}, {}, BACK, 5, time.time()).unknown == [
        "no producer reports on the route",
        "no consumer reports on the route",
    ]


RUNNING, STOPPED, FAILED = Status("RUNNING", ("RUNNING",), None), Status("STOPPED", (), None), Status("FAILED", (), "x")


@pytest.mark.parametrize(
    ("state", "forward", "back", "wrong"),
    [
        (BACK, None, None, False),
        (BACK, RUNNING, None, True),
        (BACK, None, STOPPED, True),
        (RouteState(task="synchronised"), RUNNING, None, False),
        (RouteState(task="synchronised"), FAILED, None, True),
        (RouteState(task="synchronised"), None, None, True),
        (RouteState("synchronised", "target", "target", reverse=True), STOPPED, RUNNING, False),
        (RouteState("synchronised", "target", "target", reverse=True), RUNNING, None, True),
    ],
)
def test_the_mirror_is_what_the_steps_say(
    state: RouteState, forward: Status | None, back: Status | None, wrong: bool
) -> None:
    assert bool(mirror({"f": forward, "b": back}, state, "f", "b").wrong) is wrong


@pytest.mark.parametrize(
    ("told", "asked_back", "ended", "code"),
    [
        (ReadBack(proved=["x"]), True, "turned-back", 0),
        (ReadBack(proved=["x"]), False, "walked", 0),
        (ReadBack(proved=["x"]), False, "turned-back", 4),
        (ReadBack(unknown=["x"]), True, "turned-back", 3),
        (ReadBack(unknown=["x"]), False, "turned-back", 3),
        (ReadBack(wrong=["x"], unknown=["x"]), True, "turned-back", 1),
        (ReadBack(wrong=["x"]), False, "walked", 1),
    ],
)
def test_exit_codes(told: ReadBack, asked_back: bool, ended: str, code: int) -> None:
    assert exit_code(told, asked_back=asked_back, ended=ended) == code  # type: ignore[arg-type]
