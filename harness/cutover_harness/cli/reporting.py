"""The webhooks of a run, and what an answer of theirs does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from cutover_harness.cli.approving import answer
from cutover_harness.conductor.journal import Entry
from cutover_harness.cutover.audit import Audit
from cutover_harness.cutover.audit_entries import follower
from cutover_harness.cutover.webhook_messages import Approval
from cutover_harness.cutover.webhooks import Webhooks
from cutover_harness.planning.read import ReadPlan


def webhooks_of(plan: ReadPlan, batch: str, audit: Audit, journal: Path) -> Webhooks:
    """Return what reports the run of a batch; an answer to a request for approval goes to the journal."""

    def take(asked: Entry, found: Approval) -> bool:
        return answer(journal, asked, approved=found.approved, how="webhook", by=found.by)

    return Webhooks(plan, batch, audit, take)


def followers(webhooks: Webhooks, audit: Audit, batch: str, known: Sequence[Entry]) -> list[Callable[[Entry], None]]:
    """Return what each new entry of the journal is reported to. known: the entries from before."""
    return [follower(audit, batch, known), webhooks.follower(known)]
