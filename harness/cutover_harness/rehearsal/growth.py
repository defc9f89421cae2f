"""Topics that grow while a path runs: a new topic, and more partitions of an existing one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cutover_harness.capture.format import CaptureInfo, CaptureReader, TopicInfo
from cutover_harness.capture.writer import CaptureWriter, record_batch
from cutover_harness.errors import UsageError
from cutover_harness.judge.model import Judgement, Mark, Precondition
from cutover_harness.plan.batch import Growth
from cutover_harness.plan.topic_names import problem
from cutover_harness.rehearsal.migration import Migration
from cutover_harness.rehearsal.replay_input import ReplayInput
from cutover_harness.replay.fleet import Fleet
from cutover_harness.waits import wait_until
from cutover_harness.words import counted

PRODUCER = "producer-of-new"
MIRRORED_WITHIN_S = 120.0
"""How long its producer may take to start, and MirrorMaker 2 to find the topic; longer than any other start."""
_POLL_S = 0.2
SUFFIX = b"~new"
"""Suffix of keys in the new partitions: a key that moved to another partition would lose its order anyway."""


@dataclass(frozen=True)
class Grown:
    """The topic and the partitions that appeared.

    had: number of partitions of `growth.like` before. mirrored: whether all of it had records on the target in time.
    """

    growth: Growth
    had: int
    mirrored: Precondition | None

    def preconditions(self, judgement: Judgement) -> list[Precondition]:
        """Return whether the new topic and partitions had traffic that was consumed."""
        growth, had = self.growth, self.had
        found = [] if self.mirrored is None else [self.mirrored]
        for name, first in ((growth.topic, 0), (growth.like, had)):
            acked = sum(log.acked for log in judgement.logs if log.topic == name and log.partition >= first)
            read = sum(
                row.delivered
                for group in judgement.groups
                for row in group.partitions
                if row.topic == name and row.partition >= first
            )
            what = name if first == 0 else f"partitions of {name} from {first} on"
            found.append(
                Precondition(f"{what} had traffic", acked > 0 and read > 0, f"{acked} acknowledged, {read} delivered")
            )
        return found


class Growing:
    """Creates a topic and partitions on the source at a step of the path, and starts a producer for them."""

    def __init__(self, growth: Growth, replay: ReplayInput, migration: Migration, fleet: Fleet) -> None:
        self.marks: list[Mark] = []
        self._mirrored: Precondition | None = None
        self.growth = growth
        self._replay = replay
        self._source = migration.source
        self._target = migration.target
        self._fleet = fleet
        topics = migration.topics
        if growth.like not in topics:
            raise UsageError(f"growth.like: {growth.like} is not in the capture ({', '.join(topics)})")
        if growth.topic in topics:
            raise UsageError(f"growth.topic: {growth.topic} is in the capture already: choose a new name")
        if (why := problem([growth.topic, *topics])) is not None:
            raise UsageError(f"growth.topic: {why}")
        self._info = topics[growth.like]

    def grow(self) -> None:
        """Create them; a second call does nothing."""
        if self.marks:
            return
        growth, had = self.growth, self._info.partitions
        begin = time.time_ns()
        self._source.create_topics({growth.topic: had}, self._info.config)
        self._source.add_partitions({growth.like: had + growth.partitions})
        traffic = self._fleet.folder / "growth.parquet"
        write_traffic(self._replay.capture, traffic, growth, recorded=self._replay.recorded(growth.like))
        self._fleet.add_producer(PRODUCER, traffic)
        detail = (
            f"{growth.topic} appears; {growth.like} grows from {had} to {counted(had + growth.partitions, 'partition')}"
        )
        self._mirrored = self._await_mirrored()
        self.marks.append(Mark(begin, "phase", "growth", None, detail, time.time_ns()))

    def _await_mirrored(self) -> Precondition:
        """Wait until all that is new has records on the target: on a slow machine the path would be over by then."""
        growth, had = self.growth, self._info.partitions

        def records() -> dict[str, int]:
            ends = self._target.end_offsets([growth.topic, growth.like])
            return {
                growth.topic: sum(end for (topic, _), end in ends.items() if topic == growth.topic),
                f"partitions of {growth.like} from {had} on": sum(
                    end for (topic, number), end in ends.items() if topic == growth.like and number >= had
                ),
            }

        found = wait_until(records, MIRRORED_WITHIN_S, done=lambda counts: all(counts.values()), backoff_s=_POLL_S)
        missing = [what for what, count in found.items() if not count]
        seen = (
            f"no records of {', '.join(missing)}"
            if missing
            else ", ".join(f"{n} of {what}" for what, n in found.items())
        )
        return Precondition(
            "what appeared was mirrored before the path continued", not missing, f"on the target: {seen}"
        )

    @property
    def grown(self) -> Grown:
        """The topic and the partitions that appeared, for the verdict."""
        return Grown(self.growth, self._info.partitions, self._mirrored)


def write_traffic(capture: Path, out: Path, growth: Growth, *, recorded: str) -> None:
    """Write the records of the topic `recorded` in `capture` twice: for the new topic and for the new partitions."""
    with CaptureReader(capture) as reader, CaptureWriter(out) as writer:
        had = reader.info.topics[recorded]
        for batch in reader.batches():
            chosen = pc.filter(batch, pc.equal(batch.column("topic").cast(pa.string()), recorded))
            if chosen.num_rows:
                writer.write(_twice(chosen, growth, had.partitions))
        if not writer.records:
            raise UsageError(f"growth.like: {recorded} has no records in {capture}")
        topics = {
            growth.topic: had,
            growth.like: TopicInfo(had.partitions + growth.partitions, had.config),
        }
        writer.close(CaptureInfo(reader.info.recorded, topics))


def _twice(batch: pa.RecordBatch, growth: Growth, had: int) -> pa.RecordBatch:
    rows = np.repeat(np.arange(batch.num_rows), 2)
    doubled = batch.take(pa.array(rows))
    added = np.arange(len(rows)) % 2 == 1
    partitions = doubled.column("partition").to_numpy()
    keys = doubled.column("key").to_pylist()
    return record_batch(
        [growth.like if new else growth.topic for new in added.tolist()],
        np.where(added, had + partitions % growth.partitions, partitions).tolist(),
        doubled.column("offset").to_pylist(),
        doubled.column("timestamp").to_pylist(),
        doubled.column("timestamp_type").to_pylist(),
        [key + SUFFIX if new and key is not None else key for key, new in zip(keys, added.tolist(), strict=True)],
        doubled.column("value").to_pylist(),
        doubled.column("headers").to_pylist(),
    )
