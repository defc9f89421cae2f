"""The log of a control topic, as its writers read it: by assignment, to its end, each record once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cutover_shim.kafka_channel import KEY

from cutover_harness.channels.document import claimed, has_signature
from cutover_harness.mirror.log_reader import LogReader, Record
from cutover_harness.types import PartitionId


@dataclass(frozen=True)
class Logged:
    """A document in the log that the keys verify, or, without keys, that has a generation."""

    offset: int
    text: str
    body: str
    generation: int

    def preferred_to(self, other: Logged) -> bool:
        """Whether an application that has read both has this one in force."""
        if self.generation == other.generation:
            return self.body != other.body and self.offset < other.offset
        return self.generation > other.generation


class TopicLog:
    """What was read of a control topic so far, of the records with one key."""

    key: bytes

    def __init__(self, name: str, topic: str, config: Mapping[str, str], keys: Sequence[bytes]) -> None:
        self.topic_id: str | None = None
        self._name, self._config, self._keys = name, config, keys
        self._partition: PartitionId = (topic, 0)
        self._next = 0
        self._reader: LogReader | None = None

    @property
    def read_to(self) -> int:
        """The offset after the last record that was read."""
        return self._next

    def restart(self, topic_id: str) -> None:
        """Read from the beginning: the topic is new, or was recreated."""
        self.topic_id, self._next = topic_id, 0

    def close(self) -> None:
        """Close the client."""
        if self._reader is not None:
            self._reader.close()
        self._reader = None

    def _new(self) -> list[Record]:
        """Read on to the topic's end, and return the records that were read now. Raises MirrorError."""
        if self._reader is None:
            # As applications read it: a transaction that somebody leaves open must not hide the records after it.
            self._reader = LogReader(self._config, self._name, committed=False)
        found: list[Record] = []

        def visit(_partition: PartitionId, record: Record) -> bool:
            self._next = record.offset + 1
            if record.key == self.key:
                found.append(record)
            return True

        self._reader.scan({self._partition: self._next}, visit)
        return found


class ControlLog(TopicLog):
    """The documents in the topic.

    newest: the newest record of a document, whatever it contains; None for a tombstone, and without a record. best: the
    document that applications have in force: the first one of the highest generation. signed: whether there is a
    document with a signature, whichever key has made it.
    """

    key = KEY

    def __init__(self, name: str, topic: str, config: Mapping[str, str], keys: Sequence[bytes]) -> None:
        super().__init__(name, topic, config, keys)
        self.newest: str | None = None
        self.best: Logged | None = None
        self.signed = False

    def restart(self, topic_id: str) -> None:
        """Read from the beginning: the topic is new, or was recreated."""
        super().restart(topic_id)
        self.newest = self.best = None
        self.signed = False

    def scan(self) -> list[Logged]:
        """Read on to the topic's end, and return the documents that were read now. Raises MirrorError."""
        found: list[Logged] = []
        for record in self._new():
            text = (record.value or b"").decode(errors="surrogateescape")
            self.newest = text or None
            self.signed = self.signed or has_signature(text)
            if (claim := claimed(text, self._keys)) is not None:
                found.append(Logged(record.offset, text, claim[1], claim[0]))
                if self.best is None or found[-1].preferred_to(self.best):
                    self.best = found[-1]
        return found
