"""Records that a fault destroyed on purpose, which nothing could have delivered afterwards."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cutover_harness.judge.model import Destroyed
from cutover_harness.judge.produced import Logged, Produced
from cutover_harness.ledger.columns import ALL_STREAMS, Columns, Mask
from cutover_harness.ledger.format import ACKED, CLUSTER_NAMES
from cutover_harness.ledger.reader import Ledgers

_CODES = {name: code for code, name in CLUSTER_NAMES.items()}
_NEVER = int(np.iinfo(np.int64).min)


@dataclass(frozen=True)
class Recreated:
    """A fault that deleted and recreated a topic.

    placed: by number of a producer's ledger and partition, the time in ns of the first acknowledgement with an offset
        after the deletion.
    """

    fault: Destroyed
    placed: Mapping[int, Mapping[int, int]]

    @classmethod
    def of(cls, fault: Destroyed, ledgers: Ledgers) -> "Recreated":
        """Look for the first offsets in the whole ledgers, as a shard of the streams may lack a partition's first."""
        placed = {}
        for number, instance in enumerate(ledgers.instances):
            if instance.meta.role == "producer" and fault.topic in instance.rows.topics:
                topic = instance.rows.topics.index(fault.topic)
                placed[number] = _first_placed(fault, topic, instance.rows.pieces(*ALL_STREAMS))
        return cls(fault, placed)

    def destroyed(self, logged: Logged, topic: int, since_ns: int) -> Columns:
        """Return which acknowledgements of a producer are of destroyed records.

        topic: number of the fault's topic in the rows. since_ns: as in `destroyed`.
        """
        acks = _acked(logged.acks, self.fault, topic)
        until = self.fault.until_ns
        first = self.placed.get(logged.number, {})
        partitions, number = np.unique(acks.partition, return_inverse=True)
        placed = np.array([first.get(each, _NEVER) for each in partitions.tolist()], np.int64)[number]
        before = (acks.time_ns >= since_ns) & (acks.time_ns < until)
        unplaced = (acks.time_ns >= until) & (acks.offset < 0) & (acks.time_ns <= placed)
        return acks.take(before | unplaced)


def destroyed(
    found: Sequence[Recreated], ledgers: Sequence[Logged], produced: Produced, topics: Sequence[str], since_ns: int
) -> Mask:
    """Return which records a fault destroyed when it deleted and recreated their topic.

    These are records acknowledged there before the deletion, and records that an idempotent producer took for written:
    its sequence numbers continue from the deleted log, so its first batches in the recreated one can be acknowledged
    as duplicates, without an offset. The latter count up to the producer's first offset in the partition; if there is
    none (acks=0, say), none of them counts.

    since_ns: when the run can have begun at the earliest: a time before it is a clock's mistake, and excuses nothing.
    ledgers: the rows of the producers, their topics as numbers in `topics`.
    """
    gone = np.zeros(produced.record_index.size, np.bool_)
    for one in found:
        if one.fault.topic in topics:
            topic = topics.index(one.fault.topic)
            for logged in ledgers:
                rows = one.destroyed(logged, topic, since_ns)
                streams = produced.record_index.stream_numbers(rows.stream)
                gone[produced.record_index.ids(streams, rows.sequence)[0]] = True
    return gone


def _first_placed(fault: Destroyed, topic: int, parts: Iterable[Columns]) -> dict[int, int]:
    first: dict[int, int] = {}
    for part in parts:
        acks = _acked(part, fault, topic)
        acks = acks.take((acks.time_ns >= fault.until_ns) & (acks.offset >= 0) & (acks.sequence >= 0))
        for partition in np.unique(acks.partition).tolist():
            least = int(acks.time_ns[acks.partition == partition].min())
            first[partition] = min(least, first.get(partition, least))
    return first


def _acked(rows: Columns, fault: Destroyed, topic: int) -> Columns:
    return rows.take((rows.topic == topic) & (rows.event == ACKED) & (rows.cluster == _CODES[fault.cluster]))
