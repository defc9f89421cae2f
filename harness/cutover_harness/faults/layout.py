"""Where the replicas of partitions are, and requests that move them; for clusters that a testbed has started.

librdkafka has no request for reassignments, and confluent-kafka 2.16.1 cannot call its request for elections. So
AlterPartitionReassignments (KIP-455) and ElectLeaders (KIP-460) are sent over a socket, without TLS and login: testbeds
that start several brokers have neither.
"""

from __future__ import annotations

import socket
import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient

from cutover_harness.admin import CLIENT_DEFAULTS
from cutover_harness.errors import UsageError
from cutover_harness.features import read_exactly
from cutover_harness.types import PartitionId
from cutover_harness.words import counted

OFFSETS = "__consumer_offsets"
"""Its partitions' leaders are the coordinators of groups."""
_ALTER, _ELECT, _NAME = 45, 43, b"kafka-cutover"
_PREFERRED = 0
_NOT_NEEDED = 84
"""The error code of a partition that its preferred leader leads already."""
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
        if refused := problems(self._sent(request(wanted))):
            raise UsageError(f"replicas cannot be moved: {refused[0]}")

    def elect(self, partitions: Iterable[PartitionId]) -> None:
        """Let the preferred leaders lead. Raises UsageError if it is refused."""
        if refused := election_problems(self._sent(election(partitions))):
            raise UsageError(f"leaders cannot be elected: {refused[0]}")

    def _sent(self, frame: bytes) -> bytes:
        """Return the controller's answer to a request, both without their lengths."""
        metadata = self._client.list_topics(timeout=_TIMEOUT_S)
        controller = metadata.brokers.get(metadata.controller_id) or next(iter(metadata.brokers.values()), None)
        if controller is None:
            raise UsageError("the cluster names no broker that could move leaders")
        with socket.create_connection((controller.host, controller.port), _TIMEOUT_S) as connection:
            connection.sendall(struct.pack(">i", len(frame)) + frame)
            (length,) = struct.unpack(">i", read_exactly(connection, 4))
            return read_exactly(connection, length)


def request(wanted: Mapping[PartitionId, Sequence[int]]) -> bytes:
    """Return AlterPartitionReassignments, version 0: a flexible request with header version 2."""
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
    return head + body + b"\0"


def election(partitions: Iterable[PartitionId]) -> bytes:
    """Return ElectLeaders, version 1, for preferred leaders."""
    topics: dict[str, list[int]] = defaultdict(list)
    for topic, number in partitions:
        topics[topic].append(number)
    body = struct.pack(">bi", _PREFERRED, len(topics))
    for topic, numbers in topics.items():
        name = topic.encode()
        body += struct.pack(f">h{len(name)}si{len(numbers)}i", len(name), name, len(numbers), *numbers)
    head = struct.pack(f">hhih{len(_NAME)}s", _ELECT, 1, 1, len(_NAME), _NAME)
    return head + body + struct.pack(">i", int(_TIMEOUT_S * 1000))


def election_problems(answer: bytes) -> list[str]:
    """Return what the response to ElectLeaders, version 1, refuses, in words. Raises UsageError if it is cut off."""
    reader = _Reader(answer, at=4 + 4)  # correlation id, throttle time
    found = []
    if (code := reader.number(">h")) != 0:
        found.append(str(KafkaError(code).str()))
    for _ in range(reader.number(">i")):
        topic = reader.short_text()
        for _ in range(reader.number(">i")):
            number, code = reader.number(">i"), reader.number(">h")
            why = reader.short_text()
            if code not in (0, _NOT_NEEDED):
                found.append(f"{topic}-{number}: {KafkaError(code).str()} {why}".strip())
    return found


def problems(answer: bytes) -> list[str]:
    """Return what the response refuses, in words: of the whole request, or of single partitions.

    Raises UsageError if it is cut off.
    """
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
    reader.tags()
    return found


class _Reader:
    """Reads the fields of a response, flexible (KIP-482) or not. Raises UsageError at the end of the data."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    def number(self, form: str) -> int:
        (found,) = struct.unpack(form, self._take(struct.calcsize(form)))
        return int(found)

    def count(self) -> int:
        return max(0, self._unsigned() - 1)

    def text(self) -> str:
        return self._take(self.count()).decode(errors="replace")

    def short_text(self) -> str:
        return self._take(max(0, self.number(">h"))).decode(errors="replace")

    def tags(self) -> None:
        for _ in range(self._unsigned()):
            self._unsigned()
            self._take(self._unsigned())

    def _take(self, length: int) -> bytes:
        end = self._at + length
        if end > len(self._data):
            raise UsageError(
                f"a broker's answer is cut off at {counted(len(self._data), 'byte')}: retry, or look at its log"
            )
        part, self._at = self._data[self._at : end], end
        return part

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._take(1)[0]
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
