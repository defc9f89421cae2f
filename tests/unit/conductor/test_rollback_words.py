"""Cost and steps that `rollback` prints, and what it reports only if it was read back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cutover_harness.cli.conclusion import exit_code
from cutover_harness.conductor.cost import Now, cost, native, planned, unread
from cutover_harness.conductor.findings import ReadBack
from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.readback import clients, mirror
from cutover_harness.mirror.connect_rest import Status
from cutover_harness.procedure.client_status import ClientStatus, StatusWatch
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.path import states_after, way_back
from cutover_harness.procedure.state import RouteState
from cutover_harness.procedure.steps import step_of
from cutover_harness.types import Role

NOW = Now(unread={"billing": 1234}, native=56, queued=7)
FORWARD = (
    StepName.CREATE_TASK, StepName.SYNCHRONISE, StepName.STOP_CONSUMERS, StepName.CONSUMERS_TO_TARGET,
    StepName.STOP_PRODUCERS, StepName.PRODUCERS_TO_TARGET, StepName.DELETE_TASK,
)  # fmt: skip
AGAIN = "what group billing has consumed on the target is consumed again on the source: at most 1,234 records"
STRANDED = "about 56 records produced on the target and not on the source: the application must deal with them"
COSTS = {
    1: ["nothing: applications are on the source and stay there"],
    2: ["nothing: applications are on the source and stay there"],
    3: ["consumption is paused until consumers are back on the source, and is delayed by that"],
    4: [AGAIN],
    5: [AGAIN, "production is paused until producers are back on the source; messages that wait: 7"],
    6: [AGAIN, "production pauses while producers move back", STRANDED],
    7: [
        AGAIN,
        "production pauses while producers move back",
        STRANDED,
        "the mirror is deleted: rollback needs --force, and records are left behind on the target",
    ],
}


@pytest.mark.parametrize("stage", COSTS)
def test_the_cost_of_each_stage(stage: int) -> None:
    state = states_after(FORWARD[:stage])[-1]
    assert (state.stage, cost(state, NOW)) == (stage, COSTS[stage])


def test_a_reverse_mirror_copies_back_records_produced_on_the_target() -> None:
    state = states_after([*FORWARD[:5], StepName.REVERSE_MIRROR, StepName.PRODUCERS_TO_TARGET])[-1]
    assert "about 56 records produced on the target: the mirror copies them to the source first" in cost(state, NOW)[-1]


def test_a_number_that_was_not_noted_is_unknown() -> None:
    assert native([], {("t", 0): 9}) is None
    assert cost(states_after(FORWARD[:6])[-1], Now({}, None, 0))[-1].startswith("an unknown number of records")


def test_counting() -> None:
    assert unread({("t", 0): 4, ("t", 1): 9, ("gone", 0): 1}, {("t", 0): 10, ("t", 1): 8}) == 6
    noted = Entry(1, 1, "ends", 5, "target", {"offsets": [["t", 0, 7]]})
    assert native([noted], {("t", 0): 9, ("t", 1): 3}) == 5


def test_steps_give_each_generation_of_the_cutover_file_and_what_is_waited_for() -> None:
    acts = way_back(states_after(FORWARD[:5])[-1])
    found = planned(acts, "r", 5, ("hold", "target"))
    assert [(step.step, step.does) for step in found] == [
        (StepName.PRODUCERS_TO_SOURCE, written(6, "source", "target")),
        (StepName.STOP_CONSUMERS, written(7, "source", "hold")),
        (
            StepName.CONSUMERS_TO_SOURCE,
            f"{written(8, 'source', 'source')}; {step_of(StepName.CONSUMERS_TO_SOURCE).does}",
        ),
        (StepName.DELETE_TASK, "stop and delete the connectors"),
    ]
    assert found[1].after == "every member attests it: committed, and left the group"
    assert str(found[0]) == (
        "producers-to-source: waits until every producer attests the hold, and the reverse mirror is at zero, if there "
        "is one; "
        f"{written(6, 'source', 'target')}; waits until every producer attests it: held records are released"
    )


def written(generation: int, producers: str, consumers: str) -> str:
    return f'cutover file: generation = {generation}, routes.r: producers = "{producers}", consumers = "{consumers}"'


EXPECTED: dict[str, Role] = {"p": "producer", "c": "consumer"}
BACK = RouteState(task="deleted")


def status(
    name: str, role: Role, state: str = "source", generation: int = 5, renewed: bool = True
) -> tuple[ClientStatus, bool]:
    return ClientStatus(name, role, None, 0.0, generation, "source", state, 0, 0, None, None), renewed


def found(*statuses: tuple[ClientStatus, bool]) -> ReadBack:
    """Read the statuses twice, 3 s apart; some of them are renewed in between."""
    now = [0.0]
    watch = StatusWatch(lambda: now[0])
    watch.look({each.instance: each for each, _ in statuses})
    now[0] = 3.0
    later = {each.instance: replace(each, updated=each.updated + renewed) for each, renewed in statuses}
    watch.look(later)
    return clients(later, EXPECTED, BACK, 5, watch)


def test_clients_that_attest_are_proof() -> None:
    result = found(status("p", "producer"), status("c", "consumer"))
    assert (result.wrong, result.unknown, len(result.proved)) == ([], [], 2)


def test_a_producer_that_hangs_on_hold_is_not_back() -> None:
    result = found(status("p", "producer", "held"), status("c", "consumer"))
    assert result.wrong == ["p is held at generation 5, not on source at generation 5"]


def test_a_client_of_an_older_generation_is_not_back() -> None:
    assert found(status("p", "producer", generation=4), status("c", "consumer")).wrong


def test_a_client_that_is_silent_or_missing_proves_nothing() -> None:
    result = found(status("p", "producer", renewed=False))
    assert not result.wrong
    assert result.unknown == ["p has not renewed its status for 3 s", "c has written no status"]


def test_no_clients_prove_nothing() -> None:
    assert clients({}, {}, BACK, 5, StatusWatch()).unknown == [
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
    ("result", "asked_back", "ended", "code"),
    [
        (ReadBack(proved=["x"]), True, "turned-back", 0),
        (ReadBack(proved=["x"]), False, "completed", 0),
        (ReadBack(proved=["x"]), False, "turned-back", 4),
        (ReadBack(unknown=["x"]), True, "turned-back", 3),
        (ReadBack(unknown=["x"]), False, "turned-back", 3),
        (ReadBack(wrong=["x"], unknown=["x"]), True, "turned-back", 1),
        (ReadBack(wrong=["x"]), False, "completed", 1),
    ],
)
def test_exit_codes(result: ReadBack, asked_back: bool, ended: str, code: int) -> None:
    assert exit_code(result, asked_back=asked_back, ended=ended) == code  # type: ignore[arg-type]
