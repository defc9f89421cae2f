"""The gate before the mirror is deleted: every record of the batch was compared, and is equal on the target."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cutover_harness.conductor.config import PLAN, ConductorConfig, run_folder
from cutover_harness.conductor.journal import Entry, Journal
from cutover_harness.errors import FinalError, UsageError
from cutover_harness.files import PRIVATE, write_atomic
from cutover_harness.planning.read import read_plan
from cutover_harness.procedure.gates import Gate, Reading
from cutover_harness.types import PartitionId
from cutover_harness.verify.batch import Progress, Wanted, verify_batch
from cutover_harness.verify.model import Count, Partition, Verification
from cutover_harness.verify.outcome import of_records
from cutover_harness.verify.request import of_plan
from cutover_harness.words import counted

NAME = "verified"
_NOTE_EVERY_S = 2.0
_MOST_REASONS = 5


@dataclass
class VerifiedBatch:
    """Verifies a batch, and keeps the result in `folder`.

    wanted: returns what to compare. accepts_unproved: whether a person has accepted what cannot be proved, such as
    records that retention has removed; differences are never accepted.
    """

    wanted: Callable[[], Wanted]
    folder: Path
    journal: Journal
    accepts_unproved: bool
    _noted_s: float = field(default=-math.inf, init=False)

    def gate(self, number: int, deadline_s: float) -> Gate:
        """Return the gate of the step `number`. A reading takes as long as the comparison does."""
        return Gate(NAME, lambda: self._read(number, deadline_s), deadline_s)

    def _read(self, number: int, deadline_s: float) -> Reading:
        self.folder.mkdir(parents=True, exist_ok=True)
        result = self._verify(lambda seen: self._note(number, deadline_s, seen))
        write_atomic(self.folder / "result.json", result.model_dump_json(indent=1), mode=PRIVATE)
        accepted = accepted_extras(self.journal.read())
        return reading(without(result, accepted), accepts_unproved=self.accepts_unproved)

    def _verify(self, progress: Callable[[Progress], None]) -> Verification:
        state = self.folder / "state.json"
        wanted = replace(self.wanted(), state=state, resume=state.is_file(), complete=True)
        try:
            return verify_batch(wanted, progress)
        except UsageError:
            if not wanted.resume:
                raise
            # It is of an earlier plan or attempt, or the source has got records since: the comparison begins again.
            state.unlink(missing_ok=True)
            return verify_batch(replace(wanted, resume=False), progress)

    def _note(self, number: int, deadline_s: float, seen: Progress) -> None:
        """Write the progress to the journal, every two seconds of work."""
        if 0 <= seen.seconds - self._noted_s < _NOTE_EVERY_S:
            return
        self._noted_s = seen.seconds
        left = "" if seen.left_s is None else f", about {seen.left_s:.0f} s left"
        self.journal.write(
            "waits",
            number,
            NAME,
            waits_for=f"{counted(seen.records, 'record')} compared, {seen.partitions} of "
            f"{counted(seen.of_partitions, 'partition')}{left}",
            elapsed_s=seen.seconds,
            idle_s=0.0,
            deadline_s=deadline_s,
        )


def verified_batch(plan: Path, config: ConductorConfig, journal: Journal) -> VerifiedBatch:
    """Return what verifies the batch of a plan's run."""

    def wanted() -> Wanted:
        read, begun = read_plan(plan), run_folder(config.journal.parent) / PLAN
        # With other topics in it, the gate would prove less than what was moved.
        if begun.exists() and read_plan(begun).digest != read.digest:
            raise FinalError(
                f"{plan}: has changed since the batch began: compare it with {begun}, and put that one back until the "
                f"batch is finished or rolled back"
            )
        return replace(of_plan(read, config.route), rate=config.compare_rate)

    return VerifiedBatch(wanted, config.journal.with_name("verify"), journal, config.accept_unproved)


def accepted_extras(entries: Iterable[Entry]) -> dict[PartitionId, tuple[int, int, int]]:
    """Return the records of early producers that a person has accepted: first and last target offset, and how many."""
    found: dict[str, Mapping[str, Any]] = {}
    for entry in entries:
        if entry.kind == "bypass" and (entry.detail["role"], entry.detail["cluster"]) == ("producer", "target"):
            found[entry.detail["what"]] = entry.detail
    return {
        (topic, number): (first, last, count)
        for its in found.values()
        if its["standing"] == "accepted"
        for topic, number, first, last, count in its["partitions"]
    }


def without(result: Verification, accepted: Mapping[PartitionId, tuple[int, int, int]]) -> Verification:
    """Return the result without the extra records of partitions in which only accepted ones are extra."""

    def its(partition: Partition) -> Partition:
        first, last, count = accepted.get((partition.topic, partition.partition), (0, -1, 0))
        extra = partition.extra
        inside = all(first <= (place.target if place.target is not None else -1) <= last for place in extra.first)
        return partition.model_copy(update={"extra": Count()}) if extra.count <= count and inside else partition

    return result.model_copy(update={"partitions": tuple(map(its, result.partitions))}) if accepted else result


def reading(result: Verification, *, accepts_unproved: bool) -> Reading:
    """Return what a verification means for the gate. Groups have read on the target since, so they do not count."""
    outcome, reasons = of_records(result.partitions, sample=result.sample is not None, absent=result.absent)
    compared = sum(each.compared for each in result.partitions)
    evidence = (
        f"equal on both clusters: {counted(compared, 'record')} in {counted(len(result.partitions), 'partition')}"
    )
    more = len(reasons) - _MOST_REASONS
    shown = "; ".join(reasons[:_MOST_REASONS]) + (f"; and {more} more" if more > 0 else "")
    if outcome == "equal":
        return Reading(open=True, evidence=evidence)
    if outcome == "unproved" and accepts_unproved:
        return Reading(open=True, evidence=f"{evidence}; accepted without proof: {shown}")
    remedy = "" if outcome == "different" else "; kafka-cutover run --accept-unproved accepts it"
    return Reading(open=False, never=True, waits_for=f"{shown}{remedy}")
