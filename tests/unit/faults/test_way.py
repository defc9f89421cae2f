"""How long faults last: by what the path has come to, not by how fast a machine gets there."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from cutover_harness.conductor.journal import Entry, Kind
from cutover_harness.errors import UsageError
from cutover_harness.faults.inject import Injector
from cutover_harness.faults.way import Way
from cutover_harness.plan.fault import Fault
from cutover_harness.plan.load import load_all
from cutover_harness.plan.path import Act
from cutover_harness.plan.scenario import Scenario
from cutover_harness.testbed.settings import BROKER
from pydantic import ValidationError

STOP, MOVE = Act.STOP_PRODUCERS, Act.PRODUCERS_TO_TARGET


def fault(kind: str = "freeze", **more: Any) -> Fault:
    return Fault.model_validate({"kind": kind, "of": "connect", "at": STOP, "seconds": 0.01, **more})


def entry(kind: Kind, act: Act | str, step: int = 0) -> Entry:
    return Entry(1, 0, kind, step, str(act), {})


class Lasting:
    """A fault that a thread waits for the end of."""

    def __init__(self, which: Fault, *before: Entry) -> None:
        self.way = Way()
        for each in before:
            self.way.saw(each)
        self._thread = threading.Thread(target=self.way.await_end, args=(which, self.way.here()), daemon=True)
        self._thread.start()

    def lasts(self) -> bool:
        self._thread.join(0.05)
        return self._thread.is_alive()

    def ends(self) -> bool:
        self._thread.join(20)
        return not self._thread.is_alive()


def test_a_fault_that_outlasts_an_act_ends_after_it_is_done_and_traffic_flows() -> None:
    lasting = Lasting(fault(until=MOVE))
    for kind in ("step", "doing", "gate", "done"):
        lasting.way.saw(entry(kind, MOVE))
    lasting.way.saw(entry("flows", STOP))
    assert lasting.lasts()
    lasting.way.saw(entry("flows", MOVE))
    assert lasting.ends()


def test_a_fault_that_keeps_the_path_from_an_act_ends_after_the_path_waits_for_it() -> None:
    lasting = Lasting(fault(until=MOVE))
    lasting.way.saw(entry("step", STOP, 0))
    lasting.way.saw(entry("waits", "attested held", 0))
    lasting.way.saw(entry("step", MOVE, 1))
    assert lasting.lasts()
    lasting.way.saw(entry("waits", "mirror at zero", 1))
    assert lasting.ends()


def test_clients_that_are_waited_for_after_the_act_do_not_end_it() -> None:
    lasting = Lasting(fault(until=MOVE))
    for kind in ("step", "doing", "waits"):
        lasting.way.saw(entry(kind, MOVE))
    assert lasting.lasts()
    lasting.way.end()
    assert lasting.ends()


def test_what_the_act_waited_for_before_the_fault_does_not_end_it() -> None:
    lasting = Lasting(
        fault(when="during", until=STOP), entry("step", STOP), entry("waits", "mirror has missed nothing")
    )
    lasting.way.saw(entry("doing", STOP))
    assert lasting.lasts()
    lasting.way.saw(entry("flows", STOP))
    assert lasting.ends()


def test_a_fault_until_a_gate_is_missed() -> None:
    lasting = Lasting(fault(until="missed"))
    for kind in ("step", "waits"):
        lasting.way.saw(entry(kind, MOVE))
    assert lasting.lasts()
    lasting.way.saw(entry("missed", "mirror at zero", -1))
    assert lasting.ends()


def test_the_seconds_of_a_fault_during_an_act_count_from_the_act() -> None:
    lasting = Lasting(fault(when="during"))
    lasting.way.saw(entry("step", STOP))
    assert lasting.lasts()
    lasting.way.saw(entry("doing", STOP))
    assert lasting.ends()


def test_a_fault_without_either_ends_whatever_the_path_does() -> None:
    assert Lasting(fault()).ends()


def test_the_end_of_the_path_ends_what_was_never_outlasted_at_once() -> None:
    begin = time.monotonic()
    lasting = Lasting(fault(until="missed", seconds=600))
    lasting.way.end()
    assert lasting.ends()
    assert time.monotonic() - begin < 300


@pytest.mark.parametrize("which", [{"kind": "join", "of": "group"}, {"kind": "kill", "of": "conductor"}])
def test_what_the_path_waits_for_outlasts_nothing(which: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="leave until out"):
        Fault.model_validate({**which, "at": STOP, "until": MOVE})


class Victim:
    """A process that a signal stops, or that goes on regardless."""

    def __init__(self, stops: bool = True, comes_back: bool = True) -> None:
        self.did: list[str] = []
        self._stops = stops
        self._comes_back = comes_back

    def kill(self) -> None:
        self.did.append("kill")

    def freeze(self) -> None:
        self.did.append("freeze")

    def thaw(self) -> None:
        self.did.append("thaw")

    def stop(self) -> str | None:
        self.did.append("stop")
        return "not shut down 51 s after SIGTERM, so it was killed (SIGKILL)"

    def restart(self) -> None:
        self.did.append("restart")
        if not self._comes_back:
            raise UsageError("connect did not answer\nwithin 90 s")

    def stopped(self) -> bool:
        return self._stops


def inject(which: Fault, victim: Victim) -> Injector:
    injector = Injector((which,), {"connect": lambda: victim})
    injector(which.at, which.when)
    injector.finish()
    return injector


def test_a_restart_is_down_before_the_path_goes_on_and_says_where_it_was_killed() -> None:
    victim = Victim()
    (guard,) = inject(fault("restart"), victim).guards
    assert victim.did == ["stop", "restart"]
    assert guard.held
    assert "was down at stop-producers (not shut down 51 s after SIGTERM, so it was killed (SIGKILL))" in guard.evidence


def test_a_restart_of_what_never_went_down_proves_nothing() -> None:
    assert not inject(fault("restart"), Victim(stops=False)).guards[0].held


def test_a_victim_that_does_not_come_back_is_told() -> None:
    hit, ended = inject(fault("kill"), Victim(comes_back=False)).guards
    assert hit.held
    assert (ended.held, ended.evidence) == (False, "connect did not answer within 90 s")


@pytest.mark.parametrize("scenario", load_all(), ids=lambda scenario: scenario.name)
def test_a_broker_that_stands_still_is_not_taken_for_dead(scenario: Any) -> None:
    """Or whether clients lose it altogether depends on when its heartbeat was due."""
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
        if not (each.when == "during" or each.until is not None or each.at in (Act.CREATE_TASK, Act.SYNCHRONISE)):
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
    old = Fault.model_validate({"kind": "freeze", "of": "connect", "at": STOP, "when": "after", "seconds": 30})
    assert len(races(turned_back.model_copy(update={"faults": (old,), "lag_at": ()}))) == 2
