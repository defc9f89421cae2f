"""Walking a path: each act behind its gates, everything journalled before and after."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from cutover_harness.conductor.act_order import consumers_first, leads_to_target, leaves_source, role_of
from cutover_harness.conductor.checks import Checks
from cutover_harness.conductor.gates import Gate, GateMissedError, Passed, Progress, Reading, forgiving, wait
from cutover_harness.conductor.journal import Journal
from cutover_harness.conductor.pointer import PointerFile
from cutover_harness.conductor.preconditions import Preconditions
from cutover_harness.conductor.protocols import ClusterLike, MirrorLike
from cutover_harness.conductor.resume import before, reached, remaining, turned_back, waited, were_on_target
from cutover_harness.conductor.statuses import Role
from cutover_harness.conductor.target_state import TargetState
from cutover_harness.conductor.whole import Whole
from cutover_harness.plan.path import Act, Place, RouteState, destination, moves, way_back
from cutover_harness.plan.scenario import Gates, Precondition, Step

When = Literal["before", "during", "move", "after"]
"""When something is asked for: before an act's gates, once they are passed and the act comes next, as the act itself
(apps that are restarted), right after it."""
START = -1
"""The step of what happens before the first act."""
REVERSED = "reversed"
"""Noted once the mirror copies from its latest cut on."""
WAITS_EVERY_S = 0.5
WARM_UP_S = 1.0
"""How long traffic flows before the first act."""
ASKED_WITHIN_S = 900.0
"""How long the process that was asked may take: longer than any fault that the path waits for."""


@dataclass(frozen=True)
class Route:
    """Who moves together; `clients` maps each expected instance to its role: the barrier names who is missing.

    `members`, for apps without the shim that are moved by a restart: how many each group has to have.
    """

    name: str
    groups: Sequence[str]
    clients: Mapping[str, Role]
    members: Mapping[str, int] | None = None

    def instances(self, role: Role) -> list[str]:
        """Return the instances of one role."""
        return [instance for instance, its in self.clients.items() if its == role]


@dataclass
class Conductor:
    """Walks one route along `steps`, and goes on where a killed one was: `journal` says what was done.

    `asks`: what to ask another process for, by act and moment (a fault, say); it is waited for in the journal.
    `preconditions`: what has to be so at an act for the run to prove something. `traffic_within_s`: how long clients
    are waited for to have traffic before they leave a cluster and after they came to one; 0, as on production, does not
    look. `on_missed`: what a missed deadline means.
    """

    route: Route
    steps: Sequence[Step]
    journal: Journal
    pointer: PointerFile
    statuses: Path
    mirror: MirrorLike
    source: ClusterLike
    target: ClusterLike
    gates: Gates
    preconditions: Sequence[tuple[Act, Precondition]] = ()
    traffic_within_s: float = 0.0
    asks: Sequence[tuple[Act, When]] = ()
    on_missed: Literal["stop", "rollback"] = "stop"
    asked_within_s: float = ASKED_WITHIN_S
    sleep: Callable[[float], None] = time.sleep
    _safety: bool = field(default=True, init=False)
    """Whether the step that is taken asks for more than its clients' attestations."""
    _proved_here: bool = field(default=False, init=False)
    """Whether the act before was `set-exact-offsets`, done by this very process: it has just looked at the mirror."""

    def walk(self) -> bool:
        """Walk what is left of the path; return whether it was walked to its end.

        A gate that stays closed ends it there, or turns it back where `on_missed` says so. Raises whatever mirror and
        brokers raise; the path then stands where the journal says and can be walked on.
        """
        while True:
            try:
                self._attest_start()
                for number, step in remaining(self.journal.read(), self.steps):
                    self._take(number, step)
            except GateMissedError as why:
                self.journal.write("missed", START, why.gate, why=str(why))
                if self.on_missed == "stop" or turned_back(self.journal.read()):
                    return False
                self.turn_back()
                continue
            back = turned_back(self.journal.read())
            self.journal.write("end", len(self.steps), "turned back" if back else "walked")
            return not back

    def turn_back(self) -> None:
        """Decide to bring everything back to the source; the next `walk` does it. Once decided it stays so."""
        entries = self.journal.read()
        if not turned_back(entries):
            self.journal.write("back", START, "back to the source", acts=way_back(reached(entries)))

    def _attest_start(self) -> None:
        if self.journal.find("done", START) is not None:
            return
        pointer = self.pointer.routes[self.route.name]
        places: dict[Role, Place] = {"producer": pointer.producers, "consumer": pointer.consumers}
        if self.route.members is not None:
            self._pass(START, self._joined(pointer.consumers))
        else:
            for role, place in places.items():
                self._pass(START, self._attested(role, place, self.pointer.generation))
        begin = time.monotonic()
        for role in places:
            self._await_traffic(role, RouteState(consumers=pointer.consumers, producers=pointer.producers))
        self._dwell(begin, WARM_UP_S)
        self.journal.write("done", START, "start")

    def _take(self, number: int, step: Step) -> None:
        act, entries = step.act, self.journal.read()
        self._safety = step.safety
        was = before(entries, number)
        begun = any(entry.kind == "doing" and entry.step == number for entry in entries)
        if not begun:
            self.journal.write("step", number, act)
            self._ask(number, act, "before")
        if not (begun and self._is_done(number, act)):
            # Also if a conductor was killed between the gates and the act: what they saw may no longer be so.
            self._guard(number, step, was)
        if not begun:
            self.journal.write("doing", number, act)
        if act == Act.STOP_CONSUMERS and self._sets_exact_offsets_after(number):
            self._get(number, act, self.mirror.stop_translating)  # now, and not while the groups are held
        self._get(number, act, lambda: self._do(act))
        generation = self.pointer.generation
        if act == Act.PRODUCERS_TO_TARGET and was.reverse:
            self._get(number, Act.REVERSE_MIRROR, self._turn_around)
        self._ask(number, act, "move")
        self._ask(number, act, "after")
        for gate in self._gates_after(act, generation):
            self._pass(number, gate)
        if act == Act.CREATE_TASK:
            self._whole.learn()
        self._proved_here = act == Act.SET_EXACT_OFFSETS
        state = reached(self.journal.read())
        self.journal.write("done", number, act, stage=state.stage)
        begin = time.monotonic()
        who = moves(act) if step.dwell_s else None
        if who == "producers":
            self._await_traffic("producer", state)
        self.journal.write("flows", number, act)
        if who == "consumers":  # whose traffic may be what a fault holds back that is over with this entry
            self._await_traffic("consumer", state)
        self._dwell(begin, step.dwell_s)

    def _make_telling(self, number: int, act: Act, before: RouteState) -> None:
        """Wait for what has to be so for `act` to prove something, and have injected what it is to meet."""
        if who := moves(act):
            self._await_traffic(role_of(who), before)
        self._ask(number, act, "during")
        if self._back_decided:
            return
        for at, what in self.preconditions:
            if at == act:
                held, evidence = self._preconditions.await_it(what, self.gates.deadline_s)
                self.journal.write("precondition", number, act, what=what, held=held, evidence=evidence)

    def _dwell(self, begin: float, seconds: float) -> None:
        """Let traffic flow for `seconds` from `begin` on (monotonic clock)."""
        self.sleep(max(0.0, begin + seconds - time.monotonic()))

    def _await_traffic(self, role: Role, state: RouteState) -> None:
        if not self._back_decided:
            self._preconditions.await_traffic(role, state, self.traffic_within_s)

    @property
    def _back_decided(self) -> bool:
        """Whether the path is on its way back, where nothing is proved and producers may have been held until now."""
        return turned_back(self.journal.read())

    def _guard(self, number: int, step: Step, was: RouteState) -> None:
        """Wait for what has to be true before the act of `step`, and note what has to be known later."""
        if step.safety:
            self._make_safe(number, step, was)
            if step.act == Act.PRODUCERS_TO_TARGET:
                self._get(number, "log ends of the target", lambda: self._note_ends(number))
        self._make_telling(number, step.act, was)

    def _is_done(self, number: int, act: Act) -> bool:
        """Whether `act`, which was begun, has had its effect, so that no gate before it can prevent anything any more.

        False if that is not known: asking the gates of an act that is done again costs a moment.
        """
        if (act, "move") in self.asks and self.journal.find("ask", number, f"move {act}") is None:
            return False
        if act == Act.CREATE_TASK:
            return self._mirror_exists(number)
        if who := moves(act):
            pointer = self.pointer.routes[self.route.name]
            return destination(act) == (pointer.consumers if who == "consumers" else pointer.producers)
        if act == Act.REVERSE_MIRROR:
            begun = self.journal.find("doing", number)
            return begun is not None and any(e.kind == "cut" and e.id > begun.id for e in self.journal.read())
        return act == Act.OVERLAP_CONSUMERS  # its members have been asked for

    def _mirror_exists(self, number: int) -> bool:
        found: list[bool] = []
        self._get(number, "connectors looked for", lambda: found.append(self.mirror.exists()))
        return found[-1]

    def _note_ends(self, number: int) -> None:
        ends = self.target.end_offsets(self.mirror.topics())
        self.journal.write("ends", number, "target", offsets=[[t, p, end] for (t, p), end in sorted(ends.items())])

    def _ask(self, number: int, act: Act, when: When) -> None:
        """Have the process that watches the journal do its part, and wait until it has."""
        if (act, when) not in self.asks:
            return
        name = f"{when} {act}"
        if self.journal.find("ask", number, name) is None:
            self.journal.write("ask", number, name, act=act, when=when)

        def read() -> Reading:
            return Reading(open=self.journal.find("answer", number, name) is not None, waits_for=name)

        self._wait(number, Gate(name, read, self.asked_within_s))

    def _get(self, number: int, name: str, do: Callable[[], None]) -> None:
        """Do something, again while a cluster or Connect is away."""

        def read() -> Reading:
            do()
            return Reading(open=True)

        self._wait(number, Gate(name, read, self.gates.deadline_s))

    def _turn_around(self) -> None:
        cut = [entry for entry in self.journal.read() if entry.kind == "cut"][-1]
        if cut.name == REVERSED:
            return
        self.mirror.reverse({(topic, partition): end for topic, partition, end in cut.detail["offsets"]})
        self.journal.write("cut", START, REVERSED)

    def _sets_exact_offsets_after(self, number: int) -> bool:
        return any(step.act == Act.SET_EXACT_OFFSETS for step in self.steps[number + 1 : number + 2])

    def _do(self, act: Act) -> None:
        """Do `act`; doing it again changes nothing."""
        route = self.route.name
        match act:
            case Act.CREATE_TASK:
                self.mirror.create()
                for note in self.mirror.notes:
                    self.journal.write("note", START, note)
            case Act.DELETE_TASK:
                self.mirror.delete()
            case Act.REVERSE_MIRROR:
                # Only the cut: the mirror is turned around once producers have gone on, who are held until then.
                offsets = [[topic, partition, end] for (topic, partition), end in sorted(self.mirror.cut().items())]
                self.journal.write("cut", START, "target", offsets=offsets)
            case Act.STOP_CONSUMERS | Act.CONSUMERS_TO_TARGET | Act.CONSUMERS_TO_SOURCE:
                self.pointer.point(route, consumers=destination(act))
            case Act.STOP_PRODUCERS | Act.PRODUCERS_TO_TARGET | Act.PRODUCERS_TO_SOURCE:
                self.pointer.point(route, producers=destination(act))
            case Act.SYNCHRONISE | Act.SET_EXACT_OFFSETS | Act.OVERLAP_CONSUMERS:
                pass  # their gates, or what is asked for, are all there is to them

    def _make_safe(self, number: int, step: Step, before: RouteState) -> None:
        """Wait for what has to be true before the act, or it costs records or their order."""
        act, deadline = step.act, step.deadline_s or self.gates.deadline_s
        if act == Act.CREATE_TASK:
            self._pass(number, self._target_state.unused(number, deadline))
        if leaves_source(act, before, proved=before.exact and self._proved_here):
            self._pass(number, self._whole.gate(deadline))
        resumes = were_on_target([entry for entry in self.journal.read() if entry.step != number])
        if leads_to_target(act, before) and not resumes:
            self._look_at_target(number, act, before)
        if act == Act.CONSUMERS_TO_SOURCE and resumes:
            self._pass(number, self._target_state.read_again())
        if act == Act.CONSUMERS_TO_TARGET and not before.exact and not before.overlap and not resumes:
            wait_s, settle_s = self.gates.progress_wait_s, self.gates.settle_s
            self._pass(number, self.checks.progress(self.route.groups, wait_s, settle_s))
            # That gate may have been passed because its time was over.
            self._pass(number, self._target_state.nothing_skipped(deadline, held=True, offsets=True))
        elif act == Act.PRODUCERS_TO_TARGET and not before.reverse:
            self._pass(number, Gate("consumers first", lambda: consumers_first(before), deadline))
            self.prove_copied(number, deadline)
        elif act == Act.REVERSE_MIRROR:
            self.prove_copied(number, deadline)
        elif act == Act.PRODUCERS_TO_SOURCE and before.reverse:
            self._get(number, Act.REVERSE_MIRROR, self._turn_around)  # as far as it has not been
            self._pass(number, self.checks.reverse_drained(deadline))

    def _look_at_target(self, number: int, act: Act, before: RouteState) -> None:
        """Wait until nobody consumes there, and nothing is missing that the groups have not read."""
        deadline = self.gates.deadline_s
        self._pass(number, self._target_state.nobody_there(deadline))
        if act == Act.CONSUMERS_TO_TARGET and not before.exact:
            return  # looked at when the groups' progress has been waited for
        sets_offsets = act == Act.SET_EXACT_OFFSETS or self._sets_exact_offsets_after(number)
        held = before.consumers == "hold"
        self._pass(number, self._target_state.nothing_skipped(deadline, held=held, offsets=not sets_offsets))

    def prove_copied(self, number: int, deadline_s: float) -> None:
        """Wait until the mirror is at zero, and keep what that proves: all that the source has is on the target."""
        self._pass(number, self.checks.drained(deadline_s))
        self._pass(number, self._whole.gate(deadline_s, look=False))  # the last look was the proof that it is drained
        ends = self.source.end_offsets(self.mirror.topics())
        copied = [
            {"cluster": "source", "topic": topic, "partition": partition, "start": 0, "end": end}
            for (topic, partition), end in ends.items()
        ]
        self.journal.write("copied", number, "source", partitions=copied)

    def _gates_after(self, act: Act, generation: int) -> list[Gate]:
        deadline = self.gates.deadline_s
        match act:
            case Act.CREATE_TASK:
                return [self.checks.mirroring(deadline)]
            case Act.SYNCHRONISE:
                # The bar is for a lag that moves: once producers have left the source nothing needs to be left of it.
                moving = reached(self.journal.read()).producers == "source"
                return [self.checks.lag_under(self.gates.lag_bar if moving else 0, deadline)]
            case Act.SET_EXACT_OFFSETS:
                return [self.checks.exact_offsets(self.route.groups, deadline)]
            case Act.OVERLAP_CONSUMERS:
                return [self._joined("target")]
            case _ if (who := moves(act)) and self.route.members is not None:
                place = destination(act)
                return [self._joined(place)] if who == "consumers" and place != "hold" else []
            case _ if who := moves(act):
                return [self._attested(role_of(who), destination(act), generation)]
            case _:
                return []

    def _joined(self, place: Place) -> Gate:
        return self.checks.joined(self.route.members or {}, place, self.gates.deadline_s)

    def _attested(self, role: Role, place: Place, generation: int) -> Gate:
        return self.checks.attested(role, self.route.instances(role), place, generation, self.gates.deadline_s)

    def _pass(self, number: int, gate: Gate) -> None:
        if self._safety and self._needs_mirror:
            gate = self.checks.unless_broken(gate)
        passed = self._wait(number, gate)
        self.journal.write("gate", number, passed.name, evidence=passed.evidence, from_ns=passed.from_ns)

    def _wait(self, number: int, gate: Gate) -> Passed:
        """Wait for a gate, and keep in the journal for how long, so that its deadline survives this process."""
        waited_before_s, idle_s = waited(self.journal.read(), number, gate.name)
        progress = Progress(gate.deadline_s, idle_s=idle_s)
        said = waited_before_s

        def tell(waits_for: str, elapsed_s: float) -> None:
            nonlocal said
            if elapsed_s - said >= WAITS_EVERY_S:
                said = elapsed_s
                self.journal.write(
                    "waits",
                    number,
                    gate.name,
                    waits_for=waits_for,
                    elapsed_s=elapsed_s,
                    idle_s=progress.idle_s,
                    deadline_s=gate.deadline_s,
                )

        return wait(replace(gate, read=forgiving(gate.read)), tell, waited_s=waited_before_s, progress=progress)

    @property
    def _preconditions(self) -> Preconditions:
        return Preconditions(self.route.groups, self.mirror, self.source, self.target)

    @property
    def _needs_mirror(self) -> bool:
        """Whether records are still to come to the target; on the way back, and behind the cut, none are."""
        entries = self.journal.read()
        state = reached(entries)
        mirroring = state.task in ("created", "synchronised") and not state.reverse and state.producers != "target"
        return mirroring and not turned_back(entries)

    @property
    def _whole(self) -> Whole:
        return Whole(self.journal, self.mirror, self.source, self.target)

    @property
    def _target_state(self) -> TargetState:
        return TargetState(self.route.groups, self.journal, self.mirror, self.source, self.target)

    @property
    def checks(self) -> Checks:
        """The gates of this route."""
        return Checks(self.route.name, self.statuses, self.mirror, self.source, self.target, self._safety)
