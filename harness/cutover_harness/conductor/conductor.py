"""The loop over a path's steps: gates before, journal, do, gates after, journal."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cutover_harness.conductor.contexts import Contexts
from cutover_harness.conductor.cutover_file_writer import CutoverFileWriter
from cutover_harness.conductor.journal import Journal
from cutover_harness.conductor.journalled_gates import ASKED_WITHIN_S, JournalledGates, Watched, When
from cutover_harness.conductor.preconditions import Preconditions
from cutover_harness.conductor.resume import reached, remaining, steps_back, turned_back, without_effect
from cutover_harness.conductor.traffic import Traffic
from cutover_harness.conductor.waiting import GateMissedError
from cutover_harness.plan.scenario import PathStep, PreconditionKind
from cutover_harness.procedure.approval import needs_approval
from cutover_harness.procedure.context import StepContext
from cutover_harness.procedure.entries import START
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.restarted import joined
from cutover_harness.procedure.step import Step
from cutover_harness.procedure.steps import step_of


@dataclass
class Conductor:
    """Runs one route along its path, and resumes if an earlier one was killed: the journal contains what was done.

    `contexts`: the route, its path, and what its steps see. `asks`: requests to another process, by step and moment (a
    fault, say); the journal carries them and the answers. `preconditions`: what the run needs at a step to prove
    something. `traffic_within_s`: how long to wait for clients' traffic before they leave a cluster and after they came
    to one; 0, as on production, does not look. `approvals`: whether a person approves each step of the path that begins
    something. `on_missed`: what a missed deadline means. `fence`: is called before anything is done, and raises if
    somebody else conducts the run now.
    """

    contexts: Contexts
    preconditions: Sequence[tuple[StepName, PreconditionKind]] = ()
    traffic_within_s: float = 0.0
    asks: Sequence[tuple[StepName, When]] = ()
    approvals: bool = False
    on_missed: Literal["stop", "rollback"] = "stop"
    asked_within_s: float = ASKED_WITHIN_S
    fence: Callable[[], object] = lambda: None
    closing: Callable[[], str | None] = lambda: None
    watched: Watched | None = None
    sleep: Callable[[float], None] = time.sleep
    _done_here: StepName | None = field(default=None, init=False)
    """The last step that this process did itself."""

    @property
    def journal(self) -> Journal:
        """The journal of the run."""
        return self.contexts.journal

    @property
    def cutover_file(self) -> CutoverFileWriter:
        """The cutover file of the fleet."""
        return self.contexts.cutover_file

    def run(self) -> bool:
        """Run what is left of the path; return whether it was completed.

        A gate that stays closed ends it there, or turns it back if `on_missed` is rollback. Raises what mirror and
        brokers raise; the path can then be resumed from its journal.
        """
        while True:
            try:
                self._attest_start()
                for number, step in remaining(self.journal.read(), self.contexts.steps):
                    self._take(number, step)
            except GateMissedError as why:
                self.journal.write("missed", START, why.gate, why=str(why))
                self.contexts.note_switches(START, why.gate)
                if self.on_missed == "stop" or turned_back(self.journal.read()):
                    return False
                self.turn_back()
                continue
            back = turned_back(self.journal.read())
            self.contexts.note_switches(START, "end")
            self.journal.write("end", len(self.contexts.steps), "turned back" if back else "completed")
            return not back

    def turn_back(self) -> None:
        """Decide to move everything back to the source; the next `run` does it. The decision is final."""
        entries, locations = self.journal.read(), self.cutover_file.routes[self.contexts.route.name]
        if (steps := steps_back(entries, locations)) is not None:
            undone = without_effect(entries, locations)
            self.journal.write("back", START, "back to the source", acts=steps, undone=undone)

    def _attest_start(self) -> None:
        if self.journal.find("done", START) is not None:
            return
        route, conditions = self.contexts.route, self.contexts.conditions(safety=True)
        now, deadline_s = self.cutover_file.routes[route.name], self.contexts.gates.deadline_s
        if route.members:
            self._gates.pass_one(START, conditions.joined(route.members, now.consumers, deadline_s))
        elif route.members is None:
            for role, location in now.by_role().items():
                expected, generation = route.instances(role), self.cutover_file.generation
                if expected or not route.restarted(role):
                    self._gates.pass_one(START, conditions.attested(role, expected, location, generation, deadline_s))
            if (groups := route.restarted("consumer")) and now.consumers == "source":
                self._gates.pass_one(START, joined(groups, self.contexts.source, "source"))
        self._traffic.warm_up(now)
        self.journal.write("done", START, "start")

    def _take(self, number: int, planned: PathStep) -> None:
        step, context = step_of(planned.step), self.contexts.of(number, planned, self._done_here)
        begun = any(entry.kind == "doing" and entry.step == number for entry in self.journal.read())
        if not begun:
            self.journal.write("step", number, step.name)
            self._note_switches(number, step)
            if self.approvals and number < len(self.contexts.steps) and needs_approval(step, context.state):
                self._gates.approve(number, step.name)
                self._note_switches(number, step)  # it may have taken hours
            self._gates.ask(number, step.name, "before")
        # Also if a conductor was killed between the gates and the step: their evidence may be out of date.
        unmoved = self._unmoved(step, context) if begun else context
        if unmoved is not None:
            if planned.safety:
                # Not while clients are on hold: a bypass that is known closes the step's own gates.
                if (
                    self.watched
                    and "hold" not in (context.state.consumers, context.state.producers)
                    and not turned_back(self.journal.read())
                ):
                    self._gates.pass_one(number, self.watched(context.deadline_s))
                self._gates.pass_all(number, step.before(unmoved))
            if unmoved is context:
                self._meet_preconditions(step, context)
        if not begun:
            self.journal.write("doing", number, step.name)
        self._gates.get(number, step.name, lambda: step.do(context))
        self._gates.pass_all(number, step.before_commands(context), safety=planned.safety)
        self._gates.ask(number, step.name, "move", safety=planned.safety)
        self._gates.ask(number, step.name, "after")
        self._gates.pass_all(number, step.gates_after(context), safety=planned.safety)
        self._done_here = step.name
        state = reached(self.journal.read())
        self.journal.write("done", number, step.name, stage=state.stage)
        self._note_switches(number, step)
        self._traffic.let_flow(number, step, state, planned.dwell_s)

    def _note_switches(self, number: int, step: Step) -> None:
        """Note the blackouts that clients report, unless a client is on hold, whose blackout it would make longer."""
        state = reached(self.journal.read())
        if "hold" not in (state.producers, state.consumers):
            self.contexts.note_switches(number, step.name)

    def _meet_preconditions(self, step: Step, context: StepContext) -> None:
        """Wait for what `step` needs to prove something, and for the fault that it is to meet."""
        self._traffic.of_leaving(step, context.state)
        self._gates.ask(context.number, step.name, "during")
        if turned_back(self.journal.read()):
            return
        first = next((n for n, planned in enumerate(self.contexts.steps) if planned.step == step.name), None)
        for at, what in self.preconditions:
            if at == step.name and context.number == first:
                held, evidence = self._preconditions.await_it(what, self.contexts.gates.deadline_s)
                self.journal.write("precondition", context.number, step.name, what=what, held=held, evidence=evidence)

    def _unmoved(self, step: Step, context: StepContext) -> StepContext | None:
        """Return the context of the clients that `step`, which was begun, has not moved; None if it has moved all.

        Clients on the shim follow as soon as the document is written, those that another process restarts only when it
        was asked. That one was, but has not answered, does not say which of them are moved: then all of them count.
        """
        found: list[bool] = []
        self._gates.get(context.number, f"effect of {step.name}", lambda: found.append(step.has_effect(context)))
        if not found[-1]:
            return context
        asked = self.journal.find("ask", context.number, f"move {step.name}") is not None
        if asked or (step.name, "move") not in self.asks:
            return None
        return context.of_restarted(step.moves, step.destination)

    @property
    def _gates(self) -> JournalledGates:
        conditions = self.contexts.conditions(safety=True)
        deadline_s = self.contexts.gates.deadline_s
        return JournalledGates(
            self.journal, conditions, deadline_s, self.asks, self.asked_within_s, self.fence, self.closing
        )

    @property
    def _preconditions(self) -> Preconditions:
        return Preconditions(
            self.contexts.route.groups, self.contexts.mirror, self.contexts.source, self.contexts.target
        )

    @property
    def _traffic(self) -> Traffic:
        return Traffic(self._preconditions, self.journal, self.traffic_within_s, self.sleep)
