"""The table of steps in docs/scenarios.md, from the classes: `python -m cutover_harness.procedure.table`."""

from __future__ import annotations

from cutover_harness import markdown
from cutover_harness.procedure.step import Step
from cutover_harness.procedure.steps import STEPS

HEAD = ("step", "action", "gates before", "gates after")


def table() -> str:
    """Return the table."""
    return markdown.table(HEAD, map(_row, STEPS))


def _row(step: Step) -> tuple[str, ...]:
    moved = [f"cutover file: {step.moves} = {step.destination}"] if step.moves else []
    does = "; ".join([*moved, *([step.does] if step.does else [])])
    return f"`{step.name}`", does, step.waits_before, step.waits_after


if __name__ == "__main__":
    print(table(), end="")
