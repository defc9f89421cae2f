"""What the journal keeps for the report: the clients' blackouts, and the offsets from which groups resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cutover_harness.conductor.cutover_file_writer import CutoverFileWriter
from cutover_harness.conductor.switches import switches
from cutover_harness.procedure.names import StepName

from tests.unit.conductor.world import EXACT, FORWARD, SwitchingFleet, World, new_conductor, steps


def status(role: str, **switch: Any) -> dict[str, Any]:
    return {"role": role, "group": "g", "app": "a", "routes": {"r": {"cluster": "target", "switch": switch}}}


def test_a_switch_is_read_by_role() -> None:
    found = switches(
        {
            "p": status("producer", generation=3, left_at=9.5, last_acked_at=9.0, first_acked_at=10.5),
            "c": status("consumer", generation=2, left_at=5, last_delivered_at=4.0, first_delivered_at=None),
        },
        "r",
    )
    assert [(each["client"], each["last_at"], each["first_at"]) for each in found] == [
        ("c", 4.0, None),
        ("p", 9.0, 10.5),
    ]


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"role": "producer", "routes": {"r": {"switch": None}}},
        {"role": "producer", "routes": {"other": {"switch": {"generation": 1}}}},
        {"role": "producer", "routes": []},
        {"role": "x", "routes": {"r": {"switch": {"generation": 1}}}},
        {"role": "producer", "routes": {"r": {"switch": {"generation": "1"}}}},
    ],
)
def test_what_is_no_switch_on_the_route_is_left_out(content: dict[str, Any]) -> None:
    assert switches({"p": content}, "r") == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "9", True, 10**400])
def test_a_time_that_is_none_is_not_known(value: Any) -> None:
    (row,) = switches({"p": status("producer", generation=1, left_at=value)}, "r")
    assert row["left_at"] is None


def test_blackouts_are_in_the_journal_and_none_is_read_while_clients_are_on_hold(
    tmp_path: Path,
) -> None:
    conductor = new_conductor(tmp_path, World(), steps(*FORWARD), fleet=SwitchingFleet)
    assert conductor.run()
    noted = [(entry.name, entry.detail["clients"]) for entry in conductor.journal.read() if entry.kind == "switched"]
    assert [name for name, _ in noted] == [StepName.CONSUMERS_TO_TARGET, StepName.PRODUCERS_TO_TARGET]
    assert [round(each["first_at"] - each["last_at"], 3) for each in noted[-1][1]] == [2.5, 2.5]


def test_blackouts_that_last_are_in_the_journal_if_a_gate_stays_closed(
    tmp_path: Path,
) -> None:
    conductor = new_conductor(tmp_path, World(is_drained=False), steps(*FORWARD), fleet=SwitchingFleet)
    assert not conductor.run()
    last = [entry for entry in conductor.journal.read() if entry.kind == "switched"][-1]
    assert {each["client"]: each["first_at"] is None for each in last.detail["clients"]} == {"p": True, "c": False}


def test_without_the_shim_nothing_is_noted(tmp_path: Path) -> None:
    conductor = new_conductor(tmp_path, World(), steps(*FORWARD))
    assert conductor.run()
    assert isinstance(conductor.cutover_file, CutoverFileWriter)
    assert not [entry for entry in conductor.journal.read() if entry.kind == "switched"]


@pytest.mark.parametrize(("path", "proved"), [(EXACT, True), (FORWARD, False)])
def test_the_offsets_from_which_groups_resume_are_noted_before_they_start(
    path: tuple[StepName, ...], proved: bool, tmp_path: Path
) -> None:
    conductor = new_conductor(tmp_path, World(target_committed=3), steps(*path))
    assert conductor.run()
    entries = conductor.journal.read()
    (noted,) = [entry for entry in entries if entry.kind == "resumes"]
    assert noted.detail["groups"] == {"g": [["t", 0, 5, 5 if proved else 3, proved]]}
    (started,) = [entry for entry in entries if entry.kind == "doing" and entry.name == StepName.CONSUMERS_TO_TARGET]
    assert noted.id < started.id
