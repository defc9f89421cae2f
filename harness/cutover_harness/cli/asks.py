"""The questions of a conductor: what is shown with each, and its line in the audit log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cutover_harness.admin import Admin
from cutover_harness.cli.approving import Approver
from cutover_harness.cli.figures import Shown, figures
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.journal import Entry
from cutover_harness.cutover.audit import Audit
from cutover_harness.procedure.names import StepName

Clusters = tuple[Admin, Admin]
"""Source and target."""


@dataclass(frozen=True)
class Asks:
    """What the questions need. window_h: the batch's rollback window, None if there is no plan.

    note: is called with each request and what is shown with it.
    """

    config: ConductorConfig
    clusters: Clusters
    window_h: float | None = None
    note: Callable[[Entry, Shown], None] = lambda *_: None

    def __call__(self, asked: Entry) -> list[str]:
        """Return the lines to show with a request."""
        shown = figures(self.config, self.clusters, StepName(asked.detail["act"]), self.window_h)
        self.note(asked, shown)
        return shown.lines()


def approver_of(asks: Asks, given: frozenset[StepName], hint: str) -> Approver:
    """Return who asks for approvals of a run. given: steps that are approved already."""
    return Approver(asks.config.journal, asks, given, hint)


def audited(audit: Audit, batch: str) -> Callable[[Entry, Shown], None]:
    """Return what writes each request, and what is shown with it, to the audit log."""

    def note(asked: Entry, shown: Shown) -> None:
        of = {"batch": batch, "step": asked.detail["act"], "number": asked.step, "request": asked.id}
        audit.write("approval wanted", **of, now=shown.now, going_back=shown.back.record())

    return note
