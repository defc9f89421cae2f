"""MirrorMaker 2's own topics: offset syncs and checkpoints (org.apache.kafka.connect.mirror, since Kafka 2.4).

Numbers are big-endian, a string is an int16 length and UTF-8. Only checkpoints have a version, always 0.
"""

import struct
from dataclasses import dataclass

from cutover_harness.admin import Admin
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.log_reader import LogReader, partitions
from cutover_harness.mirror.spec import Batch
from cutover_harness.types import PartitionId


@dataclass(frozen=True)
class OffsetSync:
    """Record `upstream` of the source partition is record `downstream` of the target's."""

    topic: str
    partition: int
    upstream: int
    downstream: int


@dataclass(frozen=True)
class Checkpoint:
    """A group that committed `upstream` on the source may resume at `downstream` on the target."""

    group: str
    topic: str
    partition: int
    upstream: int
    downstream: int


def decode_offset_sync(key: bytes, value: bytes) -> OffsetSync:
    """Decode a record of the offset-syncs topic. Raises MirrorError for anything else."""
    try:
        topic, rest = _string(key)
        (partition,) = struct.unpack(">i", rest)
        upstream, downstream = struct.unpack(">qq", value)
    except (struct.error, UnicodeDecodeError) as error:
        raise MirrorError(f"not an offset sync of MirrorMaker 2: key {key.hex()}, value {value.hex()}") from error
    return OffsetSync(topic, partition, upstream, downstream)


def decode_checkpoint(key: bytes, value: bytes) -> Checkpoint:
    """Decode a record of the checkpoints topic. Raises MirrorError for anything else, a later version included."""
    try:
        group, rest = _string(key)
        topic, rest = _string(rest)
        (partition,) = struct.unpack(">i", rest)
        version, upstream, downstream = struct.unpack_from(">hqq", value)
    except (struct.error, UnicodeDecodeError) as error:
        raise MirrorError(f"not a checkpoint of MirrorMaker 2: key {key.hex()}, value {value.hex()}") from error
    if version != 0:
        raise MirrorError(f"a checkpoint of version {version}: this MirrorMaker 2 is newer than kafka-cutover supports")
    return Checkpoint(group, topic, partition, upstream, downstream)


class InternalTopics:
    """Reads the two topics on the target, only what is new since the last read. Not thread-safe."""

    def __init__(self, batch: Batch, target: Admin, log: LogReader) -> None:
        self._batch = batch
        self._target = target
        self._log = log
        self._next: dict[PartitionId, int] = {}
        self._checkpoints: dict[tuple[str, PartitionId], Checkpoint] = {}
        self._syncs: list[OffsetSync] = []

    def checkpoints(self, group: str) -> dict[PartitionId, Checkpoint]:
        """Return the latest checkpoint of each partition of the group."""
        for key, value in self._news(self._batch.checkpoints_topic):
            checkpoint = decode_checkpoint(key, value)
            self._checkpoints[checkpoint.group, (checkpoint.topic, checkpoint.partition)] = checkpoint
        return {partition: c for (name, partition), c in self._checkpoints.items() if name == group}

    def offset_syncs(self) -> list[OffsetSync]:
        """Return all pairs of offsets that are in the topic or were read from it before, oldest first."""
        for key, value in self._news(self._batch.offset_syncs_topic):
            self._syncs.append(decode_offset_sync(key, value))
        return list(self._syncs)

    def _news(self, topic: str) -> list[tuple[bytes, bytes]]:
        counts = self._target.partitions([topic])
        positions = {partition: self._next.get(partition, 0) for partition in partitions(counts)}
        if not positions:
            return []
        news = []
        for partition, records in self._log.read(positions).items():
            for record in records:
                self._next[partition] = record.offset + 1
                if record.key is not None and record.value is not None:
                    news.append((record.key, record.value))
        return news


def _string(data: bytes) -> tuple[str, bytes]:
    (length,) = struct.unpack_from(">h", data)
    text = data[2 : 2 + length]
    if length < 0 or len(text) != length:
        raise struct.error(f"a string of {length} bytes, {len(text)} are left")
    return text.decode(), data[2 + length :]
