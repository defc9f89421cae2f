"""The folder of a real run, replayed: its journal, and what each stream shows to each group in the ledgers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cutover_harness.conductor.config import CONFIG, ConductorConfig
from cutover_harness.conductor.inspection import inspect
from cutover_harness.errors import UsageError
from cutover_harness.explore.case import Case, Fleet
from cutover_harness.explore.ledgers import Sequence as Shown
from cutover_harness.explore.ledgers import sequences_of
from cutover_harness.explore.replay import Replayed, replay, replay_clients
from cutover_harness.ledger.reader import Ledgers, read_ledgers
from cutover_harness.procedure.entries import Entry
from cutover_harness.types import Role

LEDGER = "ledger"
_FLEETS: dict[frozenset[Role], Fleet] = {
    frozenset(): "shim",
    frozenset({"producer"}): "restarted-producer",
    frozenset({"consumer"}): "restarted-group",
    frozenset({"producer", "consumer"}): "restarted",
}


@dataclass(frozen=True)
class ReplayedRun:
    """What the world says of a run. forbidden: a stream and group of each kind of sequence that it forbids.

    streams, kinds: how many sequences the ledgers contain, of all streams and groups, and how many different ones.
    """

    journal: Replayed
    streams: int = 0
    kinds: int = 0
    forbidden: Sequence[tuple[Shown, int, Replayed]] = ()

    @property
    def allowed(self) -> bool:
        """Whether the world allows all of it."""
        return self.journal.allowed and not self.forbidden

    def lines(self) -> Iterator[str]:
        """Return it in words."""
        yield f"journal: {self.journal}"
        if self.streams:
            yield f"ledgers: {self.streams:,} sequences of a stream and a group, {self.kinds} different ones, " + (
                f"{len(self.forbidden)} of them not possible in the world" if self.forbidden else "all possible"
            )
        for shown, count, found in self.forbidden:
            numbers = ", ".join(map(str, shown.sequences))
            yield f"  group {shown.group}, stream {shown.stream}, records {numbers} ({count:,} like it): {found}"


def case_of(folder: Path) -> tuple[Case, Sequence[Entry]]:
    """Return path and fleet of the run in a folder, and its journal. Raises UsageError."""
    config = ConductorConfig.load(folder / CONFIG)
    if config.connectors:
        raise UsageError(f"{folder}: moves connectors, which are not in the abstract world")
    roles = {each.role for each in config.restarts}
    fleet: Fleet = "restart" if config.members is not None else _FLEETS[frozenset(roles)]
    entries = inspect(config.journal, config.steps, config.groups)
    return Case(folder.name, config.steps, fleet, planned=config.plan is not None), entries


def replay_run(folder: Path) -> ReplayedRun:
    """Replay the run in a folder. Raises UsageError if it contains no run, or a ledger that cannot be read."""
    case, entries = case_of(folder)
    ledgers = read_ledgers(folder / LEDGER) if (folder / LEDGER).is_dir() else None
    return replay_ledgers(case, entries, ledgers)


def replay_ledgers(case: Case, entries: Sequence[Entry], ledgers: Ledgers | None) -> ReplayedRun:
    """Replay a journal, and with it each kind of sequence that the ledgers contain."""
    journal = replay(case, entries)
    if ledgers is None or not journal.allowed:
        return ReplayedRun(journal)
    ends = [entry.time_ns for entry in entries if entry.kind == "end"]
    kinds: dict[tuple[object, ...], list[Shown]] = {}
    for shown in sequences_of(ledgers, max(ends, default=1 << 63)):
        kinds.setdefault(tuple(event[:3] for event in shown.events), []).append(shown)
    forbidden = []
    for alike in kinds.values():
        found = replay_clients(case, entries, alike[0].events)
        if not found.allowed:
            forbidden.append((alike[0], len(alike), found))
    return ReplayedRun(journal, sum(map(len, kinds.values())), len(kinds), forbidden)
