"""One call of `kafka-cutover run` for a batch: prepare it, or continue it, and run its conductor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import typer

from cutover_harness.admin import Admin
from cutover_harness.cli.asks import Clusters
from cutover_harness.cli.conducting import Conducted
from cutover_harness.cli.leasing import Held, Leasing
from cutover_harness.cli.questions import confirm, show_route
from cutover_harness.cli.route_state import ready_clusters
from cutover_harness.conductor.config import CONFIG, ConductorConfig
from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.standing import look
from cutover_harness.cutover import batches, from_scratch, preparation, settings
from cutover_harness.cutover.folder import RunFolder
from cutover_harness.cutover.hooks import Hooks
from cutover_harness.planning.model import PlannedBatch
from cutover_harness.planning.read import ReadPlan
from cutover_harness.procedure.names import StepName


@dataclass(frozen=True)
class Accepted:
    """What a person accepts by options: that not every record can be compared, and records that bypassed the route."""

    unproved: bool = False
    bypass: bool = False


@dataclass(frozen=True)
class Attempt:
    """One call of `run` for a batch. asks: whether a person is asked before the route is written.

    from_scratch: whether what an earlier mirror of the batch has left is removed. more: further live lines of the
    terminal.
    """

    plan: ReadPlan
    batch: PlannedBatch
    folder: RunFolder
    hooks: Hooks
    asks: bool
    accepts: Accepted = Accepted()
    take_over: bool = False
    from_scratch: bool = False
    more: Callable[[], Sequence[str]] = tuple

    def start(self, given: frozenset[StepName], *, again: bool) -> int:
        """Write the route, wait for the clients, and start the conductor. again: after the batch came back."""
        config = settings.config_of(self.plan, self.batch, self.folder, {})
        source, target = preparation.check_new(config)
        with self._leasing(config).held() as held:
            self.folder.begin(self.plan)
            if self.from_scratch:
                forgotten = from_scratch.forget(config)
                self.hooks.audit.write("mirror forgotten", batch=self.batch.name, removed=list(forgotten))
                typer.echo(f"removed what an earlier mirror has left: {', '.join(forgotten)}", err=True)
            if again:
                earlier = self.folder.set_aside(self.batch.name)
                self.hooks.audit.write(
                    "again", batch=self.batch.name, earlier=str(earlier.relative_to(self.folder.path))
                )
            generation = self._write_route(config, source, held)
            typer.echo("waiting for the clients of the plan to report on the route", err=True)
            clients = preparation.await_clients(config, self.batch, generation).clients
            config = self._accepting(settings.config_of(self.plan, self.batch, self.folder, clients))
            self._save(config)
            self.hooks.audit.write("begin", batch=self.batch.name, clients=dict(clients))
            return self._drive(config, [], given, (source, target), held)

    def _write_route(self, config: ConductorConfig, source: Admin, held: Held) -> int:
        """Write the batch's route if the document lacks it; return the generation that has it."""
        with closing(config.writer()) as writer:
            writer.fence = held.fence
            change = preparation.route_change(writer, self.batch, source)
            if change.needed:
                show_route(change, self.plan, self.batch)
                if self.asks:
                    confirm("Write it?")
                self.hooks.audit.write(
                    "route", batch=self.batch.name, before=change.before["routes"], after=change.after["routes"]
                )
                preparation.publish(writer, change)
            return writer.generation

    def carry_on(self, given: frozenset[StepName]) -> int:
        """Continue a batch that has begun."""
        if not self.folder.entries(self.batch.name):  # it was interrupted before its conductor wrote anything
            config = self._accepting(ConductorConfig.load(self._own / CONFIG))
            batches.refuse_edited(config, self.plan.plan, self.batch, self._own)
            clusters = preparation.check_new(config)
            with closing(config.peek()) as writer:
                preparation.refuse_moved(writer, self.batch.name)
            with self._leasing(config).held() as held:
                self._save(config)
                return self._drive(config, [], given, clusters, held)
        standing = look(self._own)
        batches.refuse_edited(standing.config, self.plan.plan, self.batch, self._own)
        clusters = ready_clusters(standing, standing.left(back=False))
        config = self._accepting(standing.config)
        with self._leasing(config).held() as held:
            self.hooks.audit.write("continue", batch=self.batch.name, where=standing.where)
            self._save(config)
            return self._drive(config, standing.entries, given, clusters, held)

    def _leasing(self, config: ConductorConfig) -> Leasing:
        return Leasing(config, "run", self.take_over, self.hooks.audit)

    def _accepting(self, config: ConductorConfig) -> ConductorConfig:
        accepted = self.accepts
        return config.model_copy(update={"accept_unproved": accepted.unproved, "accept_bypass": accepted.bypass})

    def _save(self, config: ConductorConfig) -> None:
        config.save(self._own / CONFIG, run=self.plan.path.absolute().parent)

    @property
    def _own(self) -> Path:
        return self.folder.batch(self.batch.name)

    def _drive(
        self,
        config: ConductorConfig,
        known: Sequence[Entry],
        given: frozenset[StepName],
        clusters: Clusters,
        held: Held,
    ) -> int:
        conducted = Conducted(self.plan, self.batch, self._own, self.hooks, self.more)
        return conducted.run(config, known, given, clusters, held)
