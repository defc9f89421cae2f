"""The steps of the procedure, one class each, in the order of the table in docs/scenarios.md.

To add a step: a name in `names`, a class here, and a place in `STEPS`.
"""

# ruff: noqa: D102 - Step explains the methods
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cutover_harness.procedure import fence_steps
from cutover_harness.procedure.context import Action, StepContext
from cutover_harness.procedure.entries import START
from cutover_harness.procedure.gates import Gate, Reading
from cutover_harness.procedure.mirror_turn import cut_mirror, turn_mirror_around
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.restarted import quiet
from cutover_harness.procedure.resumes import note_exact, note_translated
from cutover_harness.procedure.state import RouteState
from cutover_harness.procedure.step import MovingStep, Step

_READY = "the mirror has missed nothing, and the target has what groups need and no consumers"
_AT_ZERO = "the mirror is at zero and has missed nothing"


class CreateTask(Step):
    """Create the mirror."""

    name = StepName.CREATE_TASK
    does = "create the topics that the target lacks, and the three MirrorMaker 2 connectors"
    waits_before = "the target is unused"
    waits_after = "the connectors run, and the target has every topic and partition"

    def refusal(self, state: RouteState) -> str | None:
        return "the mirror task exists already" if state.has_task else None

    def _changed(self, state: RouteState) -> RouteState:
        return replace(state, task="created")

    def before(self, context: StepContext) -> Iterator[Gate | Action]:
        yield context.target_state.unused(context.number, context.deadline_s)
        # Before anything is copied: of a topic that is recreated from now on the mirror has the wrong records.
        yield Action("topic ids", context.integrity.learn_ids)

    def do(self, context: StepContext) -> None:
        context.mirror.create()
        for note in context.mirror.notes:
            context.journal.write("note", START, note)

    def gates_after(self, context: StepContext) -> Iterator[Gate | Action]:
        yield context.conditions.mirroring(context.bars.deadline_s)
        yield Action("topics and partitions of the mirror", context.integrity.learn)

    def has_effect(self, context: StepContext) -> bool:
        return context.mirror.exists()


class Synchronise(Step):
    """Wait until the mirror has almost caught up."""

    name = StepName.SYNCHRONISE
    waits_after = "the mirror lag is at most gates.lag_bar, and 0 if producers have left the source"

    def _changed(self, state: RouteState) -> RouteState:
        return replace(state, task="synchronised")

    def gates_after(self, context: StepContext) -> Iterator[Gate | Action]:
        # The bar is for a lag that moves: once producers have left the source no lag needs to remain.
        bar = context.bars.lag_bar if context.state.producers == "source" else 0
        yield context.conditions.lag_under(bar, context.bars.deadline_s)


class OverlapConsumers(Step):
    """Start new members on the target next to those on the source."""

    name = StepName.OVERLAP_CONSUMERS
    does = "start new members on the target next to the old ones (fleet.apps: restart)"
    waits_before = _READY
    waits_after = "the new members have joined"
    moves_apps = True

    def refusal(self, state: RouteState) -> str | None:
        if state.has_task and (state.consumers != "source" or state.overlap):
            return "it needs consumers on source, and none on target yet"
        return super().refusal(state)

    def _changed(self, state: RouteState) -> RouteState:
        return replace(state, overlap=True)

    def before(self, context: StepContext) -> Iterator[Gate | Action]:
        yield context.integrity.gate(context.deadline_s)
        yield from _target_is_ready(context)

    def gates_after(self, context: StepContext) -> Iterator[Gate | Action]:
        yield context.conditions.joined(context.route.members or {}, "target", context.bars.deadline_s)

    def has_effect(self, context: StepContext) -> bool:
        del context
        return True  # its members have been asked for


class StopConsumers(MovingStep):
    """Hold the consumers: they commit and leave their groups."""

    name = StepName.STOP_CONSUMERS
    moves, destination = "consumers", "hold"
    waits_before = f"{_READY} (if they leave the source)"
    waits_after = "every member attests it: committed, and left the group"

    def refusal(self, state: RouteState) -> str | None:
        if state.overlap:
            return "consumers overlap: consumers-to-target ends those on the source"
        return super().refusal(state)

    def before(self, context: StepContext) -> Iterator[Gate | Action]:
        if context.state.consumers == "source":
            yield context.integrity.gate(context.deadline_s)
            yield from _target_is_ready(context)

    def do(self, context: StepContext) -> None:
        if context.next_step == StepName.SET_EXACT_OFFSETS:
            context.mirror.stop_translating()  # now, and not while the groups are held
        super().do(context)


