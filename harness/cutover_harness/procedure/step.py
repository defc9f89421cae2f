"""The base classes of steps: allowed states, gates before and after, action, and resulting state."""

# ruff: noqa: D102 - Step explains the methods
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import ClassVar

from cutover_harness.procedure import connector_steps
from cutover_harness.procedure.context import Action, StepContext
from cutover_harness.procedure.gates import Gate
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.restarted import RestartedClient, joined, left, quiet
from cutover_harness.procedure.state import ImpossibleStepError, Moved, RouteState, role_of
from cutover_harness.types import Location


class Step:
    """One step. `does`, `waits_before` and `waits_after` describe it in docs and in `rollback --dry-run`.

    `moves` and `destination`: which clients the cutover file moves, and to where. `moves_apps`: whether apps without
    the shim are stopped or started for it.
    """

    name: ClassVar[StepName]
    does: ClassVar[str] = ""
    waits_before: ClassVar[str] = ""
    waits_after: ClassVar[str] = ""
    moves: ClassVar[Moved | None] = None
    destination: ClassVar[Location | None] = None
    moves_apps: ClassVar[bool] = False

    def refusal(self, state: RouteState) -> str | None:
        """Return why the step cannot be taken from `state`, None if it can."""
        return None if state.has_task else f"{self.name} needs a mirror task: put create-task before it"

    def after(self, state: RouteState) -> RouteState:
        """Return the state once the step is done. Raises ImpossibleStepError."""
        if (why := self.refusal(state)) is not None:
            raise ImpossibleStepError(why)
        return self._changed(state)

    def _changed(self, state: RouteState) -> RouteState:
        raise NotImplementedError

    def never_opens(self, state: RouteState) -> str | None:
        """Return why the gates before the step can never open if it is taken from `state`, None if they can."""
        del state
        return None

    def before(self, context: StepContext) -> Iterable[Gate | Action]:
        """Return the gates before the step, in order; without them records or their order can be lost."""
        del context
        return ()

    def do(self, context: StepContext) -> None:
        """Do it; doing it again changes nothing."""

    def before_commands(self, context: StepContext) -> Iterable[Gate | Action]:
        """Return what has to be so before the plan's commands for the step are run."""
        del context
        return ()

    def gates_after(self, context: StepContext) -> Iterable[Gate | Action]:
        """Return the gates after the step, in order."""
        del context
        return ()

    def has_effect(self, context: StepContext) -> bool:
        """Whether the step, which was begun, has had its effect, so that no gate before it can prevent anything.

        False if that is not known: then its gates are waited for again, which costs a moment.
        """
        del context
        return False


class MovingStep(Step):
    """A step that moves clients by the cutover file."""

    moves: ClassVar[Moved]
    destination: ClassVar[Location]
    moves_apps = True

    def refusal(self, state: RouteState) -> str | None:
        if state.task == "none" and self.destination == "target":
            return f"{self.name} needs the topics on the target: put create-task before it"
        if state.location(self.moves) == self.destination:
            return f"{self.moves} are on {self.destination} already"
        return None

    def _changed(self, state: RouteState) -> RouteState:
        if self.moves == "producers":
            return replace(state, producers=self.destination)
        return replace(state, consumers=self.destination, exact=False, overlap=False)

    def do(self, context: StepContext) -> None:
        context.move(self.moves, self.destination)

    def before_commands(self, context: StepContext) -> Iterator[Gate | Action]:
        if self.destination != "hold":
            yield from connector_steps.clear(context, self.moves, self.destination)

    def gates_after(self, context: StepContext) -> Iterator[Gate | Action]:
        role, deadline_s = role_of(self.moves), context.bars.deadline_s
        restarted = context.route.restarted(role)
        if context.route.members is None:
            expected, generation = context.route.instances(role), context.cutover_file.generation
            if expected or not restarted:  # that none attests would prove nothing
                yield context.conditions.attested(role, expected, self.destination, generation, deadline_s)
            if self.destination == "hold":
                yield from connector_steps.stop(context, self.moves)
            else:
                after = self._changed(context.state)
                yield from connector_steps.start(context, self.moves, self.destination, after)
            if restarted:
                yield from self._restarted(context, restarted)
        elif role == "consumer" and self.destination != "hold" and context.route.members:
            yield context.conditions.joined(context.route.members, self.destination, deadline_s)

    def _restarted(self, context: StepContext, clients: Sequence[RestartedClient]) -> Iterator[Gate | Action]:
        """Wait until clients without the shim have left the cluster where they were, and joined the other one."""
        was = context.state.location(self.moves)
        for place in ("source", "target"):
            cluster = context.source if place == "source" else context.target
            if place == self.destination:
                if self.moves == "consumers":
                    yield joined(clients, cluster, place)
            elif was in (place, "hold"):
                if self.moves == "consumers":
                    yield left(clients, cluster, place)
                elif place in ("source", was):
                    yield quiet(clients, cluster, context.mirror.topics, place, context.bars.quiet_s)

    def has_effect(self, context: StepContext) -> bool:
        return context.location(self.moves) == self.destination
