"""Commands of the plan that stop and start clients without the shim, with a time limit.

Their output goes to the audit log. What a command says proves nothing: the gates look at the clusters.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cutover_harness.conductor.journalled_gates import When
from cutover_harness.cutover.audit import Audit
from cutover_harness.cutover.connect_place import works_on
from cutover_harness.cutover.secrets import shown
from cutover_harness.errors import UsageError
from cutover_harness.masking import masked_command
from cutover_harness.planning.model import Mover, PlannedBatch
from cutover_harness.planning.read import ReadPlan
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.steps import step_of
from cutover_harness.processes import ended_with_tool, gated, is_program
from cutover_harness.types import ClusterName

_MOST_OUTPUT = 4000


@dataclass(frozen=True)
class Hooks:
    """Runs the commands of a batch. folder: that of the plan, in which they run. own: that of the batch in the run."""

    plan: ReadPlan
    batch: PlannedBatch
    folder: Path
    own: Path
    audit: Audit
    secrets: frozenset[str] = frozenset()
    """Values that are not shown, should a command print them."""

    def __call__(self, name: StepName, when: When) -> None:
        """Run the commands of a step. Raises UsageError for the first one that fails or takes too long."""
        step = step_of(name)
        if when != "move" or step.moves is None:
            return
        movers = self.batch.groups if step.moves == "consumers" else self.batch.producers
        for client, mover in movers.items():
            command = mover.on_stop if step.destination == "hold" else mover.on_start
            if mover.moves == "restart" and command is not None:
                self._run(name, client, mover.within_s, command, str(step.destination))
        if step.destination in ("source", "target"):
            self._repoint(name, movers.values(), step.destination)

    def _repoint(self, step: StepName, movers: Collection[Mover], place: ClusterName) -> None:
        """Run the commands that point the Connect clusters of connectors to `place`, unless they work there."""
        for name in sorted({mover.connect for mover in movers if mover.connect is not None}):
            command = self.plan.plan.connect_clusters[name].on_repoint
            if command is not None and not self._works(name, place):
                within_s = max(mover.within_s for mover in movers if mover.connect == name)
                self._run(step, name, within_s, command, place)

    def _works(self, connect: str, place: ClusterName) -> bool:
        """Whether a Connect cluster works on `place`: it is not restarted below connectors that run."""
        return works_on(self.own, connect, place)

    def _run(self, step: StepName, client: str, within_s: float, command: Sequence[str], place: str) -> None:
        environment = {
            "CUTOVER_BATCH": self.batch.name,
            "CUTOVER_CLIENT": client,
            "CUTOVER_LOCATION": place,
            "CUTOVER_STEP": step,
        }
        facts = {"batch": self.batch.name, "step": str(step), "client": client, "argv": masked_command(command)}
        self.audit.write("command begun", **facts, location=place)
        code, output = run_limited(command, within_s, {**os.environ, **environment}, self.folder)
        output = shown(output, self.secrets)
        self.audit.write("command ended", **facts, exit_code=code, output=output)
        what = f"batch {self.batch.name}: {client}: {' '.join(masked_command(command))}"
        last = output.strip().splitlines()[-1:] or ["no output"]
        if code is None:
            raise UsageError(f"{what}: did not end within {within_s:.0f} s: {last[0]}")
        if code:
            raise UsageError(f"{what}: exit code {code}: {last[0]}")


def run_limited(
    command: Sequence[str], within_s: float, environment: Mapping[str, str], folder: Path
) -> tuple[int | None, str]:
    """Run a command; return its exit code, None if it was killed after `within_s` seconds, and the end of its output.

    The command gets a session of its own, and all its processes are killed. Raises UsageError if it cannot be started.
    """
    if not is_program(command[0], folder, environment):
        raise UsageError(f"{command[0]}: cannot be started: there is no such program, or it is not executable")
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                gated(command),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=folder,
                start_new_session=True,
            )
        except OSError as why:
            raise UsageError(f"{command[0]}: cannot be started: {why.strerror}") from None
        try:
            with ended_with_tool(process.pid):  # the next run repeats the command, and two at once disturb each other
                assert process.stdin is not None  # noqa: S101 - asked for above
                with suppress(BrokenPipeError), process.stdin as gate:
                    gate.write(b"\n")
                code: int | None = process.wait(within_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        output.seek(0, os.SEEK_END)
        output.seek(max(0, output.tell() - _MOST_OUTPUT))
        return code, output.read().decode(errors="replace")