class SetExactOffsets(Step):
    """Set the offsets of held groups on the target to the very record."""

    name = StepName.SET_EXACT_OFFSETS
    does = "set the groups' offsets on the target to the very record that they resume from"
    waits_before = f"{_READY} (the last two unless the consumers were on the target already)"
    waits_after = "each offset is proved, or is MirrorMaker 2's translation if no proof is possible"

    def refusal(self, state: RouteState) -> str | None:
        if state.has_task and (state.consumers != "hold" or state.producers != "source"):
            return "it needs consumers on hold and producers on source"
        return super().refusal(state)

    def _changed(self, state: RouteState) -> RouteState:
        return replace(state, exact=True)

    def before(self, context: StepContext) -> Iterator[Gate | Action]:
        yield context.integrity.gate(context.deadline_s)
        if not context.resumes:
            yield from _target_is_ready(context, sets_offsets=True)
        yield context.kept_offsets

    def gates_after(self, context: StepContext) -> Iterator[Gate | Action]:
        yield context.conditions.exact_offsets(context.route.groups, context.bars.deadline_s)
        yield note_exact(context)


class ConsumersToTarget(MovingStep):
    """Start the consumers on the target."""

    name = StepName.CONSUMERS_TO_TARGET
    moves, destination = "consumers", "target"
    waits_before = (
        "the target has what groups need and no consumers; without set-exact-offsets right before: the mirror has "
        "missed nothing, and group progress is synchronised or settled"
    )
    waits_after = "every member attests its assignment there"

    def before(self, context: StepContext) -> Iterator[Gate | Action]:
        state, bars = context.state, context.bars
        # This process has just looked at the mirror if it has set the offsets itself.
        if not (state.exact and context.done_here == StepName.SET_EXACT_OFFSETS):
            yield context.integrity.gate(context.deadline_s)
        if context.resumes or state.overlap:
            return
        if state.exact:
            yield from _target_is_ready(context)
            return
        yield context.target_state.no_members(bars.deadline_s)
        yield context.kept_offsets
        yield context.conditions.progress(context.route.groups, bars.progress_wait_s, bars.settle_s)
        # That gate may have been passed because its time was over.
        yield context.target_state.nothing_skipped(context.deadline_s, held=True, offsets=True)
        yield note_translated(context)


class ConsumersToSource(MovingStep):
    """Start the consumers on the source again."""

    name = StepName.CONSUMERS_TO_SOURCE
    moves, destination = "consumers", "source"
    does = "note how many records that groups would read again are gone from the source"
    waits_after = "every member attests its assignment there"

    def refusal(self, state: RouteState) -> str | None:
        return None if state.overlap else super().refusal(state)  # of an overlap it ends the new ones

    def before(self, context: StepContext) -> Iterator[Gate | Action]:
        if context.resumes:
            yield context.kept_offsets
            yield context.target_state.read_again()


class StopProducers(MovingStep):
    """Hold the producers: they send what is in flight and queue the rest."""

    name = StepName.STOP_PRODUCERS
    moves, destination = "producers", "hold"
    waits_before = "the mirror has missed nothing (if they leave the source)"
    waits_after = "every producer attests it: nothing in flight, every delivery reported"

    def before(self, context: StepContext) -> Iterator[Gate | Action]:
        if context.state.producers == "source":
            yield context.integrity.gate(context.deadline_s)
            yield from fence_steps.ready(context)

    def gates_after(self, context: StepContext) -> Iterator[Gate | Action]:
        yield from super().gates_after(context)
        if context.state.producers == "source":
            yield from fence_steps.made(context)


class ReverseMirror(Step):
    """Cut the mirror at the target's log ends; it is turned around once producers have moved."""

    name = StepName.REVERSE_MIRROR
    does = (
        "stop copying and note the ends of the target's logs; the mirror turns around from there as soon as producers "
        "have moved"
    )
    waits_before = _AT_ZERO

    def refusal(self, state: RouteState) -> str | None:
        if state.has_task and (state.producers != "hold" or state.consumers != "target" or state.reverse):
            return "it needs producers on hold and consumers on target"
        return super().refusal(state)

    def _changed(self, state: RouteState) -> RouteState:
        return replace(state, reverse=True)

    def before(self, context: StepContext) -> Iterator[Gate | Action]:
        yield from _mirror_is_at_zero(context)

    def do(self, context: StepContext) -> None:
        cut_mirror(context)

    def has_effect(self, context: StepContext) -> bool:
        begun = context.journal.find("doing", context.number)
        return begun is not None and any(e.kind == "cut" and e.id > begun.id for e in context.journal.read())


class ProducersToTarget(MovingStep):
    """Release the producers on the target."""

    name = StepName.PRODUCERS_TO_TARGET
    moves, destination = "producers", "target"
    waits_before = f"consumers are on the target; {_AT_ZERO}"
    waits_after = "every producer attests it: held records are released"

    def never_opens(self, state: RouteState) -> str | None:
        if state.reverse or state.consumers == "target":
            return None
        return "consumers have to be on the target: a path that moves producers first cannot keep order"

    def before(self, context: StepContext) -> Iterator[Gate | Action]:
        if not context.state.reverse:
            yield Gate("consumers first", lambda: self._consumers_first(context.state), context.deadline_s)
            yield from _mirror_is_at_zero(context)
        yield Action("log ends of the target", lambda: _note_ends(context))

    def _consumers_first(self, state: RouteState) -> Reading:
        why = self.never_opens(state)
        evidence = f"consumers are on {state.consumers}"
        return Reading(open=why is None, never=True, waits_for=why or "", evidence=evidence)

    def do(self, context: StepContext) -> None:
        super().do(context)
        if context.state.reverse:
            turn_mirror_around(context)

    def gates_after(self, context: StepContext) -> Iterator[Gate | Action]:
        yield from super().gates_after(context)
        if context.state.producers == "source":
            yield from fence_steps.made(context)


