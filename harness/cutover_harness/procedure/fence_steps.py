"""Gates and actions of a step that makes or removes the fence."""

from __future__ import annotations

from collections.abc import Iterator

from cutover_harness.procedure.context import Action, StepContext
from cutover_harness.procedure.denials import words
from cutover_harness.procedure.gates import Gate, Reading


def ready(context: StepContext) -> Iterator[Gate | Action]:
    """Wait until the fence could be made, before producers are held: while they are, a missing right is found late."""
    fence = context.write_fence
    if fence is None:
        return

    def read() -> Reading:
        why = fence.refusal()
        return Reading(open=why is None, never=True, waits_for=why or "", evidence="ACLs of the source can be altered")

    yield Gate("fence can be made", read, context.deadline_s)


def made(context: StepContext) -> Iterator[Gate | Action]:
    """Make the fence, and wait until the source has it. Producers have left the source."""
    fence = context.write_fence
    if fence is None:
        return
    yield Action("fence", lambda: fence.make(context.number))

    def read() -> Reading:
        lacking, there = fence.lacking()
        return Reading(
            open=not lacking,
            waits_for=f"the source lacks denials: {words(lacking)}",
            evidence=f"the source has the fence: {words(there)}",
            left=len(lacking),
        )

    yield Gate("fence stands", read, context.bars.deadline_s)


def removed(context: StepContext) -> Iterator[Gate | Action]:
    """Remove the fence, and wait until the source has none of it. Nothing without one."""
    fence = context.write_fence
    if fence is None:
        return
    yield Action("removal of the fence", fence.remove)

    def read() -> Reading:
        left = fence.left()
        return Reading(
            open=not left,
            waits_for=f"the source still has denials: {words(left)}",
            evidence="the source has none of the run's denials",
            left=len(left),
        )

    yield Gate("fence is removed", read, context.bars.deadline_s)
    yield Action("note of the removal", lambda: fence.note_removal(context.number))
