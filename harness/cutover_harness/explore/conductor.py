"""The conductor over the abstract world: the loop of `conductor/conductor.py`, one gate or action at a time.

Steps, gates, and what a journal says of a path are the product's own; only the loop is written again here, because it
has to be left between any two of its actions. `replay` compares it with journals of real runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from cutover_harness.conductor.waiting import forgiving
from cutover_harness.errors import FinalError, LeaseLostError, UsageError
from cutover_harness.explore import bypass, memory
from cutover_harness.explore.apps import APPS, apps, requests
from cutover_harness.explore.case import BYPASS, LOCK, Case, Removed
from cutover_harness.explore.journals import JournalReader, Journals
from cutover_harness.explore.moves import Move, effect_of, with_conductor
from cutover_harness.explore.patience import BARS, urgent
from cutover_harness.explore.route import route_of
from cutover_harness.explore.views import Box, Views
from cutover_harness.explore.world import Pc, World
from cutover_harness.plan.path import PathStep
from cutover_harness.procedure.context import Action, StepContext
from cutover_harness.procedure.gates import Gate
from cutover_harness.procedure.names import EXACT_OFFSETS, PROGRESS, StepName
from cutover_harness.procedure.state import RouteState, role_of
from cutover_harness.procedure.step import Step
from cutover_harness.procedure.steps import step_of

REPEATS = 99
"""The gate of a conductor that is at a step's action, whatever its gates."""
_WRITE = (EXACT_OFFSETS, PROGRESS)
"""Gates of which a look may set offsets."""


