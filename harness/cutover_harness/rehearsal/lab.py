"""The lab of one scenario: its fleet, its faults, and a conductor with a mirror for each batch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cutover_harness.conductor.observer import Observer
from cutover_harness.faults.injector import Injector
from cutover_harness.plan.scenario import Scenario
from cutover_harness.rehearsal.answers import Answers, restarted
from cutover_harness.rehearsal.conductors import new_conductor
from cutover_harness.rehearsal.fault_context import fault_context
from cutover_harness.rehearsal.fleets import Account, new_account, new_fleet
from cutover_harness.rehearsal.growth import Growing
from cutover_harness.rehearsal.migration import Migration, set_up
from cutover_harness.rehearsal.mounts import Mounts
from cutover_harness.rehearsal.replay_input import ReplayInput
from cutover_harness.rehearsal.route_runs import RouteRun
from cutover_harness.rehearsal.run_names import RunNames
from cutover_harness.rehearsal.testbeds import mirror_on
from cutover_harness.replay.fleet import Fleet, FleetError
from cutover_harness.testbed import Testbed


@dataclass
class Lab:
    """Everything that a scenario runs on, besides its testbed.

    mounts: the copies of the cutover file, None if all instances follow the one file. account: of the batches'
    connectors, None without any. patience_s: how long nothing may make any progress.
    """

    scenario: Scenario
    testbed: Testbed
    migration: Migration
    fleet: Fleet
    growing: Growing | None
    injector: Injector
    mounts: Mounts | None
    patience_s: float
    account: Account | None
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, init=False)

    def start(self, folder: Path, observer: Observer, kill_at_s: Sequence[float]) -> list[RouteRun]:
        """Start the fleet, and return a run for each batch that moves, not started.

        kill_at_s: moments, in seconds from its start, at which the conductor of the first batch is killed.
        """
        if self.mounts is not None:
            self._open.enter_context(self.mounts)
        if self.account is not None:
            self.account.launch()
        self.fleet.start()
        if self.account is not None:
            self._open.callback(self.account.close)
            self.account.start()
        runs: list[RouteRun] = []
        for batch in self.migration.moving:
            # Faults hit while the first one moves.
            first = not runs
            moved = restarted(self.scenario, batch, self.fleet)
            connectors = None if self.account is None else self.account.batches.get(batch.name)
            mirror = self._open.enter_context(mirror_on(self.testbed, batch))
            conductor = new_conductor(
                self.scenario,
                batch,
                self.testbed,
                self.fleet,
                self.migration,
                run_folder=folder,
                patience_s=self.patience_s,
                faults=first,
                observer=observer,
                answer=Answers(self.injector, self.fleet, moved, self.growing, connectors),
                moved=moved,
                connectors=connectors,
            )
            if first:
                conductor.kill_at_s = kill_at_s
                conductor.saw = self.injector.progress.saw
                self.injector.context.conductor = conductor
            several = len(self.migration.batches) > 1
            runs.append(RouteRun(batch, mirror, conductor, several=several, patience_s=self.patience_s))
        return runs

    def close(self) -> None:
        """Stop what runs. A run that ended badly is not judged by how its apps end."""
        with self._open, contextlib.suppress(FleetError):
            self.fleet.stop(grace=10.0)


def build_lab(
    scenario: Scenario,
    testbed: Testbed,
    replay: ReplayInput,
    *,
    folder: Path,
    number: int,
    seed: int,
    patience_s: float,
    note: Callable[[str], None],
) -> Lab:
    """Create the topics and the cutover file, and return the lab; nothing of it runs yet.

    seed: decides what is drawn. patience_s: how long nothing may make any progress on this testbed.
    Raises UsageError if the topics, the batches or the growth do not fit.
    """
    names = RunNames(testbed.prefix)
    scenario, replay = names.scenario(scenario), names.replay(replay)
    patience_s += scenario.fleet.late_s
    migration = set_up(scenario, testbed, replay, folder, note)
    mounts, delay = None, scenario.fleet.file_delay
    if delay is not None:
        mounts = Mounts(migration.cutover_file, folder.absolute() / "mounts", delay, seed)
    mount = None if mounts is None else mounts.mount
    fleet = new_fleet(scenario, migration, replay, folder=folder, number=number, mount=mount, prefix=testbed.prefix)
    first, growth = migration.moving[0], scenario.growth
    context = fault_context(testbed, fleet, first, migration, lambda: mirror_on(testbed, first), mounts, patience_s)
    return Lab(
        scenario=scenario,
        testbed=testbed,
        migration=migration,
        fleet=fleet,
        growing=None if growth is None else Growing(growth, replay, migration, fleet),
        injector=Injector(scenario.faults, context),
        mounts=mounts,
        patience_s=patience_s,
        account=new_account(testbed, migration, folder.absolute() / "connectors", number, patience_s),
    )
