"""Faults of the catalogue: what they hit does not depend on how fast the machine is."""

from __future__ import annotations

from typing import Any

import pytest
from cutover_harness.plan.load import load_all
from cutover_harness.plan.scenario import Scenario
from cutover_harness.procedure.names import StepName
from cutover_harness.testbed.settings import BROKER

from tests.unit.faults.faults import fault


@pytest.mark.parametrize("scenario", load_all(), ids=lambda scenario: scenario.name)
def test_a_frozen_broker_is_not_fenced(scenario: Any) -> None:
    """Otherwise it depends on the time of its last heartbeat whether clients lose it."""
    session_s = int(BROKER["broker.session.timeout.ms"]) / 1000
    assert all(
        each.seconds < session_s
        for each in scenario.faults
        if each.kind == "freeze" and each.of in ("source", "target")
    )


def races(scenario: Scenario) -> list[str]:
    """Return the faults whose effect is decided by seconds alone: they meet their act, or what they act on, by luck."""
    found = []
    for each in scenario.faults:
        if each.of not in ("connect", "source", "target", "producer", "consumer"):
            continue
        if not (
            each.when == "during"
            or getattr(each, "until", None) is not None
            or each.at in (StepName.CREATE_TASK, StepName.SYNCHRONISE)
        ):
            found.append(f"{each.kind} {each.of} at {each.at}: seconds alone decide what it meets")
        waited_for = {act for acts in scenario.preconditions.values() for act in acts}
        overtaken = any(other.kind == "expire" and other.at == each.at for other in scenario.faults)
        if each.of == "connect" and not (waited_for & {each.at, each.until} or overtaken):
            found.append(f"{each.kind} connect at {each.at}: nothing proves that the mirror has something left to do")
    return found


@pytest.mark.parametrize("scenario", load_all(), ids=lambda scenario: scenario.name)
def test_no_fault_of_the_catalogue_depends_on_how_fast_a_machine_is(scenario: Scenario) -> None:
    assert not races(scenario)


def test_a_mirror_frozen_after_producers_are_held_may_have_nothing_left_to_do() -> None:
    """What turned-back was, and on a fast machine its deadline was not missed."""
    turned_back = next(scenario for scenario in load_all() if scenario.name == "turned-back")
    old = fault("freeze", "connect", at=StepName.STOP_PRODUCERS, when="after", seconds=30)
    assert len(races(turned_back.model_copy(update={"faults": (old,), "lag_at": ()}))) == 2
