"""How long faults last: until the path has reached something, not until a fast machine has."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from cutover_harness.conductor.journal import Entry, Kind
from cutover_harness.faults.base import LastingFault
from cutover_harness.faults.path_progress import PathProgress
from cutover_harness.procedure.names import StepName
from pydantic import ValidationError

from tests.unit.faults.faults import fault as make

STOP, MOVE = StepName.STOP_PRODUCERS, StepName.PRODUCERS_TO_TARGET


def fault(**fields: Any) -> Any:
    return make("freeze", "connect", **{"at": STOP, "seconds": 0.01, **fields})


def entry(kind: Kind, act: StepName | str, step: int = 0) -> Entry:
    return Entry(1, 0, kind, step, str(act), {})


class Lasting:
    """A fault that a thread waits for the end of."""

    def __init__(self, which: LastingFault, *before: Entry) -> None:
        self.progress = PathProgress()
        for each in before:
            self.progress.saw(each)
        self._thread = threading.Thread(target=self.progress.await_end, args=(which, self.progress.here()), daemon=True)
        self._thread.start()

    def lasts(self) -> bool:
        self._thread.join(0.05)
        return self._thread.is_alive()

    def ends(self) -> bool:
        self._thread.join(20)
        return not self._thread.is_alive()


def test_a_fault_that_outlasts_a_step_ends_when_it_is_done_and_traffic_flows() -> None:
    lasting = Lasting(fault(until=MOVE))
    for kind in ("step", "doing", "gate", "done"):
        lasting.progress.saw(entry(kind, MOVE))
    lasting.progress.saw(entry("flows", STOP))
    assert lasting.lasts()
    lasting.progress.saw(entry("flows", MOVE))
    assert lasting.ends()


def test_a_fault_that_blocks_a_step_ends_after_the_path_waits_before_it() -> None:
    lasting = Lasting(fault(until=MOVE))
    lasting.progress.saw(entry("step", STOP, 0))
    lasting.progress.saw(entry("waits", "attested held", 0))
    lasting.progress.saw(entry("step", MOVE, 1))
    assert lasting.lasts()
    lasting.progress.saw(entry("waits", "mirror at zero", 1))
    assert lasting.ends()


def test_waiting_for_clients_after_the_step_does_not_end_the_fault() -> None:
    lasting = Lasting(fault(until=MOVE))
    for kind in ("step", "doing"):
        lasting.progress.saw(entry(kind, MOVE))
    lasting.progress.saw(entry("waits", "attested target"))
    assert lasting.lasts()
    lasting.progress.end()
    assert lasting.ends()


def test_a_step_whose_action_waits_for_what_the_fault_hit_does_not_wait_for_ever() -> None:
    lasting = Lasting(fault(when="during", until=STOP), entry("step", STOP))
    lasting.progress.saw(entry("doing", STOP))
    assert lasting.lasts()
    lasting.progress.saw(entry("waits", STOP))
    assert lasting.ends()


def test_waiting_before_the_fault_does_not_end_it() -> None:
    lasting = Lasting(
        fault(when="during", until=STOP), entry("step", STOP), entry("waits", "mirror has missed nothing")
    )
    lasting.progress.saw(entry("doing", STOP))
    assert lasting.lasts()
    lasting.progress.saw(entry("flows", STOP))
    assert lasting.ends()


def test_a_fault_until_a_gate_is_missed() -> None:
    lasting = Lasting(fault(until="missed"))
    for kind in ("step", "waits"):
        lasting.progress.saw(entry(kind, MOVE))
    assert lasting.lasts()
    lasting.progress.saw(entry("missed", "mirror at zero", -1))
    assert lasting.ends()


def test_the_seconds_of_a_fault_during_a_step_count_from_the_step() -> None:
    lasting = Lasting(fault(when="during"))
    lasting.progress.saw(entry("step", STOP))
    assert lasting.lasts()
    lasting.progress.saw(entry("doing", STOP))
    assert lasting.ends()


def test_a_fault_without_either_ends_whatever_the_path_does() -> None:
    assert Lasting(fault()).ends()


def test_the_end_of_the_path_ends_a_lasting_fault_immediately() -> None:
    begin = time.monotonic()
    lasting = Lasting(fault(until="missed", seconds=600))
    lasting.progress.end()
    assert lasting.ends()
    assert time.monotonic() - begin < 300


def test_the_path_waits_for_a_killed_conductor_so_it_outlasts_nothing() -> None:
    with pytest.raises(ValidationError, match="leave until out"):
        make("kill", "conductor", at=STOP, until=MOVE)


def test_a_fault_that_does_not_last_has_no_end() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        make("join", "group", at=STOP, until=MOVE)
