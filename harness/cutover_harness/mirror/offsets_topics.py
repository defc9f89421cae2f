"""The records of MirrorMaker 2's own topics (org.apache.kafka.connect.mirror.OffsetSync and Checkpoint, Kafka 2.4 on).

Numbers are big-endian, a string is an int16 length and UTF-8. Only checkpoints carry a version, always 0.
"""

import struct
from dataclasses import dataclass

from cutover_harness.mirror.errors import MirrorError


@dataclass(frozen=True)
class OffsetSync:
    """Record `upstream` of the source partition is record `downstream` of the target's."""

    topic: str
    partition: int
    upstream: int
    downstream: int


@dataclass(frozen=True)
class Checkpoint:
    """A group that committed `upstream` on the source may go on at `downstream` on the target."""

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
        raise MirrorError(f"a checkpoint of version {version}: this MirrorMaker 2 is newer than kafka-cutover knows")
    return Checkpoint(group, topic, partition, upstream, downstream)


def _string(data: bytes) -> tuple[str, bytes]:
    (length,) = struct.unpack_from(">h", data)
    text = data[2 : 2 + length]
    if length < 0 or len(text) != length:
        raise struct.error(f"a string of {length} bytes, {len(text)} are left")
    return text.decode(), data[2 + length :]
