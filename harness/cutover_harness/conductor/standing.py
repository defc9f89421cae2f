"""Where a run stands, read without changing anything: configuration, journal and cutover file must agree."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from cutover_harness.conductor.config import CONFIG, PLAN, ConductorConfig, run_folder
from cutover_harness.conductor.cutover_file_writer import CutoverFileWriter, RouteLocations
from cutover_harness.conductor.inspection import inspect
from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.resume import reached, remaining, steps_back, turned_back
from cutover_harness.conductor.statuses import StatusSource, read_statuses, topic_of
from cutover_harness.errors import UsageError
from cutover_harness.locks import FileLock, HeldError
from cutover_harness.procedure.client_status import SILENT_AFTER_S, StatusWatch
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.state import STAGES, RouteState

_POLL_S = 0.1
_TRIES = 5


def in_words(stage: int, route: RouteLocations) -> str:
    """Return a stage, and where the clients of a route are, in words."""
    return f"stage {stage}, {STAGES[stage]}; producers on {route.producers}, consumers on {route.consumers}"


@dataclass(frozen=True)
class Standing:
    """The folder of one conductor. In `state` a step that was begun counts as done: some of it may have happened."""

    folder: Path
    config: ConductorConfig
    entries: Sequence[Entry]
    cutover_file: CutoverFileWriter
    state: RouteState

    @property
    def route(self) -> RouteLocations:
        """The route in the cutover file."""
        return self.cutover_file.routes[self.config.route]

    @property
    def is_rehearsal(self) -> bool:
        """Whether it is a rehearsal's, whose brokers end with it."""
        return (run_folder(self.folder.absolute()) / "apps").is_dir()

    @property
    def turned_back(self) -> bool:
        """Whether the way back was decided."""
        return turned_back(self.entries)

    @property
    def ended(self) -> bool:
        """Whether nothing is left of the path, or of the way back once it was decided."""
        return not remaining(self.entries, self.config.steps)

    def left(self, *, back: bool) -> list[StepName]:
        """Return the steps to come, `back` to the source or along the path."""
        if back and not self.turned_back:
            return steps_back(self.entries, self.route) or []
        return [step.step for _, step in remaining(self.entries, self.config.steps)]

    def refuse_silence(self, *, within_s: float = SILENT_AFTER_S) -> None:
        """Raise UsageError if no client renews its status: no client would follow what is written.

        Looks for `within_s` seconds at most; the times in the statuses do not count, as clients' clocks may be wrong.
        """
        config = self.config
        if config.members is not None or (config.restarts and not config.clients):
            return  # its clients are all restarted: none has the shim
        watch, begin, found = StatusWatch(), time.monotonic(), False
        with closing(self.open_statuses()) as source:
            while True:
                statuses = read_statuses(source, self.config.route)
                watch.look(statuses)
                found = found or bool(statuses)
                if any(watch.renews(name) for name in statuses):
                    return
                if time.monotonic() - begin >= within_s:
                    break
                time.sleep(_POLL_S)
        if source.problem is not None:
            raise UsageError(f"{source.name}: {source.problem}")
        since = f"for {within_s:.0f} s" if found else "at all"
        raise UsageError(
            f"{source.name}: no client has renewed its status {since}: start the applications, or give the "
            f"{'topic' if topic_of(self.config.statuses) else 'folder'} that they write to"
        )

    def open_statuses(self) -> StatusSource:
        """Return the reader of the clients' statuses; it has to be closed."""
        return self.config.open_statuses(self.cutover_file.document(self.cutover_file.generation))

    def refuse_finished(self, left: Sequence[StepName], to: str) -> None:
        """Raise UsageError if the run has ended and no step is left `to` do; the message says where everything is."""
        if left or self.entries[-1].kind != "end":
            return
        how = "back on the source" if self.turned_back else "completed"
        raise UsageError(f"{self.folder}: the run is finished ({how}): {self.where}: nothing is left to {to}")

    @property
    def where(self) -> str:
        """Where everything is, in words."""
        return in_words(self.state.stage, self.route)

    def refuse_asks(self, steps: Sequence[StepName]) -> None:
        """Raise UsageError if one of the steps needs something that only the rehearsal can do, which has ended.

        In the run of a plan the plan's commands do it.
        """
        if (run_folder(self.folder.absolute()) / PLAN).exists():
            return
        for step, when in self.config.asks:
            if step in steps:
                raise UsageError(
                    f"{self.folder}: {step} needs the rehearsal itself (a fault, or applications that are restarted, "
                    f"{when} it), and that has ended: rehearse again"
                )


