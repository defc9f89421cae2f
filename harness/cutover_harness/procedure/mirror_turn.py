"""Turning the mirror around at a cut: it then copies to the source what is produced on the target."""

from __future__ import annotations

from cutover_harness.procedure.context import StepContext
from cutover_harness.procedure.entries import START

REVERSED = "reversed"
"""Name of the entry that says that the mirror copies from its latest cut on."""


def cut_mirror(context: StepContext) -> None:
    """Stop copying and note where the target's logs end."""
    # Only the cut: the mirror is turned around once producers have moved, who are held until then.
    offsets = [[topic, partition, end] for (topic, partition), end in sorted(context.mirror.cut().items())]
    context.journal.write("cut", START, "target", offsets=offsets)


def turn_mirror_around(context: StepContext) -> None:
    """Start the reverse mirror from the latest cut, unless it was started already."""
    cut = [entry for entry in context.journal.read() if entry.kind == "cut"][-1]
    if cut.name == REVERSED:
        return
    context.mirror.reverse({(topic, partition): end for topic, partition, end in cut.detail["offsets"]})
    context.journal.write("cut", START, REVERSED)
