"""One call of `kafka-cutover run` for a batch: prepare it, or continue it, and run its conductor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import typer

from cutover_harness.cli.asks import Asks, Clusters, approver_of, audited
from cutover_harness.cli.conclusion import conclude, read_back_in
from cutover_harness.cli.driving import Drive
from cutover_harness.cli.questions import confirm, show_route
from cutover_harness.cli.reporting import followers, webhooks_of
from cutover_harness.cli.route_state import ready_clusters
from cutover_harness.conductor.config import CONFIG, ConductorConfig
from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.standing import look
from cutover_harness.cutover import batches, preparation, settings
from cutover_harness.cutover.folder import RunFolder
from cutover_harness.cutover.hooks import Hooks
from cutover_harness.planning.model import PlannedBatch
from cutover_harness.planning.read import ReadPlan
from cutover_harness.procedure.names import StepName


@dataclass(frozen=True)
class Attempt:
    """One call of `run` for a batch. asks: whether a person is asked before the route is written.

    more: further live lines of the terminal.
    """

    plan: ReadPlan
    batch: PlannedBatch
    folder: RunFolder
    hooks: Hooks
    asks: bool
    accept_unproved: bool = False
    more: Callable[[], Sequence[str]] = tuple

    def start(self, given: frozenset[StepName]) -> int:
        """Write the route, wait for the clients, and start the conductor."""
        config = settings.config_of(self.plan, self.batch, self.folder, {})
        source, target = preparation.check_new(config)
        with closing(config.writer()) as writer:
            change = preparation.route_change(writer, self.batch, source)
            if change.needed:
                show_route(change, self.plan, self.batch)
                if self.asks:
                    confirm("Write it?")
                self.hooks.audit.write(
                    "route", batch=self.batch.name, before=change.before["routes"], after=change.after["routes"]
                )
                preparation.publish(writer, change)
            generation = writer.generation
        typer.echo("waiting for the clients of the plan to report on the route", err=True)
        clients = preparation.await_clients(config, self.batch, generation).clients
        config = settings.config_of(self.plan, self.batch, self.folder, clients, accept_unproved=self.accept_unproved)
        self._save(config)
        self.hooks.audit.write("begin", batch=self.batch.name, clients=dict(clients))
        return self._drive(config, [], given, (source, target))

    def carry_on(self, given: frozenset[StepName]) -> int:
        """Continue a batch that has begun."""
        if not self.folder.entries(self.batch.name):  # it was interrupted before its conductor wrote anything
            config = self._accepting(ConductorConfig.load(self._own / CONFIG))
            batches.refuse_edited(config, self.plan.plan, self.batch, self._own)
            clusters = preparation.check_new(config)
            with closing(config.peek()) as writer:
                preparation.refuse_moved(writer, self.batch.name)
            self._save(config)
            return self._drive(config, [], given, clusters)
        standing = look(self._own)
        batches.refuse_edited(standing.config, self.plan.plan, self.batch, self._own)
        clusters = ready_clusters(standing, standing.left(back=False))
        self.hooks.audit.write("continue", batch=self.batch.name, where=standing.where)
        config = self._accepting(standing.config)
        self._save(config)
        return self._drive(config, standing.entries, given, clusters)

    def _accepting(self, config: ConductorConfig) -> ConductorConfig:
        return config.model_copy(update={"accept_unproved": self.accept_unproved})

    def _save(self, config: ConductorConfig) -> None:
        config.save(self._own / CONFIG, run=self.plan.path.absolute().parent)

    @property
    def _own(self) -> Path:
        return self.folder.batch(self.batch.name)

    def _drive(
        self, config: ConductorConfig, known: Sequence[Entry], given: frozenset[StepName], clusters: Clusters
    ) -> int:
        place = f"{self.plan.path} --batch {self.batch.name}"
        advance = f"kafka-cutover advance {place}"
        audit, name = self.hooks.audit, self.batch.name
        asks = Asks(config, clusters, self.batch.rollback_window_h, audited(audit, name))
        approver = approver_of(asks, given, advance)
        drive = Drive(config, self._own, known, "run", f"kafka-cutover run {place}", answer=self.hooks, more=self.more)
        with closing(webhooks_of(self.plan, name, audit, config.journal)) as webhooks:
            approver.announce = lambda asked, shown: webhooks.ask(asked, str(asked.detail["act"]), shown, advance)
            ended = drive.run(followers(webhooks, audit, name, known), approver)
            audit.write("end", batch=name, result=ended)
            webhooks.send("end", result="stopped" if isinstance(ended, int) else ended)
        if isinstance(ended, int):
            return ended
        return conclude(config, self._own, clusters, ended, asked_back=False, note=read_back_in(audit, name))