def look(folder: Path, *, also_running: bool = False) -> Standing:
    """Return where the run in `folder` stands.

    Raises UsageError if a conductor runs it, unless `also_running` (for a command that only reads), and if
    configuration, journal and cutover file are not those of one run.
    """
    _refuse_without_conductor(folder)
    config = ConductorConfig.load(folder / CONFIG)
    try:
        refuse_running(folder, config)
    except UsageError:
        if not also_running:
            raise
        for _ in range(_TRIES - 1):
            with suppress(UsageError):  # the conductor may have written the journal and not yet the cutover file
                return _standing(folder, config)
            time.sleep(_POLL_S)
    return _standing(folder, config)


def _standing(folder: Path, config: ConductorConfig) -> Standing:
    entries = inspect(config.journal, config.steps, config.groups)
    config.refuse_other_run(entries[0].time_ns)
    cutover_file = config.peek()
    cutover_file.close()
    if config.route not in cutover_file.routes:
        raise UsageError(f"cutover file {config.cutover_file}: has no route {config.route}: it is not that of this run")
    _compare(cutover_file, config, entries)
    if isinstance(config.statuses, Path) and not config.statuses.is_dir():
        raise UsageError(f"{config.statuses}: no such folder, so clients cannot attest anything: restore it")
    return Standing(folder, config, entries, cutover_file, reached(entries))


def _refuse_without_conductor(folder: Path) -> None:
    """Raise UsageError naming the folders below `folder` to give instead, if no conductor's configuration is in it."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: {'no folder' if folder.exists() else 'no such folder'}: give the folder of a run")
    if (folder / CONFIG).exists():
        return
    inside = sorted(str(file.parent) for pattern in ("*", "*/batches/*") for file in folder.glob(f"{pattern}/{CONFIG}"))
    inside += sorted(str(file.parent) for file in folder.glob(f"batches/*/{CONFIG}"))
    named = f"{', '.join(inside[:4])}{f' and {len(inside) - 4} more' if len(inside) > 4 else ''}"
    raise UsageError(
        f"{folder}: contains no {CONFIG}: give the folder of one run"
        + (f", here {named}" if inside else ", such as the folder of a scenario in what `rehearse --out` wrote")
    )


def refuse_running(folder: Path, config: ConductorConfig) -> None:
    """Raise UsageError naming the conductor that runs the path now."""
    try:
        FileLock.probe(config.lock)
    except HeldError as why:
        stop = f"kill {why.pid}" if why.pid else "end that process"
        raise UsageError(f"{folder}: a conductor is running it, {why.holder}: stop it first: {stop}") from None


def _compare(cutover_file: CutoverFileWriter, config: ConductorConfig, entries: Sequence[Entry]) -> None:
    """Raise UsageError if the cutover file's locations are not those that the journal's last step allows."""
    allowed = [reached(entries)]
    doing = [entry for entry in entries if entry.kind == "doing"]
    if doing and not any(entry.kind == "done" and entry.step == doing[-1].step for entry in entries):
        allowed.append(reached([entry for entry in entries if entry.id < doing[-1].id]))
    route = cutover_file.routes[config.route]
    for who, found, expected in (
        ("consumers", route.consumers, {state.consumers for state in allowed}),
        ("producers", route.producers, {state.producers for state in allowed}),
    ):
        if found not in expected:
            raise UsageError(
                f"cutover file {config.cutover_file}: {who} of route {config.route} are on {found} at generation "
                f"{cutover_file.generation}, and by the journal they are on {' or '.join(sorted(expected))}: they were "
                f"moved by hand; write the file as in the journal, with a higher generation, and repeat"
            )
