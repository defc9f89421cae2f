"""Record traffic from a live cluster without any influence on its groups.

The consumer is assigned its partitions with explicit offsets, belongs to no group, and commits nothing. What it reads
waits until its place in the capture is certain, partitions that are ahead wait with it, and a thread compresses and
writes it, so memory is constant and each byte is written once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from cutover_harness.capture.beginning import begin, without_partition
from cutover_harness.capture.changes import Layout
from cutover_harness.capture.cluster import ClusterView
from cutover_harness.capture.collect import Collector
from cutover_harness.capture.consumer import consuming
from cutover_harness.capture.follow import Follower
from cutover_harness.capture.format import CaptureError, CaptureInfo
from cutover_harness.capture.masking import Mask
from cutover_harness.capture.options import RecordOptions, differences
from cutover_harness.capture.output import Output
from cutover_harness.capture.parts import INTERRUPTED_NOTE, Parts, Progress, State
from cutover_harness.capture.watch import Watch
from cutover_harness.pauses import few_collections
from cutover_harness.types import PartitionId

_BATCH = 1000
_BATCH_BYTES = 8 << 20
_FIRST_BATCH = 100
_WAIT_S = 0.1
_SILENT_S = 30.0


@dataclass(frozen=True)
class Recorded:
    """The result of a recording.

    `interrupted`: it was stopped before its end, and can be resumed. `changed`: what became of the topics
    meanwhile. `missing`: what was asked for and is not in it.
    """

    file: Path
    records: int
    bytes: int
    seconds: float
    interrupted: bool
    notes: Mapping[str, str]
    changed: Sequence[str] = ()
    missing: Sequence[str] = ()


class Recorder:
    """One recording of `options` from the cluster at `client` (librdkafka properties) to the file `out`.

    `stop()` may be called from a signal handler or another thread: what was recorded by then becomes the capture.
    `progress` is called about once a second with the records and bytes so far and how many records there are to come
    (None if that is not known), `notify` with each change of the topics.
    """

    def __init__(
        self,
        client: Mapping[str, Any],
        out: Path,
        options: RecordOptions,
        *,
        mask: Mask | None = None,
        progress: Callable[[int, int, int | None], None] | None = None,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        self._client = dict(client)
        self._out = out
        self._options = options
        self._mask = mask
        self._progress = progress or (lambda _records, _bytes, _left: None)
        self._notify = notify or (lambda _text: None)
        self._stopping = False

    def stop(self) -> None:
        """End the recording soon and cleanly."""
        self._stopping = True

    def record(self, *, resume: bool = False) -> Recorded:
        """Record to the end. Raises CaptureError; records so far are not lost.

        `resume`: continue an unfinished or finished recording of the same topics instead of beginning a new one.
        """
        parts = Parts(self._out)
        if not resume:
            self._refuse_overwriting(parts)
        begun = time.monotonic()
        view = ClusterView.connect(self._client)
        earlier = parts.read() if resume else None
        if earlier is not None and (other := differences(earlier.asked, self._options.asked())):
            raise CaptureError(
                f"capture {self._out}: was begun with {'; '.join(other)}: repeat what it was begun with, or record "
                "into another file"
            )
        state = begin(view, self._options, earlier)
        if resume:
            parts.reopen(state)
        else:
            parts.create(state)
        self._report_idle(state)
        limits = self._options.max_records, self._options.max_bytes
        with few_collections(), Output(parts, state) as output:
            with Collector(parts, state, output, self._mask, *limits) as collector:
                ended = self._read(view, state, collector)
            if not ended:
                state.info = _interrupted(state.info)
            records = output.finish()
        return Recorded(
            self._out,
            records,
            state.bytes,
            time.monotonic() - begun,
            not ended,
            view.notes,
            tuple(state.changed),
            tuple(state.missing),
        )

    def _refuse_overwriting(self, parts: Parts) -> None:
        if parts.exist:
            raise CaptureError(
                f"capture {self._out}: {parts.folder} has an unfinished recording; continue with --resume, or delete it"
            )
        if self._out.exists():
            raise CaptureError(
                f"capture {self._out}: exists already; continue it with --resume, or record into another file"
            )
        if not self._out.absolute().parent.is_dir():
            raise CaptureError(f"capture {self._out}: no such folder {self._out.absolute().parent}")

    def _report_idle(self, state: State) -> None:
        """Notify if this is a shard to which no partition belongs: with fewer shards all machines would record."""
        if self._options.shard is not None:
            topics = {name: each.partitions for name, each in CaptureInfo.from_json(state.info).topics.items()}
            if (text := without_partition(self._options.shard, topics)) is not None:
                self._notify(text)

    def _read(self, view: ClusterView, state: State, collector: Collector) -> bool:
        """Consume until every partition is at its end, or a limit; return False if stopped before."""
        options = self._options
        if not collector.open and not self._waits(collector):
            return True
        topics = CaptureInfo.from_json(state.info).topics
        known = Layout({name: each.partitions for name, each in topics.items() if name not in state.closed}, state.ids)
        with consuming(self._client, len(collector.open), read_committed=options.read_committed) as consumer:
            follower = Follower(
                view, state, collector, consumer, options.has, live=options.duration_s is not None, notify=self._notify
            )
            consumer.assign([TopicPartition(t, p, each.next) for (t, p), each in collector.open.items()])
            with Watch(lambda: view.layout(options.topics, options.exclude), known) as watch:
                ended = self._consume(consumer, collector, follower, watch)
                self._look_at_the_end(view, state, collector, follower, watch)
            return ended

    def _waits(self, collector: Collector) -> bool:
        """Whether this is a live recording of a shard without a partition, to which new ones can belong."""
        return not collector.open and self._options.shard is not None and self._options.duration_s is not None

    def _consume(self, consumer: Consumer, collector: Collector, follower: Follower, watch: Watch) -> bool:
        options = self._options
        begun = shown = heard = time.monotonic()
        deadline = None if options.duration_s is None else begun + options.duration_s
        pace = Pace(options.rate_bytes)
        waits = self._waits(collector)
        while (collector.open or waits) and not self._stopping and not collector.full:
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                return True
            messages = consumer.consume(_at_once(collector), _WAIT_S)
            if messages:
                pace.wait(collector.add(messages), lambda: self._stopping)
                heard = time.monotonic()
            elif deadline is None and now - heard > _SILENT_S:
                raise CaptureError(
                    f"no record and no end of log from {self._where()} for {_SILENT_S:.0f} s; continue with --resume"
                )
            if collector.lost:
                lost, collector.lost = collector.lost, set()
                follower.lost(sorted(lost))
            if changes := watch.changes():
                follower.follow(changes)
            wait, go = collector.flow()
            if wait:
                consumer.pause([TopicPartition(t, p) for t, p in wait])
            if go:
                consumer.resume([TopicPartition(t, p) for t, p in go])
            if now - shown >= 1:
                shown = now
                self._progress(collector.records, collector.bytes, _left(collector.open))
        self._progress(collector.records, collector.bytes, _left(collector.open))
        return not self._stopping

    def _look_at_the_end(
        self, view: ClusterView, state: State, collector: Collector, follower: Follower, watch: Watch
    ) -> None:
        """Write down changes since the last check, and records missing for other reasons."""
        try:
            follower.follow(watch.last(), at_end=True)
            follower.lost(self._behind(view, state, collector))
        except (CaptureError, KafkaException) as why:
            state.missing = [*state.missing, f"changes of topics just before the end are unknown: {why}"]
        if collector.unreadable:
            state.missing = [
                *state.missing,
                f"headers whose names are not UTF-8 (records: {collector.unreadable:,}), such as {collector.example}",
            ]

    @staticmethod
    def _behind(view: ClusterView, state: State, collector: Collector) -> list[PartitionId]:
        """Return partitions, of topics without ids, whose log ends before the last record read."""
        asked = [where for where in collector.open if where[0] not in state.ids]
        if not asked:
            return []
        ends = view.latest(asked, read_committed=False)
        return [where for where in asked if ends[where] < collector.open[where].next]

    def _where(self) -> str:
        return str(self._client.get("bootstrap.servers", "the cluster"))


class Pace:
    """Limits the reading rate by pausing: the client's queue fills up, and it stops fetching."""

    def __init__(self, bytes_per_s: float | None) -> None:
        self._rate = bytes_per_s
        self._begun = time.monotonic()
        self._total = 0

    def wait(self, size: int, stopping: Callable[[], bool]) -> None:
        """Count `size` bytes and wait until they are within the rate, or until `stopping`."""
        if self._rate is None:
            return
        self._total += size
        due = self._begun + self._total / self._rate
        while (ahead := due - time.monotonic()) > 0 and not stopping():
            time.sleep(min(ahead, _WAIT_S))


def _interrupted(info: str) -> str:
    """Return a capture's metadata with the note that it ended early; the next sitting begins with new notes."""
    known = CaptureInfo.from_json(info)
    return replace(known, notes={**known.notes, INTERRUPTED_NOTE: "stopped before its end"}).to_json()


def _at_once(collector: Collector) -> int:
    """Return how many messages to take per call, so that memory is bounded also for large ones."""
    mean = collector.bytes / collector.records if collector.records else _BATCH_BYTES / _FIRST_BATCH
    return int(max(1, min(_BATCH, _BATCH_BYTES / max(1.0, mean))))


def _left(partitions: Mapping[PartitionId, Progress]) -> int | None:
    if any(each.end is None for each in partitions.values()):
        return None
    return sum(max(0, (each.end or 0) - each.next) for each in partitions.values())
