"""Verifies one batch of a plan: the function that commands and conductors call."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cutover_harness.mirror.client_properties import librdkafka
from cutover_harness.mirror.spec import Batch
from cutover_harness.types import PartitionId
from cutover_harness.verify import workers
from cutover_harness.verify.clusters import Seen, see
from cutover_harness.verify.groups import check_groups
from cutover_harness.verify.model import GroupOffset, Partition, SampleTaken, Verification
from cutover_harness.verify.outcome import counted, of_all
from cutover_harness.verify.piece import Piece
from cutover_harness.verify.pieces import Sample, of_batch
from cutover_harness.verify.run_journal import RunFacts
from cutover_harness.verify.state import Identity, State, read_state, refuse_grown, write_state
from cutover_harness.verify.worker import Report, Work

# The state is written at most once a second, and takes at most a twentieth of the time.
_WRITE_S, _WRITE_SHARE = 1.0, 20


@dataclass(frozen=True)
class Wanted:
    """What to verify. `source` and `target` are librdkafka properties, with secrets if needed.

    `run`: what the journal of the batch's run shows, None if there is no run.
    `seeded`: the sample's seed was chosen, so that a resumed verification must have the same.
    `state`: the file that an interrupted verification continues from; it is removed at the end. `rate`: bytes of
    values a second that are read at most, from both clusters together. `complete`: an interrupted verification is
    continued only if the source has got no record since.
    """

    plan: str
    plan_sha256: str
    batch: Batch
    source: Mapping[str, str] = field(repr=False)
    target: Mapping[str, str] = field(repr=False)
    run: RunFacts | None = None
    sample: Sample | None = None
    seeded: bool = True
    rate: float | None = None
    workers: int | None = None
    state: Path | None = None
    resume: bool = False
    complete: bool = False


@dataclass(frozen=True)
class Progress:
    """How far the comparison is: offsets of both clusters, of them before it was resumed, and what was read since."""

    offsets: int
    of: int
    before: int
    partitions: int
    of_partitions: int
    records: int
    bytes: int
    seconds: float

    @property
    def left_s(self) -> float | None:
        """Return about how many seconds are left, None if that is not known yet."""
        done = self.offsets - self.before
        if done <= 0 or self.seconds < 1:
            return None
        return self.seconds * max(0, self.of - self.offsets) / done


def verify_batch(wanted: Wanted, progress: Callable[[Progress], None] = lambda _its: None) -> Verification:
    """Compare all records of the batch's topics, and the offsets of its groups.

    Raises UsageError for what a user can correct, ReadError if a cluster refuses or does not answer while records are
    read, KafkaException if it does so before.
    """
    source, target = librdkafka(wanted.source), librdkafka(wanted.target)
    seen = see(source, target, wanted.batch)
    if wanted.run is not None:
        wanted.run.refuse_other(seen.source_id, seen.target_id)
    run = _Run(wanted, seen, progress)
    run.compare(source, target)
    groups = check_groups(wanted.batch.groups, seen, source, target, wanted.run)
    return run.result(groups)


class _Run:
    """One verification: its pieces, and what is known of them."""

    def __init__(self, wanted: Wanted, seen: Seen, progress: Callable[[Progress], None]) -> None:
        self._wanted, self._seen, self._show = wanted, seen, progress
        identity = _identity(wanted, seen)
        if wanted.resume and wanted.state is not None:
            self._state = read_state(wanted.state, identity, set(seen.logs), seeded=wanted.seeded)
            if wanted.complete:
                refuse_grown(wanted.state, self._state.pieces, seen.logs)
        else:
            pieces = of_batch(seen.logs, seen.pairs, wanted.run.native_from if wanted.run else {}, wanted.sample)
            self._state = State(identity=identity, began=datetime.now(UTC).isoformat(), seconds=0.0, pieces=pieces)
        self._begin = time.monotonic()
        self._before_s = self._state.seconds
        self._records = self._bytes = 0
        by_number = {each.number: each for each in self._state.pieces}
        self._read = {number: by_number[number].behind(at) for number, at in self._state.checkpoints.items()}
        self._before = self._offsets()
        self._next_write = 0.0

    def compare(self, source: Mapping[str, str], target: Mapping[str, str]) -> None:
        """Have all pieces compared that are not."""
        left = [each for each in self._state.pieces if each.number not in self._state.results]
        # The longest first, so that no worker ends long after the others.
        left.sort(key=lambda each: -each.offsets)
        work = [Work(each, self._state.checkpoints.get(each.number)) for each in left]
        try:
            workers.run(
                source,
                target,
                work,
                workers=workers.how_many(len(work), self._wanted.rate, self._wanted.workers),
                rate=self._wanted.rate,
                heard=self._heard,
                tick=self._tick,
            )
        finally:
            self._write()
        if self._wanted.state is not None:
            self._wanted.state.unlink(missing_ok=True)

    def _heard(self, report: Report) -> None:
        self._records += report.records
        self._bytes += report.bytes
        self._read[report.number] = self._read.get(report.number, 0) + report.records
        if report.checkpoint is not None:
            self._state.checkpoints[report.number] = report.checkpoint
        if report.result is not None:
            self._state.results[report.number] = report.result
            self._state.checkpoints.pop(report.number, None)

    def _tick(self) -> None:
        if time.monotonic() >= self._next_write:
            self._write()
        self._show(
            Progress(
                self._offsets(),
                sum(each.offsets for each in self._state.pieces),
                self._before,
                len({each.partition for each in self._state.pieces if each.number in self._state.results}),
                len(self._seen.logs),
                self._records,
                self._bytes,
                time.monotonic() - self._begin,
            )
        )

    def _offsets(self) -> int:
        return sum(
            each.offsets if each.number in self._state.results else min(each.offsets, self._read.get(each.number, 0))
            for each in self._state.pieces
        )

    def _write(self) -> None:
        begin = time.monotonic()
        self._state.seconds = self._before_s + begin - self._begin
        if self._wanted.state is not None:
            write_state(self._wanted.state, self._state)
        now = time.monotonic()
        self._next_write = now + max(_WRITE_S, _WRITE_SHARE * (now - begin))

    def result(self, groups: Sequence[GroupOffset]) -> Verification:
        """Return the result of everything."""
        wanted, state = self._wanted, self._state
        by_partition: dict[PartitionId, list[Piece]] = {}
        for piece in state.pieces:
            by_partition.setdefault(piece.partition, []).append(piece)
        partitions = [self._partition(its) for _, its in sorted(by_partition.items())]
        outcome, reasons = of_all(partitions, groups, sample=wanted.sample is not None, absent=self._seen.absent)
        return Verification(
            plan=wanted.plan,
            plan_sha256=wanted.plan_sha256,
            batch=wanted.batch.name,
            source_cluster=self._seen.source_id,
            target_cluster=self._seen.target_id,
            began=state.began,
            seconds=round(state.seconds, 1),
            records=sum(each.records for each in state.results.values()),
            bytes=sum(each.bytes for each in state.results.values()),
            sample=_taken(state.identity),
            outcome=outcome,
            reasons=reasons,
            notes=() if self._seen.no_pairs is None else (self._seen.no_pairs,),
            absent=self._seen.absent,
            partitions=tuple(partitions),
            groups=tuple(groups),
        )

    def _partition(self, pieces: Sequence[Piece]) -> Partition:
        results = [self._state.results[each.number] for each in pieces]
        found = [each.found for each in results]
        first, last = pieces[0], pieces[-1]
        keys = [each.keys for each in results if each.keys is not None]
        logs = self._seen.logs.get(first.partition)
        notes = [note for each in results for note in each.notes]
        whole_begin, whole_end = first.source_begin, last.source_end
        if logs is not None:
            whole_begin, whole_end = min(whole_begin, logs.source_start), max(whole_end, last.source_end)
            if logs.stable < logs.source_end:
                notes.append(
                    f"a transaction is open on the source since offset {logs.stable}: not compared from there on"
                )
            if logs.target_end is None:
                notes.append("the target does not have the partition")
            if self._wanted.sample is None and first.source_begin > logs.source_start:
                notes.append(
                    f"the first mirrored record is source offset {first.source_begin}: the log's records from "
                    f"{logs.source_start} on before it are not compared"
                )
            if self._wanted.sample is not None:
                whole_end = max(whole_end, min(logs.source_end, logs.stable))
        return Partition(
            topic=first.partition[0],
            partition=first.partition[1],
            source_begin=whole_begin,
            source_end=whole_end,
            target_begin=first.target_begin,
            target_end=last.target_end,
            native_from=first.native_from,
            compared=sum(each.compared for each in found),
            missing=counted(each.missing for each in found),
            extra=counted(each.extra for each in found),
            reordered=counted(each.reordered for each in found),
            altered=counted(each.altered for each in found),
            twice=counted(each.twice for each in found),
            missing_at_end=sum(each.missing_at_end for each in found),
            after=sum(each.after for each in found),
            compacted_source=sum(each.compacted_source for each in found),
            compacted_target=sum(each.compacted_target for each in found),
            removed_source=sum(each.removed_source for each in found),
            removed_target=sum(each.removed_target for each in found),
            keys=sum(keys) if keys else None,
            offsets=sum(each.source_end - max(each.source_begin, each.compare_from) for each in pieces),
            timestamps=not (first.stamped or any(each.stamped for each in results)),
            notes=tuple(notes),
        )


def _identity(wanted: Wanted, seen: Seen) -> Identity:
    natives = json.dumps(
        sorted([topic, number, at] for (topic, number), at in (wanted.run.native_from.items() if wanted.run else ()))
    )
    return Identity(
        plan_sha256=wanted.plan_sha256,
        batch=wanted.batch.name,
        source_cluster=seen.source_id,
        target_cluster=seen.target_id,
        share=None if wanted.sample is None else wanted.sample.share,
        seed=None if wanted.sample is None else wanted.sample.seed,
        natives=hashlib.sha256(natives.encode()).hexdigest(),
    )


def _taken(identity: Identity) -> SampleTaken | None:
    if identity.share is None or identity.seed is None:
        return None
    return SampleTaken(share=identity.share, seed=identity.seed)
