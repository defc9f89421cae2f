"""The webhooks of a run, and what an answer of theirs does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import typer

from cutover_harness.cli.approving import Approver, answer
from cutover_harness.conductor.journal import Entry
from cutover_harness.cutover.audit import Audit
from cutover_harness.cutover.audit_entries import follower
from cutover_harness.cutover.webhook_messages import Approval
from cutover_harness.cutover.webhooks import Webhooks
from cutover_harness.errors import UsageError
from cutover_harness.plan.expect import Ended
from cutover_harness.planning.read import ReadPlan


def webhooks_of(plan: ReadPlan, batch: str, audit: Audit, journal: Path) -> Webhooks:
    """Return what reports the run of a batch; an answer to a request for approval goes to the journal."""

    def take(asked: Entry, found: Approval) -> bool:
        return answer(journal, asked, approved=found.approved, how="webhook", by=found.by)

    return Webhooks(plan, batch, audit, take)


def webhooks_if_readable(plan: ReadPlan, batch: str, audit: Audit, journal: Path) -> Webhooks:
    """Return the same for a way back or a resumed run, which no address that cannot be read may stop."""
    try:
        return webhooks_of(plan, batch, audit, journal)
    except UsageError as why:
        typer.echo(f"webhooks are not sent: {why}", err=True)
        without = replace(plan, plan=plan.plan.model_copy(update={"webhooks": ()}))
        return webhooks_of(without, batch, audit, journal)


def followers(webhooks: Webhooks, audit: Audit, batch: str, known: Sequence[Entry]) -> list[Callable[[Entry], None]]:
    """Return what each new entry of the journal is reported to. known: the entries from before."""
    return [follower(audit, batch, known), webhooks.follower(known)]


def announce(webhooks: Webhooks, approver: Approver, advance: str) -> None:
    """Have each request for approval sent. advance: the command that answers it."""
    approver.announce = lambda asked, shown: webhooks.ask(asked, str(asked.detail["act"]), shown, advance)


def note_end(webhooks: Webhooks, audit: Audit, batch: str, ended: Ended | int) -> None:
    """Note how the conductor has ended; an exit code: it stopped before the end."""
    audit.write("end", batch=batch, result=ended)
    webhooks.send("end", result="stopped" if isinstance(ended, int) else ended)
