"""Journals that the product's own conductor has written are possible in the abstract world, and others are not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.conductor.journal import Entry
from cutover_harness.explore.case import Case
from cutover_harness.explore.replay import Replayed, events_of, replay, replay_events
from cutover_harness.procedure.names import StepName

from tests.unit.conductor.test_half_done_steps import REVERSE
from tests.unit.conductor.test_kills import killed_at
from tests.unit.conductor.world import EXACT, FORWARD, World, new_conductor, steps

REAL = json.loads(Path(__file__).with_name("real_runs.json").read_text(encoding="utf-8"))
"""What journals of runs on real brokers show."""


@pytest.mark.parametrize("run", REAL, ids=[run["name"] for run in REAL])
def test_a_run_on_real_brokers(run: dict[str, Any]) -> None:
    path = steps(*(StepName(name) for name in run["path"]))
    case = Case(run["name"], path, run["fleet"], planned=run["planned"])
    found = replay_events(case, [(kind, name) for kind, name in run["events"]])
    assert found.allowed, str(found)


def replayed(path: tuple[StepName, ...], entries: list[Entry]) -> Replayed:
    return replay(Case("test", steps(*path)), entries)


def journal_of(tmp_path: Path, path: tuple[StepName, ...], world: World | None = None) -> list[Entry]:
    conductor = new_conductor(tmp_path, world or World(), steps(*path))
    conductor.run()
    return conductor.journal.read()


def test_a_run_with_exact_offsets(tmp_path: Path) -> None:
    found = replayed(EXACT, journal_of(tmp_path, EXACT))
    assert found.allowed, str(found)


def test_a_run_with_a_reverse_mirror_that_returns(tmp_path: Path) -> None:
    found = replayed(REVERSE, journal_of(tmp_path, REVERSE))
    assert found.allowed, str(found)


def test_a_run_that_was_killed_and_turned_back(tmp_path: Path) -> None:
    killed_at(tmp_path, World(), steps(*FORWARD), "doing", StepName.CONSUMERS_TO_TARGET)
    conductor = new_conductor(tmp_path, World(), steps(*FORWARD))
    conductor.turn_back()
    conductor.run()
    found = replayed(FORWARD, conductor.journal.read())
    assert found.allowed, str(found)


def test_a_run_whose_gate_missed_its_deadline_and_that_resumed(tmp_path: Path) -> None:
    missed = journal_of(tmp_path, FORWARD, World(is_drained=False))
    assert missed[-1].kind == "missed"
    found = replayed(FORWARD, journal_of(tmp_path, FORWARD))
    assert found.allowed, str(found)


def test_a_gate_that_was_not_waited_for_is_noticed(tmp_path: Path) -> None:
    entries = journal_of(tmp_path, EXACT)
    less = [e for e in entries if (e.kind, e.name) != ("gate", "mirror at zero")]
    found = replayed(EXACT, less)
    assert not found.allowed
    assert events_of(less)[found.at or 0] == ("gate", "mirror has missed nothing")


def test_steps_in_another_order_are_noticed(tmp_path: Path) -> None:
    entries = journal_of(tmp_path, FORWARD)
    swapped = [replace(e, name="stop-producers") if (e.kind, e.step) == ("doing", 2) else e for e in entries]
    found = replayed(FORWARD, swapped)
    assert not found.allowed
    assert "is not possible in the world" in str(found)
