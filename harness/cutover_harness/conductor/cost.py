"""Cost of a rollback from a run's current stage, in the words of the report. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cutover_harness.conductor.journal import Entry
from cutover_harness.procedure.client_status import ClientStatus
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.state import NO_WAY_BACK, RouteState
from cutover_harness.procedure.steps import step_of
from cutover_harness.types import Location, PartitionId
from cutover_harness.words import counted


@dataclass(frozen=True)
class Now:
    """Records and messages that a rollback affects.

    `unread`: by group, the records between its last commit on the source and the end of the log there. `native`: the
    records that were written to the target since producers were about to move there; None if its ends were not noted.
    `queued`: messages that wait in held producers.
    """

    unread: Mapping[str, int]
    native: int | None
    queued: int


def cost(state: RouteState, now: Now) -> list[str]:
    """Return, in words, what it costs to move everything back to the source."""
    if state.consumers == state.producers == "source" and not state.overlap:
        return ["nothing: applications are on the source and stay there"]
    lines = []
    if state.consumers == "hold":
        lines.append("consumption is paused until consumers are back on the source, and is delayed by that")
    elif state.consumers == "target" or state.overlap:
        lines += [
            f"what group {group} has consumed on the target is consumed again on the source: at most "
            f"{counted(count, 'record')}"
            for group, count in sorted(now.unread.items())
        ]
    if state.producers == "hold":
        lines.append(f"production is paused until producers are back on the source; messages that wait: {now.queued:,}")
    elif state.producers == "target":
        lines.append("production pauses while producers move back")
        lines.append(_native(state, now.native))
    if state.stage == NO_WAY_BACK:
        lines.append("the mirror is deleted: rollback needs --force, and records are left behind on the target")
    return lines


def _native(state: RouteState, count: int | None) -> str:
    number = "an unknown number of records" if count is None else f"about {counted(count, 'record')}"
    if state.reverse:
        return f"{number} produced on the target: the mirror copies them to the source first, which takes time"
    return f"{number} produced on the target and not on the source: the application must deal with them"


def unread(committed: Mapping[PartitionId, int], ends: Mapping[PartitionId, int]) -> int:
    """Return how many records a group reads from its commits to the ends; partitions without a commit do not count."""
    return sum(max(0, ends[partition] - at) for partition, at in committed.items() if partition in ends)


def native(entries: Iterable[Entry], ends: Mapping[PartitionId, int]) -> int | None:
    """Return how many records the target got since producers were about to move there, None if that was not noted."""
    noted = [e for e in entries if e.name == "target" and e.kind in ("ends", "cut")]
    if not noted:
        return None
    then: dict[PartitionId, int] = {(topic, partition): end for topic, partition, end in noted[-1].detail["offsets"]}
    return sum(max(0, end - then.get(partition, 0)) for partition, end in ends.items())


def queued(statuses: Mapping[str, ClientStatus]) -> int:
    """Return how many messages wait in producers."""
    return sum(status.queued for status in statuses.values() if status.role == "producer")


@dataclass(frozen=True)
class PlannedStep:
    """A step to come: the gates before it, what it does or writes to the cutover file, the gates after it."""

    step: StepName
    before: str
    does: str
    after: str

    def __str__(self) -> str:
        parts = [f"waits until {self.before}" if self.before else "", self.does]
        parts.append(f"waits until {self.after}" if self.after else "")
        return f"{self.step}: {'; '.join(part for part in parts if part)}"


def planned(
    names: Sequence[StepName], route: str, generation: int, locations: tuple[Location, Location]
) -> list[PlannedStep]:
    """Return the steps in words. `locations`: of producers and consumers of `route` at `generation`."""
    producers, consumers = locations
    found = []
    for step in map(step_of, names):
        does = [step.does] if step.does else []
        if step.moves is not None and step.destination is not None:
            was = (producers, consumers)
            if step.moves == "producers":
                producers = step.destination
            else:
                consumers = step.destination
            generation += was != (producers, consumers)
            does.insert(
                0,
                f'cutover file: generation = {generation}, routes.{route}: producers = "{producers}", '
                f'consumers = "{consumers}"',
            )
        found.append(PlannedStep(step.name, step.waits_before, "; ".join(does), step.waits_after))
    return found
