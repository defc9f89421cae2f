"""One scenario, from brokers to verdict."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from confluent_kafka import KafkaException

from cutover_harness.admin import Admin
from cutover_harness.capture.format import CaptureReader, TopicInfo
from cutover_harness.conductor.gates import GateMissedError
from cutover_harness.conductor.journal import Journal
from cutover_harness.conductor.pointer import PointerFile, RoutePointer
from cutover_harness.conductor.process import ConductorConfig
from cutover_harness.conductor.protocols import Observer
from cutover_harness.conductor.resume import reached
from cutover_harness.conductor.statuses import Role
from cutover_harness.conductor.timeline import timeline
from cutover_harness.errors import UsageError
from cutover_harness.faults.cutover_file import BrokenFile
from cutover_harness.faults.group import Joining
from cutover_harness.faults.inject import Injector, Victim
from cutover_harness.faults.proof import Happening
from cutover_harness.faults.topics import SourceTopics
from cutover_harness.judge import judge, verdict
from cutover_harness.judge.model import Copied, DrainProof, Expectation, Report, RunFacts
from cutover_harness.ledger import read_ledgers
from cutover_harness.mirror import Mirror
from cutover_harness.plan.path import RouteState
from cutover_harness.plan.scenario import Scenario
from cutover_harness.rehearsal import drain, guards
from cutover_harness.rehearsal.answers import Answers, asks
from cutover_harness.rehearsal.conducted import Conducted
from cutover_harness.rehearsal.sampler import LagSampler
from cutover_harness.rehearsal.settings import TARGET_RUN_S, Settings
from cutover_harness.rehearsal.testbeds import new_testbed
from cutover_harness.replay.config import ClusterName, ReplayOptions
from cutover_harness.replay.fleet import Fleet, FleetError, FleetShape
from cutover_harness.testbed import Testbed

ROUTE = "all"
DRAIN_DEADLINE_S = 60.0
# What can break while things are broken on purpose: the run stops there, and says so.
BROKEN = (GateMissedError, UsageError, KafkaException)


class Watcher(Observer, Protocol):
    """An observer that also shows the lag."""

    def lag(self, records: int) -> None:
        """Show the mirror lag, in records."""
        ...


@dataclass
class Rehearsal:
    """One run of one scenario below `folder`; `run` is the number that marks its records.

    `kill_at_s`: moments, in seconds from the start of the path, at which the conductor is killed.
    """

    scenario: Scenario
    settings: Settings
    folder: Path
    run: int
    observer: Watcher
    kill_at_s: Sequence[float] = ()
    facts: RunFacts = field(init=False)
    environment: dict[str, str] = field(default_factory=dict, init=False)
    _cleanup: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, init=False)
    target_kind: str = field(default="", init=False)

    def walk(self) -> None:
        """Walk the path on a testbed of its own, until all that was produced is consumed.

        Raises UsageError where the environment is not fit. A path that could not be walked to its end is no error: the
        facts say what stopped it, and the verdict is INCONCLUSIVE at best.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with CaptureReader(self.settings.capture) as capture:
            low, high = capture.span_ms()
            topics, records = capture.info.topics, capture.records
        span_s = max((high - low) / 1000, 1.0)
        self.facts = RunFacts(
            run=self.run,
            scenario=self.scenario.name,
            title=self.scenario.title,
            path=[step.act for step in self.scenario.path],
            route=ROUTE,
            groups={group: list(topics) for group in self.scenario.fleet.groups},
            started_ns=time.time_ns(),
            expectation=_expectation(self.scenario),
            capture={
                "name": self.settings.capture.name,
                "records": records,
                "topics": sorted(topics),
                "span_s": span_s,
            },
            speed=self.settings.speed or max(span_s / TARGET_RUN_S, 1.0),
            seed=self.settings.seed,
        )
        try:
            self._on(self._start(), topics)
        except BaseException:
            self._cleanup.close()
            raise

    def finish(self) -> Report:
        """Stop the testbed, judge the ledgers and write `run.json` and `verdict.json`."""
        self._cleanup.close()
        judgement = judge(read_ledgers(self.folder / "ledger"), self.facts)
        held = guards.mid_traffic(judgement, self.facts.cuts, self.facts.marks)
        self.facts = replace(self.facts, guards=[*self.facts.guards, *held])
        report = Report(verdict=verdict(judgement, self.facts), judgement=judgement)
        self.facts.save(self.folder / "run.json")
        report.save(self.folder / "verdict.json")
        return report

    def _start(self) -> Testbed:
        workdir = self.folder / "testbed"
        testbed = new_testbed(self.settings, workdir)
        if not self.settings.keep:
            self._cleanup.callback(shutil.rmtree, workdir, ignore_errors=True)
        self._cleanup.callback(_keep_logs, workdir / "logs", self.folder / "logs")
        testbed.start(self.observer.note)
        self._cleanup.enter_context(testbed)
        self.environment, self.target_kind = testbed.describe(), testbed.target_kind
        self.facts = replace(self.facts, testbed=self.environment)
        return testbed

    def _on(self, testbed: Testbed, topics: Mapping[str, TopicInfo]) -> None:
        source, target = testbed.source.client_config(), testbed.target.client_config()
        admins = Admin(source), Admin(target)
        for name, info in topics.items():
            admins[0].create_topics({name: info.partitions}, info.config)
        groups = list(self.scenario.fleet.groups)
        clusters = {"source": source, "target": target}
        route = RoutePointer(list(topics), groups)
        pointer = PointerFile(self.folder.absolute() / "cutover.toml", clusters, {ROUTE: route})
        pointer.write()

        fleet = self._fleet(list(topics), pointer.path, {"source": source, "target": target})
        journal = self.folder / "journal.sqlite"
        of_batch = partial(
            Mirror,
            testbed.connect_url,
            source,
            target,
            batch=ROUTE,
            topics=route.topics,
            groups=groups,
            exactly_once=testbed.exactly_once,
        )
        happenings: dict[str, Happening] = {
            "cutover-file": BrokenFile(pointer.path, fleet.status_dir, ROUTE),
            "group": Joining(fleet),
            "topics": SourceTopics(source, target, topics, groups, of_batch),
        }
        injector = Injector(self.scenario.faults, _victims(testbed, fleet), happenings)
        with of_batch() as mirror:
            try:
                fleet.start()
                config = self._conductor(testbed, pointer, fleet, journal)
                answer = Answers(injector, fleet, self.scenario.fleet.apps == "restart")
                conducted = Conducted(
                    config, self.folder, self.observer, answer, self._check(fleet), self.scenario.faults, self.kill_at_s
                )
                with LagSampler(mirror.lag, self.observer.lag) as sampler:
                    failure = self._walk(conducted)
                    injector.finish()
                entries = Journal(journal).read()
                proofs, copied = self._drain(reached(entries), fleet, mirror, admins)
            finally:
                with contextlib.suppress(FleetError):  # a run that ended badly is not judged by how its apps end
                    fleet.stop(grace=10.0)
        told = timeline(entries, groups)
        self.facts = replace(
            self.facts,
            finished_ns=time.time_ns(),
            path=[str(act) for act in told.walked] or self.facts.path,
            marks=sorted([*told.marks, *injector.marks, *conducted.marks], key=lambda mark: mark.time_ns),
            lag=sampler.samples,
            cuts=told.cuts,
            copied=[*told.copied, *copied],
            drain=proofs,
            guards=[
                *guards.lag_at_cut(told.lag_at, self.scenario.lag_at),
                *guards.faults_hit(self.scenario.faults, [*injector.guards, *conducted.guards]),
            ],
            cluster_left=["source"] if reached(entries).producers == "target" else ["target"],
            completed=failure is None,
            failure=failure,
        )

    def _conductor(self, testbed: Testbed, pointer: PointerFile, fleet: Fleet, journal: Path) -> ConductorConfig:
        clients: dict[str, Role] = dict.fromkeys(fleet.instances("producer"), "producer")
        clients |= dict.fromkeys(fleet.instances("consumer"), "consumer")
        route = pointer.routes[ROUTE]
        return ConductorConfig(
            route=ROUTE,
            topics=list(route.topics),
            groups=list(route.groups),
            clients=clients,
            members=dict(self.scenario.fleet.groups) if self.scenario.fleet.apps == "restart" else None,
            steps=list(self.scenario.path),
            gates=self.scenario.gates,
            lag_at=list(self.scenario.lag_at),
            asks=asks(self.scenario),
            on_missed=self.scenario.on_missed,
            connect_url=testbed.connect_url,
            exactly_once=testbed.exactly_once,
            cutover_file=pointer.path,
            statuses=fleet.status_dir,
            journal=journal.absolute(),
        )

    def _check(self, fleet: Fleet) -> Callable[[], None]:
        """Return what raises where an app died by itself; a fault that kills apps is no reason to stop."""
        killed = {"producer", "consumer"} & {fault.of for fault in self.scenario.faults}
        return (lambda: None) if killed else fleet.check

    def _walk(self, conducted: Conducted) -> str | None:
        """Have the path walked; return why it did not end as expected, None where it did."""
        try:
            why = conducted.run()
        except BROKEN as broken:
            self.observer.note(f"stopped: {broken}")
            return str(broken)
        expected = self.scenario.expect.ends
        if why is None:
            return (
                None if expected == "walked" else f"the path was expected to be {expected}, and was walked to its end"
            )
        return None if expected == conducted.ended else why

    def _drain(
        self, state: RouteState, fleet: Fleet, mirror: Mirror, admins: tuple[Admin, Admin]
    ) -> tuple[list[DrainProof], list[Copied]]:
        """End the producers, let everything they produced be consumed, then end the consumers.

        Return the drain proofs, and what the mirror is proven to have copied.
        """
        self.observer.note("producers stop; consumers drain")
        topics, groups = list(self.facts.capture["topics"]), list(self.facts.groups)
        copied: list[Copied] = []
        try:
            if state.consumers == "hold":
                raise UsageError("consumers were left on hold")
            fleet.stop_producers()
            if state.consumers == "target" and state.task != "deleted" and not state.reverse:
                copied = drain.prove_copied(mirror, admins[0], topics, DRAIN_DEADLINE_S)
            cluster = admins[0] if state.consumers == "source" else admins[1]
            proofs = drain.prove(cluster, state.consumers, groups, topics, DRAIN_DEADLINE_S)
            fleet.stop_consumers()
        except BROKEN as why:
            proofs = [DrainProof(group=group, held=False, evidence=str(why)) for group in groups]
        return proofs, copied

    def _fleet(
        self, topics: list[str], cutover_file: Path, endpoints: Mapping[ClusterName, Mapping[str, str]]
    ) -> Fleet:
        shape = self.scenario.fleet
        return Fleet(
            FleetShape(
                producers=shape.producers,
                groups=shape.groups,
                producer_client=shape.producer,
                consumer_client=shape.consumer,
                work_ms=shape.work_ms,
                commit=shape.commit,
            ),
            ReplayOptions(capture=self.settings.capture.absolute(), speed=self.facts.speed, loop=True),
            folder=self.folder,
            run=self.run,
            topics=topics,
            cutover_file=cutover_file if shape.apps == "shim" else None,
            endpoints=endpoints,
        )


def _keep_logs(logs: Path, kept: Path) -> None:
    if logs.is_dir():
        shutil.copytree(logs, kept, dirs_exist_ok=True)


def _expectation(scenario: Scenario) -> Expectation:
    expect = scenario.expect
    return Expectation(
        lost=expect.lost,
        phantom=expect.phantom,
        disordered=expect.disordered,
        stranded=expect.stranded,
        duplicated={str(cause): most for cause, most in expect.duplicated.items()},
        must_fail=expect.must_fail,
        documented=scenario.documented,
        max_blackout_ms=expect.max_blackout_ms,
    )


def _victims(testbed: Testbed, fleet: Fleet) -> dict[str, Callable[[], Victim]]:
    """What each fault target means: the first instance of a role stands for the role."""
    return {
        "connect": lambda: testbed.worker,
        "source": lambda: testbed.source,
        "target": lambda: testbed.target,
        "producer": lambda: fleet.member(fleet.instances("producer")[0]),
        "consumer": lambda: fleet.member(fleet.instances("consumer")[0]),
    }
