"""Where a run stands, looked at without changing anything: its configuration, journal and cutover file agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cutover_harness.conductor.inspection import inspect
from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.pointer import PointerFile, RoutePointer
from cutover_harness.conductor.process import CONFIG, ConductorConfig, run_folder
from cutover_harness.conductor.resume import reached, remaining, turned_back
from cutover_harness.conductor.statuses import SILENT_AFTER_S, read_statuses
from cutover_harness.errors import UsageError
from cutover_harness.locks import FileLock, HeldError
from cutover_harness.plan.path import Act, RouteState, way_back


@dataclass(frozen=True)
class Standing:
    """One conductor's folder. `state` counts an act that was begun as done: some of it may have happened."""

    folder: Path
    config: ConductorConfig
    entries: Sequence[Entry]
    cutover_file: PointerFile
    state: RouteState

    @property
    def route(self) -> RoutePointer:
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

    def left(self, *, back: bool) -> list[Act]:
        """Return the acts that are to come, `back` to the source or along the path."""
        if back and not self.turned_back:
            return way_back(self.state)
        return [step.act for _, step in remaining(self.entries, self.config.steps)]

    def refuse_silence(self, now: float) -> None:
        """Raise UsageError if no client renews its status: none is there to follow what would be written."""
        statuses = read_statuses(self.config.statuses, self.config.route)
        if self.config.members is not None or any(now - s.updated <= SILENT_AFTER_S for s in statuses.values()):
            return
        last = max((status.updated for status in statuses.values()), default=0.0)
        since = f"for {now - last:.0f} s" if statuses else "at all"
        raise UsageError(
            f"{self.config.statuses}: no client has renewed its status {since}: start the applications, or give the "
            f"folder that they write to"
        )

    def refuse_asks(self, acts: Sequence[Act]) -> None:
        """Raise UsageError if one of the acts needs something that only the rehearsal can do, which has ended."""
        for act, when in self.config.asks:
            if act in acts:
                raise UsageError(
                    f"{self.folder}: {act} needs the rehearsal itself (a fault, or applications that are restarted, "
                    f"{when} it), and that has ended: rehearse again"
                )


def look(folder: Path) -> Standing:
    """Return where the run in `folder` stands.

    Raises UsageError if a conductor runs it, or if configuration, journal and cutover file are not those of one run.
    """
    _refuse_without_conductor(folder)
    config = ConductorConfig.load(folder / CONFIG)
    refuse_running(folder, config)
    entries = inspect(config.journal, config.steps, config.groups)
    config.refuse_other_run(entries[0].time_ns)
    cutover_file = PointerFile.peek(config.cutover_file)
    if config.route not in cutover_file.routes:
        raise UsageError(f"cutover file {config.cutover_file}: has no route {config.route}: it is not that of this run")
    _compare(cutover_file, config, entries)
    if not config.statuses.is_dir():
        raise UsageError(f"{config.statuses}: no such folder, so no client can attest anything: restore it")
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
        f"{folder}: holds no {CONFIG}: give the folder of one run"
        + (f", here {named}" if inside else ", such as the folder of a scenario in what `rehearse --out` wrote")
    )


def refuse_running(folder: Path, config: ConductorConfig) -> None:
    """Raise UsageError naming the conductor that runs the path now."""
    try:
        FileLock.probe(config.lock)
    except HeldError as why:
        stop = f"kill {why.pid}" if why.pid else "end that process"
        raise UsageError(f"{folder}: a conductor is running it, {why.holder}: stop it first: {stop}") from None


def _compare(cutover_file: PointerFile, config: ConductorConfig, entries: Sequence[Entry]) -> None:
    """Raise UsageError if the clients are pointed elsewhere than the journal's last act allows."""
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
                f"{cutover_file.generation}, and the journal says {' or '.join(sorted(expected))}: somebody has "
                f"moved them by hand; write it as the journal says, with a higher generation, and repeat"
            )
