"""Walking a path: each act behind its gates, everything marked on the time line."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from cutover_harness.conductor.checks import Checks
from cutover_harness.conductor.gates import Gate, Reading, wait
from cutover_harness.conductor.pointer import PointerFile
from cutover_harness.conductor.protocols import ClusterLike, MirrorLike, Observer
from cutover_harness.conductor.statuses import Role
from cutover_harness.judge.model import Copied, Cut, Mark
from cutover_harness.plan.path import Act, Place, RouteState, destination, moves
from cutover_harness.plan.scenario import Gates, Step

Intervene = Callable[[Act, Literal["before", "after"]], None]


@dataclass
class Timeline:
    """What happened when: marks for the report, cuts for the judge, mirror lag read at the acts that ask for it."""

    marks: list[Mark] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    lag_at: dict[Act, int] = field(default_factory=dict)
    copied: list[Copied] = field(default_factory=list)

    def mark(
        self,
        kind: Literal["stage", "gate", "act", "fault", "phase"],
        name: str,
        stage: int | None,
        detail: str,
        from_ns: int,
    ) -> None:
        """Append a mark that ends now."""
        self.marks.append(
            Mark(time_ns=from_ns, kind=kind, name=name, stage=stage, detail=detail, end_ns=time.time_ns())
        )


@dataclass
class Conductor:
    """Walks one route.

    `clients` maps each expected instance to its role: the barrier names who of them is missing. `intervene` is called
    before the gates and after each act (faults); `lag_at` lists the acts at which the mirror lag is read and kept;
    `check` raises where a client has died by itself, so that nobody waits for it until the deadline.
    """

    route: str
    clients: Mapping[str, Role]
    pointer: PointerFile
    statuses: Path
    mirror: MirrorLike
    source: ClusterLike
    target: ClusterLike
    gates: Gates
    observer: Observer
    intervene: Intervene = lambda _act, _when: None
    lag_at: Sequence[Act] = ()
    check: Callable[[], None] = lambda: None
    sleep: Callable[[float], None] = time.sleep
    state: RouteState = field(default_factory=RouteState)
    timeline: Timeline = field(default_factory=Timeline)
    _left: dict[str, tuple[int, Place]] = field(default_factory=dict, init=False)

    def walk(self, steps: Sequence[Step]) -> None:
        """Walk `steps`. Raises GateMissedError where a gate stays closed, and whatever mirror or brokers raise."""
        for number, step in enumerate(steps, start=1):
            after = self.state.after(step.act)
            self.observer.act(number, len(steps), step.act, after.stage)
            self._take(step, after)
            self.sleep(step.dwell_s)

    def attest_start(self) -> None:
        """Wait until every client runs on the place that the cutover file gives it."""
        pointer = self.pointer.routes[self.route]
        places: dict[Role, Place] = {"producer": pointer.producers, "consumer": pointer.consumers}
        for role, place in places.items():
            self._pass(
                self.checks.attested(self._instances(role), place, self.pointer.generation, self.gates.deadline_s)
            )

    def prove_copied(self, deadline_s: float) -> None:
        """Wait until the mirror is at zero, and keep what that proves: all that the source has is on the target."""
        topics = self.pointer.routes[self.route].topics
        self._pass(self.checks.drained(topics, deadline_s))
        self.timeline.copied = [
            Copied(cluster="source", topic=topic, partition=partition, start=0, end=end)
            for (topic, partition), end in self.source.end_offsets(topics).items()
        ]

    def _take(self, step: Step, after: RouteState) -> None:
        act = step.act
        self.intervene(act, "before")
        if step.safety:
            self._make_safe(act)
        if act in self.lag_at:
            self.timeline.lag_at[act] = self.mirror.lag().total
        from_ns = time.time_ns()
        before = self.state
        generation = self._do(act)
        self.state = after
        self.intervene(act, "after")
        for gate in self._gates_after(act, generation):
            self._pass(gate)
        self.timeline.mark("act", act, after.stage, "", from_ns)
        if after.stage != before.stage:
            self.timeline.mark("stage", f"stage {after.stage}", after.stage, act, time.time_ns())
        self._note_cut(act, before, from_ns)

    def _do(self, act: Act) -> int:
        match act:
            case Act.CREATE_TASK:
                self.mirror.create()
            case Act.DELETE_TASK:
                self.mirror.delete()
            case Act.STOP_CONSUMERS | Act.CONSUMERS_TO_TARGET | Act.CONSUMERS_TO_SOURCE:
                self.pointer.point(self.route, consumers=destination(act))
            case Act.STOP_PRODUCERS | Act.PRODUCERS_TO_TARGET | Act.PRODUCERS_TO_SOURCE:
                self.pointer.point(self.route, producers=destination(act))
            case Act.SYNCHRONISE:
                pass  # only its gate: the mirror works by itself
        return self.pointer.generation

    def _make_safe(self, act: Act) -> None:
        """Wait for what has to be true before `act`, or it costs records or their order."""
        if act == Act.CONSUMERS_TO_TARGET:
            groups = self.pointer.routes[self.route].groups
            self._pass(self.checks.progress(groups, self.gates.progress_wait_s, self.gates.settle_s))
        elif act == Act.PRODUCERS_TO_TARGET:
            self._pass(Gate("consumers first", self._consumers_first, self.gates.deadline_s))
            self.prove_copied(self.gates.deadline_s)

    def _gates_after(self, act: Act, generation: int) -> list[Gate]:
        topics = self.pointer.routes[self.route].topics
        match act:
            case Act.CREATE_TASK:
                return [self.checks.mirroring(topics, self.gates.deadline_s)]
            case Act.SYNCHRONISE:
                return [self.checks.lag_under(self.gates.lag_bar, self.gates.deadline_s)]
            case Act.DELETE_TASK:
                return []
            case _:
                role: Role = "consumer" if moves(act) == "consumers" else "producer"
                return [
                    self.checks.attested(self._instances(role), destination(act), generation, self.gates.deadline_s)
                ]

    def _consumers_first(self) -> Reading:
        return Reading(
            open=self.state.consumers == "target",
            waits_for="consumers to be on the target: a path that moves producers first cannot keep order",
            evidence=f"consumers are on {self.state.consumers}",
        )

    def _note_cut(self, act: Act, before: RouteState, from_ns: int) -> None:
        """Remember a cut from the hold, where there was one, to the attestation on the cluster."""
        who = moves(act)
        if who is None:
            return
        place = destination(act)
        was: Place = before.consumers if who == "consumers" else before.producers
        if place == "hold":
            self._left[who] = (from_ns, was)
            return
        begin, left = self._left.pop(who, (from_ns, was))
        for group in list(self.pointer.routes[self.route].groups) if who == "consumers" else [None]:
            self.timeline.cuts.append(
                Cut(
                    time_ns_from=begin,
                    time_ns_to=time.time_ns(),
                    role="consumer" if who == "consumers" else "producer",
                    group=group,
                    from_cluster=left,
                    to_cluster=place,
                )
            )

    def _pass(self, gate: Gate) -> None:
        def read() -> Reading:
            self.check()
            return gate.read()

        passed = wait(replace(gate, read=read), self.observer)
        self.timeline.mark("gate", passed.name, self.state.stage, passed.evidence, passed.from_ns)

    def _instances(self, role: Role) -> list[str]:
        return [instance for instance, its in self.clients.items() if its == role]

    @property
    def checks(self) -> Checks:
        """The gates of this route, for whoever waits for the same things."""
        return Checks(self.route, self.statuses, self.mirror, self.source, self.target)