class Conductors:
    """Runs the steps of one case over states of the world."""

    def __init__(self, case: Case, journals: Journals) -> None:
        self.case, self.journals = case, journals
        self._box = box = Box(case, journals, World(()))
        self._views = Views(box)
        self._journal = self._views.journal
        self._route = route_of(case)
        self.removed: set[Removed] = set()
        """The gates that were left out, of those that the case names."""
        self.seen: dict[Removed, None] = {}
        """All gates that were read."""
        self.closed: set[Removed] = set()
        """Those that were read when they were not open."""
        read = JournalReader(case, journals)
        self._known = lru_cache(200_000)(read.before)
        self._read_journal = lru_cache(100_000)(read.stands)
        self._ways_back = lru_cache(100_000)(read.way_back)

    def moves(self, world: World, me: int) -> Iterator[Move]:
        """Return what a running conductor may do next."""
        pc = world.conductors[me]
        assert pc is not None  # noqa: S101 - the caller asks only for those that run
        if pc.asleep >= 0:
            yield from self._wakes(world, me, pc)
            return
        self._enter(world, me, pc)
        planned = self._planned(pc.number)
        step, context = step_of(planned.step), self._context(pc, planned)
        units = self._units(step, context, planned, pc)
        if pc.gate >= len(units):
            yield from self._act(pc, step, context)
            return
        unit = units[pc.gate]
        if isinstance(unit, Action):
            yield from self._go_on(pc, "")
        else:
            yield from self._read(pc, step, planned, context, unit)

    def _wakes(self, world: World, me: int, pc: Pc) -> Iterator[Move]:
        """Return what a conductor does that was suspended and taken over: its write, by its own copy of the journal.

        It is refused, as the lease is lost. Without that check it is done, and nothing more: the conductor ends then.
        """
        self._enter(world._replace(journal=pc.asleep), me, pc)
        box = self._box
        planned = self._planned(pc.number)
        step, context = step_of(planned.step), self._context(pc, planned)
        units = self._units(step, context, planned, pc)
        unit = units[pc.gate] if pc.gate < len(units) else None
        name = step.name if unit is None else unit.name
        words = f"the suspended conductor wakes up at {step.name}: {name}"
        gone = with_conductor(world, me, None)
        try:
            if isinstance(unit, Gate):
                memory.recall(memory.objects_of(unit), ())
                unit.read()
            else:
                box.fence(lost=True)
                step.do(context) if unit is None else unit.do()
        except FinalError as why:
            yield Move(f"{words} is refused: {why}", gone, "refused")
            return
        except UsageError:
            return  # it repeats that
        wrote = with_conductor(box.world._replace(journal=world.journal), me, None)
        yield Move(f"{words} is done, although it was taken over", wrote, "fault")

    def _taken_over(self, world: World, pc: Pc, words: str, *, looks: bool = False) -> Iterator[Move]:
        """Return that a conductor is suspended when it is about to write, and taken over before it wakes up.

        world: before the write. Whoever takes over has a copy of the journal. looks: whether it writes only if a gate's
        look finds something. Otherwise the write is refused whatever others do in between, so it is refused now.
        """
        if not self.case.takes_over or not world.faults or world.conductors[-1] is not None:
            return
        words = f"{words}; the conductor is suspended before it writes, and taken over"
        try:
            if not looks:
                self._box.fence(lost=True)
        except LeaseLostError as why:
            ended = world._replace(conductors=(None,) * len(world.conductors), faults=world.faults - 1)
            yield Move(f"{words}; when it wakes up, this is refused: {why}", ended, "crash")
            return
        asleep = pc._replace(memory=(), generation=self._box.knows, asleep=world.journal)
        conductors = (*(None for _ in world.conductors[1:]), asleep)
        yield Move(words, world._replace(conductors=conductors, faults=world.faults - 1), "crash")

    def start(self, world: World, me: int, *, back: bool) -> World | None:
        """Return the state after a conductor has started, `back` to the source or along the path; None if it is over.

        None also if there is no way back to decide, because it was decided before.
        """
        self._enter(world, me, None)
        if back:
            decided = self._ways_back(world.journal, world.producers, world.consumers)
            if decided is None:
                return None
            self._journal.write("back", -1, "back to the source", acts=decided[0], undone=decided[1])
        stands = self._read_journal(self._box.world.journal)
        return self._next(me, -1, -1, stands.back is not None, saw_gap=0, knows=world.generation)

    def state(self, world: World) -> RouteState:
        """Return where the route stands by the journal."""
        return self._read_journal(world.journal).state

    def state_before(self, world: World, me: int) -> RouteState:
        """Return where the route stood before the step at which a conductor is."""
        pc = world.conductors[me]
        return self.state(world) if pc is None else self._known(world.journal, pc.number).state

    def were_on_target(self, world: World) -> bool:
        """Whether the group's consumers have been sent to the target, and not back to the source since."""
        return self._read_journal(world.journal).were_on_target

    def reversed_once(self, world: World) -> bool:
        """Whether the mirror was turned around."""
        return self._read_journal(world.journal).reversed_once

    def requested(self, world: World) -> frozenset[str]:
        """Return the roles of which the clients that are restarted were requested to follow the last move."""
        return self._read_journal(world.journal).requested

    def is_back(self, world: World) -> bool:
        """Whether the way back was decided."""
        return self._read_journal(world.journal).back is not None

    def waits_for(self, world: World, me: int) -> Removed | None:
        """Return the gate that a conductor waits for, None if it is about to act."""
        pc = world.conductors[me]
        if pc is None:
            return None
        self._enter(world, me, pc)
        planned = self._planned(pc.number)
        step, context = step_of(planned.step), self._context(pc, planned)
        units = self._units(step, context, planned, pc)
        unit = units[pc.gate] if pc.gate < len(units) else None
        return self._name(unit, step, pc) if isinstance(unit, Gate) else None

    def first_gate(self, world: World, me: int) -> int:
        """Return where a step's own gates begin: at 1 if the look for bypasses precedes them."""
        pc = world.conductors[me]
        assert pc is not None  # noqa: S101 - the caller asks only for those that run
        self._enter(world, me, pc)
        planned = self._planned(pc.number)
        units = self._units(step_of(planned.step), self._context(pc, planned), planned, pc)
        return int(bool(units) and isinstance(units[0], Gate) and units[0].name == BYPASS)

    def step_name(self, world: World, me: int) -> StepName | None:
        """Return the step at which a conductor is."""
        pc = world.conductors[me]
        if pc is None:
            return None
        self._enter(world, me, pc)
        return self._planned(pc.number).step

    def _enter(self, world: World, me: int, pc: Pc | None) -> None:
        box = self._box
        box.world, box.me = world, me
        box.saw_gap = bool(pc and pc.saw_gap)
        box.knows = pc.generation if pc else world.generation
        box.lost = bool(pc and pc.asleep >= 0)

    def _planned(self, number: int) -> PathStep:
        if number < len(self.case.path):
            return self.case.path[number]
        return (self._read_journal(self._box.world.journal).back or ())[number - len(self.case.path)]

    def _context(self, pc: Pc, planned: PathStep) -> StepContext:
        known = self._known(self._box.world.journal, pc.number)
        following = self.case.path[pc.number + 1 : pc.number + 2]
        views = self._views
        done_here = self._planned(pc.done_here).step if pc.done_here >= 0 else None
        context = StepContext(
            number=pc.number,
            state=known.state,
            route=self._route,
            bars=BARS,
            deadline_s=BARS.deadline_s,
            resumes=known.resumes,
            returns=known.returns,
            next_step=following[0].step if following and pc.number < len(self.case.path) else None,
            done_here=done_here,
            mirror=views.mirror,
            source=views.source,
            target=views.target,
            cutover_file=views.cutover_file,
            journal=views.journal,
            conditions=views.conditions(safety=planned.safety),
            verified=views.verified() if self.case.planned else None,
            snapshot=lambda: None,
        )
        if known.begun and not pc.after and pc.gate != REPEATS:
            return self._unmoved(step_of(planned.step), context) or context
        return context

    def _unmoved(self, step: Step, context: StepContext) -> StepContext | None:
        """Return the context of the clients that a step which was begun has not moved, as the conductor finds it."""
        if not step.has_effect(context):
            return context
        asked = self._journal.find("ask", context.number, f"move {step.name}") is not None
        return context.of_restarted(step.moves, step.destination) if self.case.requests and not asked else None

    def _units(self, step: Step, context: StepContext, planned: PathStep, pc: Pc) -> list[Gate | Action]:
        """Return the gates and actions before or after the step's action, without those that are left out."""
        if not pc.after:
            units = [*self._watched(pc, step, context), *step.before(context)] if planned.safety else []
        else:
            asked = requests(self.case, context, step)
            wait = apps(self.case, self._box, step)
            units = [*step.before_commands(context), *asked, *wait, *step.gates_after(context)]
        kept: list[Gate | Action] = []
        for unit in units:
            if isinstance(unit, Gate):
                name = self._name(unit, step, pc)
                self.seen.setdefault(name)
                if name in self.case.without:
                    self.removed.add(name)
                    continue
            kept.append(unit)
        return kept

    def _watched(self, pc: Pc, step: Step, context: StepContext) -> list[Gate | Action]:
        """Return the look for bypasses that precedes a step, unless clients are on hold."""
        state = context.state
        if pc.back or "hold" in (state.consumers, state.producers) or self.case.lacks(BYPASS):
            return []
        begun = self._journal.find("doing", context.number) is not None
        moving = [role_of(step.moves)] if begun and step.moves else []
        return [bypass.gate(self._box, self._route, state, moving, BARS.deadline_s)]

    def _name(self, gate: Gate, step: Step, pc: Pc) -> Removed:
        return Removed(gate.name, step.name, bool(pc.after))

    def _read(self, pc: Pc, step: Step, planned: PathStep, context: StepContext, gate: Gate) -> Iterator[Move]:
        box, before_reading = self._box, self._box.world
        name, words = self._name(gate, step, pc), f"{step.name}: gate '{gate.name}'"
        if gate.name in _WRITE:
            yield from self._taken_over(before_reading, pc, f"{words} is being read", looks=True)
        gate = self._as_read(gate, pc, planned, context)
        objects = memory.objects_of(gate)
        memory.recall(objects, pc.memory)
        try:
            reading = forgiving(gate.read)()
        except FinalError as why:
            yield Move(f"the conductor stops: {why}", self._stopped(before_reading, box.me), "refused")
            return
        if reading.open:
            yield from self._pass(pc, f"{words} opens")
            return
        self.closed.add(name)
        if reading.never:
            stopped = self._stopped(box.world, box.me)
            yield Move(f"{words} refuses: {reading.waits_for}", stopped, "refused")
            return
        seen = pc._replace(memory=memory.remember(objects), saw_gap=int(box.saw_gap))
        looked = with_conductor(box.world, box.me, seen)
        if looked != before_reading:
            yield Move(f"{words} is read, and stays closed: {reading.waits_for}", looked, "look")
        rests = not urgent(self.case, box.world)
        later = with_conductor(box.world, box.me, seen._replace(memory=memory.aged(seen.memory)))
        if rests and later not in (looked, before_reading):
            yield Move(f"a long time passes at gate '{gate.name}' of {step.name}", later, "look")
        if not (gate.waits_only and reading.enough):
            missed = self._stopped(box.world, box.me)
            yield Move(f"{words} misses its deadline: waits for {reading.waits_for}", missed, "missed")
        elif rests or not gate.deadline_s:
            # Its time is long enough for everything that runs, unless it has none, as a gate that only notes.
            yield from self._pass(pc, f"{words} is passed, as its time is over: {reading.waits_for}")

    def _as_read(self, gate: Gate, pc: Pc, planned: PathStep, context: StepContext) -> Gate:
        """Return a gate as the conductor reads it: closed for good by a broken mirror, or as a test replaces it."""
        if gate.name == APPS:
            return gate
        if (planned.safety or not pc.after) and self._read_journal(self._box.world.journal).needs_mirror:
            gate = context.conditions.unless_broken(gate)
        if (planned.safety or not pc.after) and not pc.back:
            state = self._read_journal(self._box.world.journal).state
            gate = bypass.closes(gate, self._box, state)
        return gate if self.case.substitute is None else self.case.substitute(gate, context)

    def _pass(self, pc: Pc, words: str) -> Iterator[Move]:
        yield from self._go_on(pc._replace(gate=pc.gate + 1, memory=(), saw_gap=int(self._box.saw_gap)), words)

    def _go_on(self, pc: Pc, words: str) -> Iterator[Move]:
        """Return the moves after a gate: with the actions that follow it, and the step's own if nothing is before that.

        The world does not move between a look and an action, except that the conductor may die.
        """
        box = self._box
        planned = self._planned(pc.number)
        step, context = step_of(planned.step), self._context(pc, planned)
        units = self._units(step, context, planned, pc)
        while pc.gate < len(units) and isinstance(action := units[pc.gate], Action):
            before_it = box.world
            try:
                action.do()
            except UsageError:
                break  # repeated until the cluster or Connect answers
            if box.world._replace(journal=0) != before_it._replace(journal=0):
                yield from self._taken_over(before_it, pc, f"{step.name}: {action.name} is begun")
            pc = pc._replace(gate=pc.gate + 1, memory=(), saw_gap=int(box.saw_gap))
            words = f"{words}; {action.name}" if words else f"{step.name}: {action.name}"
        if pc.gate < len(units):
            yield Move(words, with_conductor(box.world, box.me, pc))
        else:
            yield from self._act(pc, step, context, words)

    def _act(self, pc: Pc, step: Step, context: StepContext, words: str = "") -> Iterator[Move]:
        """Do the step, or end it."""
        box = self._box
        said = f"{words}; " if words else ""
        if pc.after:
            self._journal.write("done", pc.number, step.name)
            following = self._next(box.me, pc.number, pc.number, bool(pc.back), pc.saw_gap, box.knows)
            yield Move(f"{said}{step.name} is done", following)
            return
        self._journal.write("doing", pc.number, step.name)
        if self.case.bounds.crashes:
            died = self._stopped(box.world, box.me)
            yield Move(f"{said}{step.name} is begun in the journal, and the conductor dies", died, "crash")
        yield from self._taken_over(box.world, pc._replace(gate=REPEATS), f"{said}{step.name} is begun")
        try:
            step.do(context)
        except FinalError as why:
            yield Move(f"{said}the conductor stops: {why}", self._stopped(box.world, box.me), "refused")
            return
        except UsageError:
            waits = pc._replace(gate=REPEATS)  # the action is repeated until the cluster or Connect answers
            yield Move(f"{said}{step.name} is begun", with_conductor(box.world, box.me, waits))
            return
        done = pc._replace(after=1, gate=0, memory=(), generation=box.knows)
        effects = f"{said}{step.name} is done{effect_of(step)}"
        after = self._units(step, self._context(done, self._planned(pc.number)), self._planned(pc.number), done)
        if after:
            yield Move(effects, with_conductor(box.world, box.me, done))
        else:
            yield from self._act(done, step, self._context(done, self._planned(pc.number)), effects)

    def _next(self, me: int, number: int, done_here: int, back: bool, saw_gap: int, knows: int) -> World:
        """Return the state in which the next step begins, or the path has ended."""
        box = self._box
        stands = self._read_journal(box.world.journal)
        left = stands.left
        if self.case.lacks(LOCK) and number >= 0:  # each of two follows the list that it made when it started
            plan = enumerate(stands.back or (), len(self.case.path)) if back else enumerate(self.case.path)
            left = [(n, step) for n, step in plan if n > number]
        if not left:
            self._journal.write("end", len(self.case.path), "turned back" if back else "completed")
            return with_conductor(box.world._replace(ended=2 if back else 1), me, None)
        n, planned = left[0]
        pc = Pc(n, 0, 0, (), done_here, int(back), saw_gap, knows)
        step = step_of(planned.step)
        begun = self._known(box.world.journal, n).begun
        effect = begun and self._unmoved(step, self._context(pc._replace(gate=REPEATS), planned)) is None
        if step.name == StepName.OVERLAP_CONSUMERS:  # as the conductor looks whether it has asked for new members
            effect = effect and any(part.over for part in box.world.parts)
        if effect:
            pc = pc._replace(gate=REPEATS)  # as the gates before it can prevent nothing any more
        return with_conductor(box.world, me, pc)

    def _stopped(self, world: World, me: int) -> World:
        return with_conductor(world, me, None)
