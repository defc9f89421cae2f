"""Answers to a conductor: inject a fault, let topics grow, or move apps that have to be restarted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from cutover_harness.conductor.journalled_gates import When
from cutover_harness.faults.injector import Injector
from cutover_harness.plan.batch import ResolvedBatch
from cutover_harness.plan.scenario import Scenario
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.state import role_of
from cutover_harness.procedure.steps import STEPS, step_of
from cutover_harness.rehearsal.connectors.moving import BatchConnectors
from cutover_harness.rehearsal.growth import Growing
from cutover_harness.replay.fleet import Fleet

NEW = "-new"
"""Suffix of members that start on the target next to the old ones."""


@dataclass(frozen=True)
class Restarted:
    """Clients of a batch that are stopped and started, since they follow no cutover file."""

    groups: Sequence[str]
    producers: Collection[str]


def restarted(scenario: Scenario, batch: ResolvedBatch, fleet: Fleet) -> Restarted | None:
    """Return the clients of a batch that are restarted, None if all of them follow the cutover file."""
    if scenario.fleet.apps == "restart":
        return Restarted(batch.groups, fleet.instances("producer"))
    if batch.restarts is None:
        return None if batch.connectors is None else Restarted((), ())
    producers = producers_of(scenario, batch, fleet)
    return Restarted(batch.restarts.groups, producers[len(producers) - batch.restarts.producers :])


def producers_of(scenario: Scenario, batch: ResolvedBatch, fleet: Fleet) -> list[str]:
    """Return the instances of the producers that send to a batch's topics."""
    if not scenario.batches or not fleet.shape.sets:
        return fleet.instances("producer")
    own = [name for name, each in scenario.batches.items() if each.producers is not None]
    # Producers of batches without their own are the last set.
    return fleet.producer_names(own.index(batch.name) if batch.name in own else len(own))


def asks(
    scenario: Scenario, *, faults: bool = True, growth: bool = True, restarts: bool = False
) -> list[tuple[StepName, When]]:
    """Return what a conductor of `scenario` has to ask for.

    faults, growth: whether they happen to its batch. restarts: whether clients of its batch are restarted.
    """
    wanted: list[tuple[StepName, When]] = [(f.at, f.when) for f in scenario.faults if faults]
    if growth and scenario.growth is not None:
        wanted.append((scenario.growth.at, scenario.growth.when))
    if restarts:
        # Any step may be needed: a path can be turned back.
        wanted += [(step.name, "move") for step in STEPS if step.moves_apps]
    return wanted


class Answers:
    """Answers the conductor of a batch.

    moved: the clients that it moves, None if all follow the cutover file. connectors: those of the batch.
    """

    def __init__(
        self,
        injector: Injector,
        fleet: Fleet,
        moved: Restarted | None,
        growing: Growing | None = None,
        connectors: BatchConnectors | None = None,
    ) -> None:
        self._injector = injector
        self._growing = growing
        self._fleet = fleet
        self._moved = moved
        self._connectors = connectors
        self._overlap = False

    def __call__(self, step: StepName, when: When) -> None:
        """Do what the conductor asks for at a step."""
        if when != "move":
            if self._growing is not None and (self._growing.growth.at, self._growing.growth.when) == (step, when):
                self._growing.grow()
            self._injector.inject(step, when)
        elif self._moved is not None:
            self._move(step, self._moved)
            self._repoint(step)

    def _repoint(self, name: StepName) -> None:
        """Point the Connect worker to the other cluster, as the plan's command does in the run of a plan."""
        step = step_of(name)
        if self._connectors is not None and step.moves is not None and step.destination in ("source", "target"):
            self._connectors.repoint(role_of(step.moves), step.destination)

    def _move(self, name: StepName, moved: Restarted) -> None:
        """Stop apps, or start them on a cluster; overlapping members do not affect the old ones."""
        fleet, step = self._fleet, step_of(name)
        match step.moves, step.destination:
            case "consumers", "hold":
                fleet.stop_consumers(moved.groups)
            case "producers", "hold":
                fleet.stop_instances(moved.producers)
            case "consumers", ("source" | "target") as cluster if self._overlap:
                ends_new = cluster == "source"
                members = [name for group in moved.groups for name in fleet.instances("consumer", group)]
                fleet.stop_instances(name for name in members if name.endswith(NEW) == ends_new)
                self._overlap = False
            case "consumers", ("source" | "target") as cluster:
                fleet.stop_consumers(moved.groups)
                fleet.start_consumers(moved.groups, cluster=cluster)
            case "producers", ("source" | "target") as cluster:
                fleet.stop_instances(moved.producers)
                fleet.start_producers(moved.producers, cluster=cluster)
            case _ if name == StepName.OVERLAP_CONSUMERS:
                fleet.start_consumers(moved.groups, cluster="target", suffix=NEW)
                self._overlap = True
