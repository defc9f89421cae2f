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

from cutover_harness.admin import Admin
from cutover_harness.capture.clock import clock_of
from cutover_harness.capture.format import CaptureReader, TopicInfo
from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.pointer import PointerFile, RoutePointer
from cutover_harness.conductor.process import ConductorConfig
from cutover_harness.conductor.protocols import Observer
from cutover_harness.conductor.statuses import Role
from cutover_harness.errors import UsageError
from cutover_harness.faults.cutover_file import BrokenFile
from cutover_harness.faults.group import Joining
from cutover_harness.faults.inject import Injector
from cutover_harness.faults.proof import Happening
from cutover_harness.faults.topics import SourceTopics
from cutover_harness.judge import judge, verdict
from cutover_harness.judge.model import Copied, DrainProof, Report, RunFacts
from cutover_harness.ledger import read_ledgers
from cutover_harness.plan.batch import WHOLE, Route, routes
from cutover_harness.plan.path import Act
from cutover_harness.plan.scenario import Scenario
from cutover_harness.plan.topic_names import problem
from cutover_harness.rehearsal import guards
from cutover_harness.rehearsal.answers import Answers, asks, victims
from cutover_harness.rehearsal.conducted import Conducted
from cutover_harness.rehearsal.expected import expectation
from cutover_harness.rehearsal.growth import Growing
from cutover_harness.rehearsal.sampler import LagSampler
from cutover_harness.rehearsal.settings import TARGET_RUN_S, Settings
from cutover_harness.rehearsal.testbeds import mirror_on, new_testbed
from cutover_harness.rehearsal.topics import create, words
from cutover_harness.rehearsal.traffic import write_traffic
from cutover_harness.rehearsal.walks import BROKEN, Walk, lag, proofs, unproved
from cutover_harness.replay.config import ClusterName, ReplayOptions
from cutover_harness.replay.fleet import Fleet, FleetError, FleetShape
from cutover_harness.testbed import Testbed
from cutover_harness.testbed.base import TargetKind
from cutover_harness.testbed.timing import TIMINGS, Timing


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
    target_kind: TargetKind = field(default="stand-in", init=False)
    _start_s: float = field(default=0.0, init=False)
    _growing: Growing | None = field(default=None, init=False)
    _clock_ms: tuple[int, int] = field(default=(0, 0), init=False)

    def walk(self) -> None:
        """Walk the path on a testbed of its own, until all that was produced is consumed.

        Raises UsageError where the environment is not fit. A path that could not be walked to its end is no error: the
        facts say what stopped it, and the verdict is INCONCLUSIVE at best.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.scenario.traffic:
            made = write_traffic(self.scenario.traffic, self.settings.seed, self.folder / "traffic.parquet")
            self.settings = replace(self.settings, capture=made, speed=None)
        with CaptureReader(self.settings.capture) as capture:
            clock = clock_of(capture)
            topics, records = capture.info.topics, capture.records
        if (why := problem(topics)) is not None:
            raise UsageError(f"capture {self.settings.capture}: {why}")
        self._clock_ms = clock.first_ms, clock.last_ms
        warning = clock.warning()
        if warning is not None:
            self.observer.note(f"capture {self.settings.capture}: {warning}")
        span_s = max(clock.span_s, 1.0)
        self.facts = RunFacts(
            run=self.run,
            scenario=self.scenario.name,
            title=self.scenario.title,
            path=[step.act for step in self.scenario.path],
            route=WHOLE,
            groups={group: list(topics) for group in self.scenario.fleet.groups},
            started_ns=time.time_ns(),
            expectation=expectation(self.scenario),
            capture={
                "name": self.settings.capture.name,
                "records": records,
                "topics": sorted(topics),
                "span_s": span_s,
                **({} if warning is None else {"timestamps": warning}),
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
        around_s = self._timing.around_s
        held = guards.mid_traffic(judgement, self.facts.cuts, self.facts.marks, around_s=around_s)
        held += guards.groups_behind(judgement, self.facts.marks, self.scenario.behind_at)
        if self.scenario.fleet.transactions is not None and self.scenario.fleet.transactions.abort_every:
            held.append(guards.aborted(judgement))
        if self._growing is not None:
            held += self._growing.guards(judgement)
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
        begin = time.monotonic()
        testbed.start(self.observer.note)
        self._start_s = time.monotonic() - begin
        self._cleanup.enter_context(testbed)
        self.environment, self.target_kind = testbed.describe(), testbed.target_kind
        self.facts = replace(self.facts, testbed=self.environment)
        return testbed

    def _on(self, testbed: Testbed, topics: Mapping[str, TopicInfo]) -> None:
        source, target = testbed.source.client_config(), testbed.target.client_config()
        admins = Admin(source), Admin(target)
        topics = self._create(admins[0], topics)
        found = routes(self.scenario.batches, topics, self.scenario.fleet.groups)
        pointers = {route.name: RoutePointer(list(route.patterns), list(route.groups)) for route in found}
        pointer = PointerFile(self.folder.absolute() / "cutover.toml", {"source": source, "target": target}, pointers)
        pointer.write()

        fleet = self._fleet(found, pointer.path, {"source": source, "target": target})
        growth = self.scenario.growth
        growing = None if growth is None else Growing(growth, self.settings.capture, topics, *admins, fleet)
        moving = [route for route in found if route.moves]
        of_batch = partial(mirror_on, testbed, source, target)
        first = moving[0]
        happenings: dict[str, Happening] = {
            "cutover-file": BrokenFile(pointer.path, fleet.status_dir, first.name),
            "group": Joining(fleet, self._timing.patience_s),
            "topics": SourceTopics(
                source,
                target,
                {name: topics[name] for name in first.topics},
                first.groups,
                partial(of_batch, first),
                self._timing.patience_s,
            ),
        }
        injector = Injector(self.scenario.faults, victims(testbed, fleet), happenings)
        answer = Answers(injector, fleet, self.scenario.fleet.apps == "restart", growing)
        with contextlib.ExitStack() as mirrors:
            try:
                fleet.start()
                walks = [
                    Walk(
                        route,
                        mirrors.enter_context(of_batch(route)),
                        self._conducted(
                            testbed, pointer.path, fleet, route, answer, injector.way.saw, first=route is first
                        ),
                        several=len(found) > 1,
                        patience_s=self._timing.patience_s,
                    )
                    for route in moving
                ]
                with LagSampler(lambda: lag(walks), self.observer.lag) as sampler:
                    failure = self._walk(walks)
                    injector.finish()
                self.observer.note("producers stop; consumers drain")
                proven, copied = self._drain(walks, found, fleet, admins)
                self._tell(walks, found)
            finally:
                with contextlib.suppress(FleetError):  # a run that ended badly is not judged by how its apps end
                    fleet.stop(grace=10.0)
        conducted = [walk.conducted for walk in walks]
        self.facts = replace(
            self.facts,
            finished_ns=time.time_ns(),
            marks=sorted(
                [
                    *self.facts.marks,
                    *injector.marks,
                    *(growing.marks if growing else ()),
                    *(mark for each in conducted for mark in each.marks),
                ],
                key=lambda mark: mark.time_ns,
            ),
            lag=sampler.samples,
            copied=[*self.facts.copied, *copied],
            destroyed=injector.destroyed,
            drain=proven,
            guards=[
                *self.facts.guards,
                *guards.faults_hit(
                    self.scenario.faults, [*injector.guards, *(guard for each in conducted for guard in each.guards)]
                ),
            ],
            completed=failure is None,
            failure=failure,
        )
        self._growing = growing

    def _create(self, source: Admin, topics: Mapping[str, TopicInfo]) -> Mapping[str, TopicInfo]:
        """Create the topics on the source and return what they were created with."""
        created, left = create(source, topics, f"capture {self.settings.capture}")
        if left:
            lines = words(left)
            for line in lines:
                self.observer.note(line)
            self.facts = replace(self.facts, capture={**self.facts.capture, "properties": lines})
        return created

    def _tell(self, walks: Sequence[Walk], found: Sequence[Route]) -> None:
        """Take over what the conductors' journals say, and where every topic ended."""
        told = [walk.told() for walk in walks if walk.begun]
        topics = {walk.route.name: walk.topics() for walk in walks}
        left = {walk.route.name: walk.left() for walk in walks}
        several = len(found) > 1
        self.facts = replace(
            self.facts,
            path=[str(act) for act in told[-1].walked] or self.facts.path,
            marks=[mark for each in told for mark in each.marks],
            cuts=[cut for each in told for cut in each.cuts],
            copied=[copied for each in told for copied in each.copied],
            guards=[
                guard
                for each in told
                for guard in guards.preconditions(each.preconditions, self.scenario.preconditions)
            ],
            routes=topics if several else {},
            groups={group: topics.get(r.name, list(r.topics)) for r in found for group in r.groups},
            cluster_left=left[walks[0].route.name],
            # What is in no batch left nothing anywhere.
            topic_left={t: left.get(r.name, []) for r in found for t in topics.get(r.name, r.topics)}
            if several
            else {},
        )

    def _conducted(
        self,
        testbed: Testbed,
        cutover_file: Path,
        fleet: Fleet,
        route: Route,
        answer: Answers,
        saw: Callable[[Entry], None],
        *,
        first: bool,
    ) -> Conducted:
        """Return the conductor of one route. Faults hit while the first one moves."""
        clients: dict[str, Role] = dict.fromkeys(fleet.instances("producer"), "producer")
        for group in route.groups:
            clients |= dict.fromkeys(fleet.instances("consumer", group), "consumer")
        growth = self.scenario.growth
        folder = self.folder / "batches" / route.name if self.scenario.batches else self.folder
        folder.mkdir(parents=True, exist_ok=True)
        config = ConductorConfig(
            route=route.name,
            topics=list(route.patterns),
            exclude=list(route.exclude),
            groups=list(route.groups),
            clients=clients,
            members=dict(self.scenario.fleet.groups) if self.scenario.fleet.apps == "restart" else None,
            steps=list(self.scenario.path),
            gates=self.scenario.gates.on(self._timing.patience_s),
            preconditions=[(act, what) for what, acts in self.scenario.preconditions.items() for act in acts],
            traffic_within_s=self._timing.patience_s,
            asks=asks(self.scenario, faults=first, growth=growth is not None and route.has(growth.like)),
            on_missed=self.scenario.on_missed,
            connect_url=testbed.connect_url,
            reverse_connect_url=testbed.reverse_connect_url() if self._turns_around else None,
            connect_logs=list(testbed.connect_logs),
            secrets_folder=testbed.secrets_folder,
            connect_bootstrap={c.name: c.connect_bootstrap for c in (testbed.source, testbed.target)},
            exactly_once=testbed.exactly_once,
            cutover_file=cutover_file,
            statuses=fleet.status_dir,
            journal=(folder / "journal.sqlite").absolute(),
        )
        config.save(folder / "conductor.json", run=self.folder)
        faults, kills = (self.scenario.faults, self.kill_at_s) if first else ((), ())
        conducted = Conducted(config, folder, self.observer, answer, self._check(fleet), faults, kills)
        if first:
            conducted.saw = saw
        return conducted

    @property
    def _timing(self) -> Timing:
        return TIMINGS[self.target_kind].on(self._start_s)

    @property
    def _turns_around(self) -> bool:
        return any(step.act == Act.REVERSE_MIRROR for step in self.scenario.path)

    def _check(self, fleet: Fleet) -> Callable[[], None]:
        """Return what raises where an app died by itself; a fault that kills apps is no reason to stop."""
        killed = {"producer", "consumer"} & {fault.of for fault in self.scenario.faults}
        return (lambda: None) if killed else fleet.check

    def _walk(self, walks: Sequence[Walk]) -> str | None:
        """Have the routes walk the path one after the other; return why it did not end as expected, None where it did.

        Where one does not get to its end, those after it do not begin.
        """
        for walk in walks:
            failure = walk.run(self.scenario.expect.ends, self.observer.note)
            if failure is not None or walk.conducted.ended != "walked":
                return failure
        return None

    def _drain(
        self, walks: Sequence[Walk], found: Sequence[Route], fleet: Fleet, admins: tuple[Admin, Admin]
    ) -> tuple[list[DrainProof], list[Copied]]:
        """End the producers, let everything they produced be consumed, then end the consumers.

        Return the drain proofs, and what the mirror is proven to have copied.
        """
        try:
            fleet.stop_producers()
            stays = next((route for route in found if not route.moves), None)
            proven, copied = proofs(walks, stays, *admins, self._timing.patience_s)
            fleet.stop_consumers()
        except BROKEN as why:
            return unproved(list(self.facts.groups), why), []
        return proven, copied

    def _fleet(
        self, found: Sequence[Route], cutover_file: Path, endpoints: Mapping[ClusterName, Mapping[str, str]]
    ) -> Fleet:
        shape = self.scenario.fleet
        return Fleet(
            FleetShape(
                producers=shape.producers,
                groups=shape.groups,
                producer_client=shape.producer,
                consumer_client=shape.consumer,
                group_topics={group: self._reads(route) for route in found for group in route.groups},
                work_ms=shape.work_ms,
                commit=shape.commit,
                transactions=shape.transactions,
            ),
            ReplayOptions(
                capture=self.settings.capture.absolute(), speed=self.facts.speed, loop=True, clock_ms=self._clock_ms
            ),
            folder=self.folder,
            run=self.run,
            topics=[topic for route in found for topic in route.topics],
            cutover_file=cutover_file if shape.apps == "shim" else None,
            endpoints=endpoints,
        )

    def _reads(self, route: Route) -> list[str]:
        """Return the subscription of a route's groups: its topics, and by a pattern the one that appears later."""
        growth = self.scenario.growth
        if growth is None or not route.has(growth.topic):
            return list(route.topics)
        return [*route.topics, f"^{growth.topic.replace('.', '[.]')}$"]


def _keep_logs(logs: Path, kept: Path) -> None:
    if logs.is_dir():
        shutil.copytree(logs, kept, dirs_exist_ok=True)
