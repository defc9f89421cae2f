"""Apps that the rehearsal stops and starts as the step itself, and clients that commands of a plan restart."""

from __future__ import annotations

from cutover_harness.explore.case import Case
from cutover_harness.explore.patience import BARS
from cutover_harness.explore.views import Box
from cutover_harness.procedure.context import Action, StepContext
from cutover_harness.procedure.gates import Gate, Reading
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.step import Step

APPS = "apps of the rehearsal were stopped or started"


def apps(case: Case, box: Box, step: Step) -> list[Gate]:
    """Return the wait for these apps, nothing if the step, or the fleet, has none."""
    if case.fleet != "restart" or not step.moves_apps:
        return []

    def read() -> Reading:
        new = int(step.name == StepName.OVERLAP_CONSUMERS)
        late = sum(
            not p.producer_fresh if step.moves == "producers" else not p.member_fresh or p.over != new
            for p in box.world.parts
        )
        return Reading(open=not late, waits_for=f"{late} apps")

    return [Gate(APPS, read, BARS.deadline_s)]


def requests(case: Case, context: StepContext, step: Step) -> list[Action]:
    """Return the request that commands restart clients, nothing if the step, or the fleet, has none."""
    if not (case.requests and step.moves_apps):
        return []

    def request() -> None:
        context.journal.write("ask", context.number, f"move {step.name}")

    return [Action("commands that restart clients are requested", request)]