class ProducersToSource(MovingStep):
    """Release the producers on the source again."""

    name = StepName.PRODUCERS_TO_SOURCE
    moves, destination = "producers", "source"
    waits_before = "every producer attests the hold, and the reverse mirror is at zero, if there is one"
    waits_after = "every producer attests it: held records are released"

    def before(self, context: StepContext) -> Iterator[Gate | Action]:
        # A way back may begin while a producer has not followed the hold: it would write on the target, while others
        # write to the source, and what it writes would be left behind.
        if (context.state.reverse or context.returns) and context.done_here != StepName.STOP_PRODUCERS:
            yield from self._held(context)
        if context.state.reverse:
            yield Action("reverse mirror", lambda: turn_mirror_around(context))  # if it has not been yet
            yield context.conditions.reverse_drained(context.deadline_s)
        yield from fence_steps.removed(context)  # before the first of them writes there again

    def _held(self, context: StepContext) -> Iterator[Gate | Action]:
        route, deadline_s = context.route, context.bars.deadline_s
        restarted = route.restarted("producer")
        if route.members is None and (expected := route.instances("producer")):
            generation = context.cutover_file.generation
            yield context.conditions.attested("producer", expected, "hold", generation, deadline_s)
        if restarted:
            yield quiet(restarted, context.target, context.mirror.topics, "target", context.bars.quiet_s)


class DeleteTask(Step):
    """Delete the mirror."""

    name = StepName.DELETE_TASK
    does = "stop and delete the connectors"
    waits_before = "every record was compared, and is equal (in the run of a plan, if producers are on the target)"

    def refusal(self, state: RouteState) -> str | None:
        if state.has_task and not state.finished:
            return f"consumers are on {state.consumers}, producers on {state.producers}: bring both to one first"
        # Of one whose deletion was begun something may be left, and deleting it again changes nothing.
        return None if state.task == "deleted" else super().refusal(state)

    def _changed(self, state: RouteState) -> RouteState:
        return replace(state, task="deleted", reverse=False)

    def before(self, context: StepContext) -> Iterator[Gate | Action]:
        state = context.state
        if state.has_task and state.producers == "target" and context.verified is not None:
            yield context.verified

    def do(self, context: StepContext) -> None:
        context.mirror.delete()

    def gates_after(self, context: StepContext) -> Iterator[Gate | Action]:
        yield from fence_steps.removed(context)


STEPS: tuple[Step, ...] = (
    CreateTask(),
    Synchronise(),
    StopConsumers(),
    SetExactOffsets(),
    ConsumersToTarget(),
    ConsumersToSource(),
    OverlapConsumers(),
    StopProducers(),
    ReverseMirror(),
    ProducersToTarget(),
    ProducersToSource(),
    DeleteTask(),
)


def step_of(name: str) -> Step:
    """Return the step of this name. Raises ValueError if there is none."""
    for step in STEPS:
        if step.name == name:
            return step
    raise ValueError(f"no step is called {name!r}")


def _target_is_ready(context: StepContext, *, sets_offsets: bool = False) -> Iterator[Gate | Action]:
    """Wait until no group has members on the target, and nothing that the groups have not read is missing there."""
    deadline_s, held = context.bars.deadline_s, context.state.consumers == "hold"
    sets_offsets = sets_offsets or context.next_step == StepName.SET_EXACT_OFFSETS
    yield context.target_state.no_members(deadline_s)
    yield context.target_state.nothing_skipped(deadline_s, held=held, offsets=not sets_offsets)


def _mirror_is_at_zero(context: StepContext) -> Iterator[Gate | Action]:
    """Wait until the mirror is at zero, and note what that proves: the target has every record of the source."""
    yield context.conditions.drained(context.deadline_s)
    # Without a look: the last one was the proof that the mirror is drained.
    yield context.integrity.gate(context.deadline_s, look=False)
    yield Action("log ends of the source", lambda: _note_copied(context))


def _note_copied(context: StepContext) -> None:
    ends = context.source.end_offsets(context.mirror.topics())
    copied = [
        {"cluster": "source", "topic": topic, "partition": partition, "start": 0, "end": end}
        for (topic, partition), end in ends.items()
    ]
    context.journal.write("copied", context.number, "source", partitions=copied)


def _note_ends(context: StepContext) -> None:
    ends = context.target.end_offsets(context.mirror.topics())
    offsets = [[topic, partition, end] for (topic, partition), end in sorted(ends.items())]
    context.journal.write("ends", context.number, "target", offsets=offsets)
