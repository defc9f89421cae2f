"""One scenario, from brokers to verdict: start, run, drain, stop, judge."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cutover_harness.conductor.observer import Observer
from cutover_harness.judge.model import Copied, DrainProof, Report, RunFacts
from cutover_harness.plan.scenario import Scenario
from cutover_harness.rehearsal.arrivals import ArrivalSampler
from cutover_harness.rehearsal.facts import Evidence
from cutover_harness.rehearsal.judged import judged
from cutover_harness.rehearsal.lab import Lab, build_lab
from cutover_harness.rehearsal.replay_input import ReplayInput, prepare
from cutover_harness.rehearsal.route_runs import BROKEN, RouteRun, lag, proofs, unproved
from cutover_harness.rehearsal.sampler import LagSampler
from cutover_harness.rehearsal.settings import Settings
from cutover_harness.rehearsal.testbeds import brokers_of, start_testbed
from cutover_harness.replay.rhythm import rhythm
from cutover_harness.testbed.base import TargetKind, Testbed


class Watcher(Observer, Protocol):
    """An observer that also shows the lag."""

    def lag(self, records: int) -> None:
        """Show the mirror lag, in records."""
        ...


@dataclass
class Rehearsal:
    """One run of one scenario below `folder`; `number` marks its records.

    kill_at_s: moments, in seconds from the start of the path, at which the conductor is killed.
    environment: description of the testbed; empty until it is started.
    evidence: set by `run_path`; facts: set by `finish`.
    """

    scenario: Scenario
    settings: Settings
    folder: Path
    number: int
    observer: Watcher
    kill_at_s: Sequence[float] = ()
    environment: dict[str, str] = field(default_factory=dict, init=False)
    target_kind: TargetKind = field(default="stand-in", init=False)
    evidence: Evidence = field(init=False)
    facts: RunFacts = field(init=False)
    _testbed: Testbed | None = field(default=None, init=False)
    _cleanup: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, init=False)

    def run_path(self) -> None:
        """Run the path on a testbed of its own, until all that was produced is consumed.

        Raises UsageError, OSError or KafkaException if the environment is not fit. A path that was not completed
        is no error: the facts contain the reason, and the verdict is INCONCLUSIVE at best.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        replay = prepare(self.scenario, self.settings, self.folder, self.settings.planned(self.scenario.name))
        if replay.warning is not None:
            self.observer.note(f"capture {replay.capture}: {replay.warning}")
        started_ns = time.time_ns()
        try:
            brokers = brokers_of(self.scenario, self.settings)
            started = start_testbed(self.settings, self.folder, self.observer.note, self._cleanup, brokers)
            self._testbed = started.testbed
            self.environment, self.target_kind = started.environment, started.target_kind
            lab = build_lab(
                self.scenario,
                started.testbed,
                replay,
                folder=self.folder,
                number=self.number,
                seed=self.settings.seed,
                patience_s=started.timing.patience_s,
                note=self.observer.note,
            )
            self.evidence = self._run(lab, replay, started.timing.around_s, started_ns)
        except BaseException:
            self._cleanup.close()
            raise

    @property
    def left(self) -> Sequence[str]:
        """What the run could not remove from its clusters, in words."""
        return () if self._testbed is None else self._testbed.left

    def finish(self) -> Report:
        """Stop the testbed, judge the ledgers and write `run.json` and `verdict.json`. Raises OSError."""
        self._cleanup.close()
        prefix = "" if self._testbed is None else self._testbed.prefix
        self.facts, report = judged(self.evidence, self.folder, prefix)
        self.facts.save(self.folder / "run.json")
        report.save(self.folder / "verdict.json")
        return report

    def _run(self, lab: Lab, replay: ReplayInput, around_s: float, started_ns: int) -> Evidence:
        """Start the fleet, run the path, drain, and return the evidence."""
        with contextlib.closing(lab):
            routes = lab.start(self.folder, self.observer, self.kill_at_s)
            arrivals = ArrivalSampler(lab.migration.cutover_file, lab.fleet.status_dir)
            with arrivals, LagSampler(lambda: lag(routes), self.observer.lag) as sampler:
                failure = self._run_routes(routes)
                lab.injector.finish()
            self.observer.note("producers stop; consumers drain")
            drained, copied = _drain(lab, routes)
            found = [route.evidence() for route in routes]
        conductors = [route.conductor for route in routes]
        growing, left_out = lab.growing, lab.migration.left_out
        return Evidence(
            scenario=lab.scenario,
            number=self.number,
            seed=self.settings.seed,
            speed=replay.speed,
            testbed=self.environment,
            capture=replay.facts() | ({"properties": list(left_out)} if left_out else {}) | _rhythm(lab, replay),
            around_s=around_s,
            started_ns=started_ns,
            finished_ns=time.time_ns(),
            routes=found,
            stays=lab.migration.stays,
            marks=[
                *lab.injector.marks,
                *(growing.marks if growing else ()),
                *(mark for each in conductors for mark in each.marks),
            ],
            fault_proofs=[*lab.injector.preconditions, *(proof for each in conductors for proof in each.preconditions)],
            grown=growing.grown if growing else None,
            lag=sampler.samples,
            drain=drained,
            copied=copied,
            destroyed=lab.injector.destroyed,
            reach=arrivals.reach(self.scenario.fleet) if self.scenario.fleet.apps == "shim" else None,
            failure=failure,
            planned=self.settings.planned(self.scenario.name),
        )

    def _run_routes(self, routes: Sequence[RouteRun]) -> str | None:
        """Run the path for one batch after the other; return why it did not end as expected, None if it did.

        If one is not completed, those after it do not begin.
        """
        for route in routes:
            failure = route.run(self.scenario.expect.ends, self.observer.note)
            if failure is not None or route.conductor.ended != "completed":
                return failure
        return None


def _rhythm(lab: Lab, replay: ReplayInput) -> dict[str, Any]:
    """Return when the capture's records were due, for the plots of a report."""
    began_ns = lab.fleet.replay_began_ns
    if began_ns is None:
        return {}
    return {"rhythm": rhythm(replay.capture, replay.clock_ms, replay.speed, began_ns, list(replay.written))}


def _drain(lab: Lab, routes: Sequence[RouteRun]) -> tuple[list[DrainProof], list[Copied]]:
    """End the producers, let the groups consume everything, then end the consumers.

    Return the drain proofs, and what the mirror is proved to have copied.
    """
    try:
        lab.fleet.stop_producers()
        if lab.account is not None:
            lab.account.stop_lines()
        migration = lab.migration
        found = proofs(routes, migration.stays, migration.source, migration.target, lab.patience_s)
        lab.fleet.stop_consumers()
        if lab.account is not None:
            lab.account.write(lab.fleet.ledger_dir)
    except BROKEN as why:
        return unproved([group for batch in lab.migration.batches for group in batch.groups], why), []
    return found
