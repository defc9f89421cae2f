"""Records of a bypass, read back: what was written, and whether it is on the other cluster as well."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property

from cutover_harness.admin import Admin
from cutover_harness.closing import Closing
from cutover_harness.mirror.client_properties import librdkafka
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.log_reader import LogReader, Record
from cutover_harness.procedure.bypass import Range, Sample
from cutover_harness.types import ClusterName, PartitionId

_MOST_READ = 200
"""Records of a partition that one look reads; more are counted by their offsets."""
_MOST_SEARCHED = 20_000
_AHEAD_BYTES = 64 << 10


@dataclass(frozen=True)
class Written:
    """Records of one partition, with the first ones."""

    range: Range
    samples: Sequence[Sample]


class Side(Closing):
    """One cluster: its administrative calls, and readers of its logs that are opened when they are needed first."""

    def __init__(self, name: ClusterName, config: Mapping[str, str], admin: Admin) -> None:
        self.name, self.admin = name, admin
        self._config = config
        self._open: list[LogReader] = []

    def close(self) -> None:
        """Close the readers."""
        for each in self._open:
            each.close()

    @cached_property
    def log(self) -> LogReader:
        """Reads everything that was written, also by transactions that are open or aborted."""
        reader = LogReader(self._config, self.name, ahead_bytes=_AHEAD_BYTES, committed=False)
        self._open.append(reader)
        return reader

    def written(self, begins: Mapping[PartitionId, int], ends: Mapping[PartitionId, int]) -> dict[PartitionId, Written]:
        """Return the records from `begins` to before `ends`; markers of transactions are none."""
        found: dict[PartitionId, list[Record]] = {partition: [] for partition in begins}

        def visit(partition: PartitionId, record: Record) -> bool:
            # Behind what retention has removed a client begins at the log's start, and never before `begins` otherwise.
            if begins[partition] <= record.offset < ends[partition]:
                found[partition].append(record)
            return record.offset + 1 < ends[partition] and len(found[partition]) < _MOST_READ

        if begins:
            self.log.scan(begins, visit)
        return {partition: _written(partition, its, ends[partition]) for partition, its in found.items() if its}

    def at(self, offsets: Mapping[PartitionId, Collection[int]]) -> dict[PartitionId, list[Record]]:
        """Return the records at these offsets."""
        begins = {partition: min(its) for partition, its in offsets.items() if its}
        last = {partition: max(its) for partition, its in offsets.items() if its}
        found: dict[PartitionId, list[Record]] = {partition: [] for partition in begins}

        def visit(partition: PartitionId, record: Record) -> bool:
            if record.offset in offsets[partition]:
                found[partition].append(record)
            return record.offset < last[partition]

        if begins:
            self.log.scan(begins, visit)
        return found

    def lacks(self, records: Mapping[PartitionId, Sequence[Record]]) -> dict[PartitionId, list[Record]]:
        """Return those of the records that this cluster has never had; a record of which that is not sure is left out.

        Searched for from their timestamps on, which a mirror preserves.
        """
        times = {
            partition: min(each.timestamp for each in its if each.timestamp is not None)
            for partition, its in records.items()
            if any(each.timestamp is not None for each in its)
        }
        if not times:
            return {}
        topics = {topic for topic, _ in times}
        starts, ends = self.admin.start_offsets(topics), self.admin.end_offsets(topics)
        firsts = {p: at for p, at in self.log.first_at(times).items() if p in ends}
        lost = {p for p, at in firsts.items() if starts.get(p, 0) > 0 and at in (None, starts[p])}
        begins = {p: at for p, at in firsts.items() if at is not None and p not in lost and at < ends[p]}
        left = {p: [each for each in records[p] if each.timestamp is not None] for p in firsts if p not in lost}
        seen = dict.fromkeys(begins, 0)

        def visit(partition: PartitionId, record: Record) -> bool:
            seen[partition] += 1
            left[partition] = [each for each in left[partition] if not each.same_as(record)]
            return bool(left[partition]) and seen[partition] < _MOST_SEARCHED and record.offset + 1 < ends[partition]

        if begins:
            self.log.scan(begins, visit)
        return {p: its for p, its in left.items() if its and seen.get(p, 0) < _MOST_SEARCHED}

    def writers(self, partitions: Collection[PartitionId], since_ms: int | None) -> tuple[str, ...]:
        """Return, in words, the producers that the partitions' leaders remember since then; empty if not known.

        A producer that is neither idempotent nor transactional has no id, and Kafka keeps no client id of a record.
        """
        # It takes a moment to import, and most runs have no bypass.
        from cutover_harness.inventory.broker_calls import BrokerCallError, KafkaPythonCalls  # noqa: PLC0415

        found: dict[int, int] = {}
        try:
            with closing(KafkaPythonCalls(librdkafka(self._config))) as calls:
                for leader, its in self.log.leaders(partitions).items():
                    states, _ = calls.producers(leader, its)
                    for each in (each for state in states.values() for each in state):
                        if since_ms is None or each.last_ms >= since_ms:
                            found[each.id] = each.epoch
        except (BrokerCallError, MirrorError):
            return ()
        return tuple(f"producer id {number} epoch {epoch}" for number, epoch in sorted(found.items()))


def _written(partition: PartitionId, records: Sequence[Record], end: int) -> Written:
    last = records[-1].offset
    uncounted = end - 1 - last if len(records) >= _MOST_READ else 0
    count = Range(records[0].offset, last + uncounted, len(records) + uncounted)
    return Written(count, [sample(partition, each) for each in records[:3]])


def sample(partition: PartitionId, record: Record) -> Sample:
    """Return what is shown of a record."""
    key = None if record.key is None else hashlib.sha256(record.key).hexdigest()[:12]
    return Sample(partition[1], record.offset, record.timestamp, key, tuple(name for name, _ in record.headers)[:10])
