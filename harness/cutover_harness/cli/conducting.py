"""The conductor of a batch, with what reports it, answers it, and reads back what it did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from cutover_harness import runs
from cutover_harness.cli.asks import Asks, Clusters, approver_of, audited
from cutover_harness.cli.conclusion import conclude, read_back_in
from cutover_harness.cli.driving import Drive
from cutover_harness.cli.leasing import Held
from cutover_harness.cli.reporting import announce, followers, note_end, webhooks_if_readable, webhooks_of
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.standing import Standing
from cutover_harness.cutover.batches import hooks_of
from cutover_harness.cutover.hooks import Hooks
from cutover_harness.plan.expect import Ended
from cutover_harness.planning.model import PlannedBatch
from cutover_harness.planning.read import ReadPlan
from cutover_harness.procedure.names import StepName


@dataclass(frozen=True)
class Conducted:
    """A batch that `kafka-cutover run` moves. folder: the batch's. more: further live lines of the terminal."""

    plan: ReadPlan
    batch: PlannedBatch
    folder: Path
    hooks: Hooks
    more: Callable[[], Sequence[str]]

    def run(
        self,
        config: ConductorConfig,
        known: Sequence[Entry],
        given: frozenset[StepName],
        clusters: Clusters,
        held: Held,
    ) -> int:
        """Run the conductor, and return the exit code.

        known: the entries of its journal from before. given: steps that are approved already. held: the lease.
        """
        place = f"{self.plan.path} --batch {self.batch.name}"
        advance, again = f"kafka-cutover advance {place}", f"kafka-cutover run {place}"
        audit, name = self.hooks.audit, self.batch.name
        asks = Asks(config, clusters, self.batch.rollback_window_h, audited(audit, name))
        approver = approver_of(asks, given, advance)
        drive = Drive(config, self.folder, known, "run", again, answer=self.hooks, more=self.more, held=held)
        with closing(webhooks_of(self.plan, name, audit, config.journal)) as webhooks:
            announce(webhooks, approver, advance)
            ended = drive.run(followers(webhooks, audit, name, known), approver)
            note_end(webhooks, audit, name, ended)
        if isinstance(ended, int):
            return ended
        return conclude(config, self.folder, clusters, ended, asked_back=False, note=read_back_in(audit, name))


def conducted(
    standing: Standing,
    clusters: Clusters,
    steps: list[StepName],
    held: Held,
    *,
    back: bool,
    costs: Sequence[str] = (),
) -> int:
    """Run `steps` of `resume` or `rollback`, read back their result, and return the exit code.

    held: the lease. costs: of going back, as they were shown.
    """
    folder, config, entries = standing.folder, standing.config, standing.entries
    ended: Ended | int = "turned-back" if back or standing.turned_back else "completed"
    command: runs.What = "rollback" if back else "resume"
    hooks = hooks_of(folder, command)
    if steps or (entries[-1].kind != "end" and not back):
        asks, advance = Asks(config, clusters), f"kafka-cutover advance {folder}"
        again = f"kafka-cutover {command} {folder}"
        drive = Drive(config, folder, entries, command, again, back=back, held=held)
        if hooks is None:
            ended = drive.run(approver=approver_of(asks, frozenset(), advance))
        else:
            audit, name = hooks.audit, hooks.batch.name
            shown = {"costs": list(costs)} if back else {}
            audit.write(command, batch=name, where=standing.where, **shown)
            asks = replace(asks, window_h=hooks.batch.rollback_window_h, note=audited(audit, name))
            approver = approver_of(asks, frozenset(), advance)
            with closing(webhooks_if_readable(hooks.plan, name, audit, config.journal)) as webhooks:
                announce(webhooks, approver, advance)
                ended = replace(drive, answer=hooks).run(followers(webhooks, audit, name, entries), approver)
                note_end(webhooks, audit, name, ended)
    if isinstance(ended, int):
        return ended
    if hooks is None:
        return conclude(config, folder, clusters, ended, asked_back=back)
    note = read_back_in(hooks.audit, hooks.batch.name)
    return conclude(config, folder, clusters, ended, asked_back=back, note=note)
