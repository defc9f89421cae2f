"""Histories written by hand, one line an event, as ledgers in memory."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from cutover_harness.judge import judge
from cutover_harness.judge.model import DrainProof, Judgement, RunFacts
from cutover_harness.ledger.columns import Columns
from cutover_harness.ledger.format import EVENTS, ROW_DTYPE
from cutover_harness.ledger.identity import stream_id
from cutover_harness.ledger.imports import MemoryRows
from cutover_harness.ledger.meta import Meta
from cutover_harness.ledger.names import StreamName
from cutover_harness.ledger.reader import InstanceLedger, Ledgers

CODES = {"source": 0, "target": 1, "unknown": 255}
MS = 1_000_000
T0 = 1_764_000_000_000_000_000


@dataclass(frozen=True)
class Event:
    """One row. `key` None: no stream of ours."""

    instance: str
    event: str
    cluster: str
    key: str | None
    sequence: int
    offset: int
    topic: str = "orders"
    partition: int = 0
    time_ms: float = 0.0

    @property
    def stream(self) -> int:
        return 0 if self.key is None else stream_id(self.topic, self.key.encode(), self.partition)


@dataclass
class History:
    """Events in the order in which they happen, a millisecond apart unless `at` says otherwise.

    Instances that were not declared are producers if their name begins with p, or else members of the group that the
    name's part before the dash is.
    """

    events: list[Event] = field(default_factory=list)
    metas: dict[str, Meta] = field(default_factory=dict)
    at: float = 0.0

    def add(
        self, instance: str, event: str, cluster: str, key: str | None, sequence: int, offset: int, **more: object
    ) -> None:
        self.at += 1
        self.events.append(Event(instance, event, cluster, key, sequence, offset, time_ms=self.at, **more))  # type: ignore[arg-type]

    def sent(self, key: str, sequence: int, cluster: str = "source", by: str = "p1") -> None:
        self.add(by, "SENT", cluster, key, sequence, -1)

    def acked(self, key: str, sequence: int, offset: int, cluster: str = "source", by: str = "p1") -> None:
        self.add(by, "ACKED", cluster, key, sequence, offset)

    def produce(self, key: str, first: int, last: int, cluster: str = "source", shift: int = 0) -> None:
        """Send and acknowledge sequences [first, last] at offset sequence + shift."""
        for sequence in range(first, last + 1):
            self.sent(key, sequence, cluster)
            self.acked(key, sequence, sequence + shift, cluster)

    def deliver(
        self, by: str, key: str | None, sequence: int, offset: int | None = None, cluster: str = "source"
    ) -> None:
        self.add(by, "DELIVERED", cluster, key, sequence, sequence if offset is None else offset)

    def read(self, by: str, key: str, first: int, last: int, cluster: str = "source", shift: int = 0) -> None:
        """Deliver sequences [first, last] at offset sequence + shift."""
        for sequence in range(first, last + 1):
            self.deliver(by, key, sequence, sequence + shift, cluster)

    def meta(self, instance: str, **more: object) -> None:
        producer = instance.startswith("p")
        group = None if producer else instance.split("-", maxsplit=1)[0]
        role = "producer" if producer else "consumer"
        self.metas[instance] = Meta(**{"instance": instance, "role": role, "group": group, "run": 7} | more)  # type: ignore[arg-type]

    def ledgers(self, piece: int | None = None) -> Ledgers:
        """Return the ledgers, of which the judge gets `piece` rows at a time."""
        for name in {event.instance for event in self.events} - self.metas.keys():
            self.meta(name)
        return Ledgers(
            tuple(
                InstanceLedger(name, meta, rows([e for e in self.events if e.instance == name], piece))
                for name, meta in sorted(self.metas.items())
            )
        )

    def judge(self, *, drained: bool = True, **facts: object) -> Judgement:
        ledgers = self.ledgers()
        groups = {i.meta.group for i in ledgers.instances if i.meta.group is not None}
        settings = {"run": 7, "scenario": "by hand"} | facts
        if drained:
            settings["drain"] = [DrainProof(group, True, "said so") for group in groups]
        return judge(ledgers, RunFacts(**settings))  # type: ignore[arg-type]


@dataclass
class InPieces(MemoryRows):
    """Rows that come a few at a time, as from a file with many row groups."""

    piece: int = 1

    def pieces(self, low: int, high: int) -> Iterator[Columns]:
        found = self.records(low, high)
        for start in range(0, len(found), self.piece):
            yield found.take(slice(start, start + self.piece))


def rows(events: list[Event], piece: int | None = None) -> MemoryRows:
    topics: dict[str, int] = {}
    names = {e.stream: StreamName(e.topic, e.key.encode(), e.partition) for e in events if e.key is not None}
    table = [
        (
            e.offset,
            e.sequence,
            e.stream,
            T0 + round(e.time_ms * MS),
            e.partition,
            topics.setdefault(e.topic, len(topics)),
            CODES[e.cluster],
            EVENTS.index(e.event) + 1,
        )
        for e in events
    ]
    found = MemoryRows(Columns.of_rows(np.array(table, ROW_DTYPE)), tuple(topics), names)
    return found if piece is None else InPieces(found.columns, found.topics, found.names, piece)
