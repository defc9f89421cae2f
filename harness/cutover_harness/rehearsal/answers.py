"""What the rehearsal does when its conductor asks: inject a fault, or move apps that have to be restarted."""

from __future__ import annotations

from collections.abc import Callable

from cutover_harness.conductor.conductor import When
from cutover_harness.faults.inject import Injector, Victim
from cutover_harness.plan.path import Act, moves
from cutover_harness.plan.scenario import Scenario
from cutover_harness.rehearsal.growth import Growing
from cutover_harness.replay.fleet import Fleet
from cutover_harness.testbed import Testbed

NEW = "-new"
"""Suffix of the members that are started on the target beside the old ones."""


def asks(scenario: Scenario, *, faults: bool = True, growth: bool = True) -> list[tuple[Act, When]]:
    """Return what a conductor of `scenario` has to ask for; `faults`, `growth`: whether they happen on its route."""
    wanted: list[tuple[Act, When]] = [(f.at, f.when) for f in scenario.faults if faults]
    if growth and scenario.growth is not None:
        wanted.append((scenario.growth.at, scenario.growth.when))
    if scenario.fleet.apps == "restart":
        # Any act may be needed: a path can be turned back.
        wanted += [(act, "move") for act in Act if moves(act) or act == Act.OVERLAP_CONSUMERS]
    return wanted


class Answers:
    """Answers a conductor. `restarts`: whether it moves the apps itself, since they know no cutover file."""

    def __init__(self, injector: Injector, fleet: Fleet, restarts: bool, growing: Growing | None = None) -> None:
        self._injector = injector
        self._growing = growing
        self._fleet = fleet
        self._restarts = restarts
        self._overlap = False

    def __call__(self, act: Act, when: When) -> None:
        """Do what is asked for at `act`."""
        if when != "move":
            if self._growing is not None and (self._growing.growth.at, self._growing.growth.when) == (act, when):
                self._growing.grow()
            self._injector(act, when)
        elif self._restarts:
            self._move(act)

    def _move(self, act: Act) -> None:
        """Stop apps, or start them on a cluster; new members beside the old ones leave the old ones as they are."""
        fleet = self._fleet
        match act:
            case Act.STOP_CONSUMERS:
                fleet.stop_consumers()
            case Act.STOP_PRODUCERS:
                fleet.stop_producers()
            case Act.OVERLAP_CONSUMERS:
                fleet.start_consumers(cluster="target", suffix=NEW)
                self._overlap = True
            case Act.CONSUMERS_TO_TARGET | Act.CONSUMERS_TO_SOURCE if self._overlap:
                ends_new = act == Act.CONSUMERS_TO_SOURCE
                fleet.stop_instances(i for i in fleet.instances("consumer") if i.endswith(NEW) == ends_new)
                self._overlap = False
            case Act.CONSUMERS_TO_TARGET | Act.CONSUMERS_TO_SOURCE:
                fleet.stop_consumers()
                fleet.start_consumers(cluster="target" if act == Act.CONSUMERS_TO_TARGET else "source")
            case Act.PRODUCERS_TO_TARGET | Act.PRODUCERS_TO_SOURCE:
                fleet.stop_producers()
                fleet.start_producers(cluster="target" if act == Act.PRODUCERS_TO_TARGET else "source")
            case _:
                pass


def victims(testbed: Testbed, fleet: Fleet) -> dict[str, Callable[[], Victim]]:
    """Return what each victim of a fault means: the first instance of a role stands for the role."""
    return {
        "connect": lambda: testbed.worker,
        "source": lambda: testbed.source,
        "target": lambda: testbed.target,
        "producer": lambda: fleet.member(fleet.instances("producer")[0]),
        "consumer": lambda: fleet.member(fleet.instances("consumer")[0]),
    }
