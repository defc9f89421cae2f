"""Run a conductor to its end: for `run`, `resume` and `rollback`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import typer

from cutover_harness import exit_codes, runs
from cutover_harness.cli.approving import Approver
from cutover_harness.cli.leasing import NO_LEASE, Held
from cutover_harness.cli.progress import Progress
from cutover_harness.cli.route_state import where
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.inspection import inspect
from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.journalled_gates import When
from cutover_harness.conductor.standing import refuse_running
from cutover_harness.errors import LeaseLostError, UsageError
from cutover_harness.plan.expect import Ended
from cutover_harness.procedure.names import StepName
from cutover_harness.processes import stop_all
from cutover_harness.rehearsal.conductor_process import ConductorProcess

Saw = Callable[[Entry], None]


def _cannot(step: StepName, when: When) -> NoReturn:
    raise UsageError(f"the path has a fault {when} {step} that only its rehearsal can inject")


def _tell(followers: Sequence[Saw], entry: Entry) -> None:
    for follower in followers:
        follower(entry)


@dataclass(frozen=True)
class Drive:
    """One conductor to run. known: the entries of its journal from before. again: the command that continues it.

    answer: does what the conductor asks for at a step. more: further live lines of the terminal.
    held: the lease.
    """

    config: ConductorConfig
    folder: Path
    known: Sequence[Entry]
    command: runs.What
    again: str
    back: bool = False
    answer: Callable[[StepName, When], None] = _cannot
    more: Callable[[], Sequence[str]] = tuple
    held: Held = NO_LEASE

    def run(self, saw: Sequence[Saw] = (), approver: Approver | None = None) -> Ended | int:
        """Run the conductor until its path ends; return how, or the exit code if it stopped before.

        Raises UsageError if it refused and nothing was changed, and if the lease was taken over.
        """
        folder, config = self.folder, self.config
        runs.begin(self.command, folder, self.again)
        refuse_running(folder, config)  # it may have started while a question was open
        with Progress(more=self.more) as progress:
            followers = [*saw, approver.saw] if approver is not None else list(saw)

            if approver is not None:
                approver.pause, approver.resume = progress.pause, progress.resume

            conductor = ConductorProcess(
                config,
                folder,
                progress.begin(config.route, 1, 1),
                self._answer,
                lambda: self._look(approver),
                back=self.back,
                known=self.known,
                lease=self.held.id,
                saw=lambda entry: _tell(followers, entry),
            )
            try:
                why = conductor.run()
            except KeyboardInterrupt:
                stop_all()
                typer.echo(f"{folder}: interrupted: {where(config)}; {self.again} continues", err=True)
                raise
            except LeaseLostError:
                stop_all()
                raise
            except UsageError as failed:  # a command of the plan, or the audit log
                stop_all()
                typer.echo(f"{folder}: stopped: {where(config)}: {failed}; {self.again} continues")
                return exit_codes.FAILED
        if conductor.lost:
            raise LeaseLostError(str(why))
        if conductor.refused and len(self.entries()) == len(self.known):
            raise UsageError(f"{folder}: {why}; nothing was changed")
        if conductor.ended == "stopped":
            typer.echo(f"{folder}: stopped: {where(config)}: {why}")
            return exit_codes.FAILED
        return conductor.ended

    def _look(self, approver: Approver | None) -> None:
        self.held.check()
        if approver is not None:
            approver.look()

    def _answer(self, step: StepName, when: When) -> None:
        self.held.fence()  # a command of the plan moves clients, too
        self.answer(step, when)

    def entries(self) -> list[Entry]:
        """Return the journal as it is now, empty if there is none yet."""
        if not self.config.journal.exists():
            return []
        return inspect(self.config.journal, self.config.steps, self.config.groups)
