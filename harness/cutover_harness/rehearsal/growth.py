"""Topics that grow while a path is walked: a new topic, and more partitions of one that is there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cutover_harness.admin import Admin
from cutover_harness.capture.format import CaptureInfo, CaptureReader, TopicInfo
from cutover_harness.capture.writer import CaptureWriter, record_batch
from cutover_harness.errors import UsageError
from cutover_harness.judge.model import Guard, Judgement, Mark
from cutover_harness.plan.batch import Growth
from cutover_harness.plan.topic_names import problem
from cutover_harness.replay.fleet import Fleet

PRODUCER = "producer-of-new"
MIRRORED_WITHIN_S = 120.0
"""How long its producer may take to start, and MirrorMaker 2 to find it; longer than any other start."""
_POLL_S = 0.2
SUFFIX = b"~new"
"""What keys of the new partitions end in: a key that moved to another partition would lose its order there anyway."""


class Growing:
    """Lets the source grow at the moment that the scenario names, and starts a producer for what is new."""

    def __init__(
        self, growth: Growth, capture: Path, topics: Mapping[str, TopicInfo], source: Admin, target: Admin, fleet: Fleet
    ) -> None:
        self.marks: list[Mark] = []
        self._mirrored: Guard | None = None
        self.growth = growth
        self._capture = capture
        self._source = source
        self._target = target
        self._fleet = fleet
        if growth.like not in topics:
            raise UsageError(f"growth.like: {growth.like} is not in the capture ({', '.join(topics)})")
        if growth.topic in topics:
            raise UsageError(f"growth.topic: {growth.topic} is in the capture already: choose a new name")
        if (why := problem([growth.topic, *topics])) is not None:
            raise UsageError(f"growth.topic: {why}")
        self._info = topics[growth.like]

    def grow(self) -> None:
        """Do it; once more does nothing."""
        if self.marks:
            return
        growth, had = self.growth, self._info.partitions
        begin = time.time_ns()
        self._source.create_topics({growth.topic: had}, self._info.config)
        self._source.add_partitions({growth.like: had + growth.partitions})
        traffic = self._fleet.folder / "growth.parquet"
        write_traffic(self._capture, traffic, growth)
        self._fleet.add_producer(PRODUCER, traffic)
        detail = f"{growth.topic} appears; {growth.like} grows from {had} to {had + growth.partitions} partitions"
        self._mirrored = self._await_mirrored()
        self.marks.append(Mark(begin, "phase", "growth", None, detail, time.time_ns()))

    def _await_mirrored(self) -> Guard:
        """Wait until all that is new has records on the target: on a slow machine the path would be over before."""
        growth, had = self.growth, self._info.partitions
        begin, missing = time.monotonic(), ["anything"]
        while missing and time.monotonic() - begin < MIRRORED_WITHIN_S:
            ends = self._target.end_offsets([growth.topic, growth.like])
            found = {
                growth.topic: sum(end for (topic, _), end in ends.items() if topic == growth.topic),
                f"partitions of {growth.like} from {had} on": sum(
                    end for (topic, number), end in ends.items() if topic == growth.like and number >= had
                ),
            }
            missing = [what for what, records in found.items() if not records]
            time.sleep(_POLL_S)
        seen = (
            f"no records of {', '.join(missing)}"
            if missing
            else ", ".join(f"{n} of {what}" for what, n in found.items())
        )
        return Guard("what appeared was mirrored before the path went on", not missing, f"on the target: {seen}")

    def guards(self, judgement: Judgement) -> list[Guard]:
        """Return whether what is new had traffic that was consumed."""
        growth, had = self.growth, self._info.partitions
        found = [] if self._mirrored is None else [self._mirrored]
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
                Guard(f"{what} had traffic", acked > 0 and read > 0, f"{acked} acknowledged, {read} delivered")
            )
        return found


def write_traffic(capture: Path, out: Path, growth: Growth) -> None:
    """Write what `growth.like` has in `capture` twice over: as the new topic, and for the new partitions."""
    with CaptureReader(capture) as reader, CaptureWriter(out) as writer:
        had = reader.info.topics[growth.like]
        for batch in reader.batches():
            chosen = pc.filter(batch, pc.equal(batch.column("topic").cast(pa.string()), growth.like))
            if chosen.num_rows:
                writer.write(_twice(chosen, growth, had.partitions))
        if not writer.records:
            raise UsageError(f"growth.like: {growth.like} has no records in {capture}")
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
