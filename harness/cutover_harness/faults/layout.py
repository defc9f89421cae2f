"""Where the replicas of partitions are, and requests that move them; for clusters that a testbed has started.

librdkafka has no request for reassignments, so AlterPartitionReassignments (KIP-455) is sent over a socket, without TLS
and login: testbeds that start several brokers have neither.
"""

from __future__ import annotations

import socket
import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import ElectionType, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from cutover_harness.admin import CLIENT_DEFAULTS
from cutover_harness.errors import UsageError
from cutover_harness.features import read_exactly
from cutover_harness.types import PartitionId

OFFSETS = "__consumer_offsets"
"""Its partitions' leaders are the coordinators of groups."""
_ALTER, _NAME = 45, b"kafka-cutover"
_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Replicas:
    """One partition: the node id of its leader (-1: none), of its replicas (preferred leader first), those in sync."""

    leader: int
    replicas: tuple[int, ...]
    in_sync: frozenset[int]

    @property
    def whole(self) -> bool:
        """Whether it has a leader, and all replicas are in sync."""
        return self.leader >= 0 and self.in_sync == {*self.replicas}


class Layout:
    """Partitions of one cluster with these librdkafka properties. Its methods raise KafkaException."""

    def __init__(self, config: Mapping[str, str]) -> None:
        self._client = AdminClient({**CLIENT_DEFAULTS, **config})

    def brokers(self) -> list[int]:
        """Return the node ids of the brokers that are up."""
        return sorted(self._client.list_topics(timeout=_TIMEOUT_S).brokers)

    def of(self, topics: Iterable[str] | None = None) -> dict[PartitionId, Replicas]:
        """Return the partitions of these topics that exist, of all topics if None."""
        known = self._client.list_topics(timeout=_TIMEOUT_S).topics
        wanted = known.keys() if topics is None else [name for name in topics if name in known]
        return {
            (name, number): Replicas(part.leader, tuple(part.replicas), frozenset(part.isrs))
            for name in wanted
            for number, part in known[name].partitions.items()
        }

    def assign(self, wanted: Mapping[PartitionId, Sequence[int]]) -> None:
        """Move partitions to these replicas; the copying takes place afterwards. Raises UsageError if it is refused."""
        metadata = self._client.list_topics(timeout=_TIMEOUT_S)
        controller = metadata.brokers.get(metadata.controller_id) or next(iter(metadata.brokers.values()), None)
        if controller is None:
            raise UsageError("replicas cannot be moved: the cluster names no broker")
        with socket.create_connection((controller.host, controller.port), _TIMEOUT_S) as connection:
            connection.sendall(request(wanted))
            (length,) = struct.unpack(">i", read_exactly(connection, 4))
            refused = problems(read_exactly(connection, length))
        if refused:
            raise UsageError(f"replicas cannot be moved: {refused[0]}")

    def elect(self, partitions: Iterable[PartitionId]) -> None:
        """Let the preferred leaders lead."""
        asked = [TopicPartition(topic, number) for topic, number in partitions]
        done = self._client.elect_leaders(ElectionType.PREFERRED, asked, request_timeout=_TIMEOUT_S).result()
        for error in done.values():
            if error is not None and error.args[0].code() != KafkaError.ELECTION_NOT_NEEDED:
                raise KafkaException(error.args[0])


def request(wanted: Mapping[PartitionId, Sequence[int]]) -> bytes:
    """Return AlterPartitionReassignments, version 0, with its length: a flexible request with header version 2."""
    topics: dict[str, list[tuple[int, Sequence[int]]]] = defaultdict(list)
    for (topic, number), replicas in wanted.items():
        topics[topic].append((number, replicas))
    body = struct.pack(">i", int(_TIMEOUT_S * 1000)) + _count(topics)
    for topic, partitions in topics.items():
        name = topic.encode()
        body += _unsigned(len(name) + 1) + name + _count(partitions)
        for number, replicas in partitions:
            body += struct.pack(">i", number) + _count(replicas)
            body += struct.pack(f">{len(replicas)}i", *replicas) + b"\0"
        body += b"\0"
    head = struct.pack(f">hhih{len(_NAME)}s", _ALTER, 0, 1, len(_NAME), _NAME) + b"\0"
    sent = head + body + b"\0"
    return struct.pack(">i", len(sent)) + sent


def problems(answer: bytes) -> list[str]:
    """Return what the response refuses, in words: of the whole request, or of single partitions."""
    reader = _Reader(answer, at=4 + 1 + 4)  # correlation id, tags of the header, throttle time
    found = []
    if (code := reader.number(">h")) != 0:
        found.append(f"{KafkaError(code).str()} {reader.text()}".strip())
    else:
        reader.text()
    for _ in range(reader.count()):
        topic = reader.text()
        for _ in range(reader.count()):
            number, code = reader.number(">i"), reader.number(">h")
            why = reader.text()
            reader.tags()
            if code:
                found.append(f"{topic}-{number}: {KafkaError(code).str()} {why}".strip())
        reader.tags()
    return found


class _Reader:
    """Reads the fields of a flexible response (KIP-482), without tags that this version does not have."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    def number(self, form: str) -> int:
        (found,) = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return int(found)

    def count(self) -> int:
        return max(0, self._unsigned() - 1)

    def text(self) -> str:
        length = self.count()
        self._at += length
        return self._data[self._at - length : self._at].decode(errors="replace")

    def tags(self) -> None:
        for _ in range(self._unsigned()):
            self._unsigned()
            self._at += self._unsigned()

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return value
            shift += 7


def _count(items: Iterable[object]) -> bytes:
    return _unsigned(sum(1 for _ in items) + 1)


def _unsigned(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
