"""Log events of many records at a time: to a ledger directly, to any other log of events one by one."""

from __future__ import annotations

from typing import Any, Protocol

from cutover_harness.ledger.columns import Array
from cutover_harness.ledger.format import ABORTED, ACKED, FAILED, SENT


class EventLog(Protocol):
    """A log of events: a LedgerWriter, or a summary of one."""

    def sent(self, topic: str, partition: int, stream: int, sequence: int, cluster: int) -> None:
        """As LedgerWriter's."""
        ...

    def acked(self, topic: str, partition: int, offset: int, stream: int, sequence: int, cluster: int) -> None:
        """As LedgerWriter's."""
        ...

    def failed(self, topic: str, partition: int, stream: int, sequence: int, cluster: int) -> None:
        """As LedgerWriter's."""
        ...

    def aborted(self, topic: str, partition: int, stream: int, sequence: int, cluster: int, offset: int = ...) -> None:
        """As LedgerWriter's."""
        ...

    def delivered(self, topic: str, partition: int, offset: int, stream: int, sequence: int, cluster: int) -> None:
        """As LedgerWriter's."""
        ...

    def committed(self, topic: str, partition: int, offset: int, cluster: int) -> None:
        """As LedgerWriter's."""
        ...

    def assigned(self, topic: str, partition: int, cluster: int) -> None:
        """As LedgerWriter's."""
        ...

    def revoked(self, topic: str, partition: int, cluster: int) -> None:
        """As LedgerWriter's."""
        ...

    def name_stream(self, stream: int, topic: str, key: bytes | None, partition: int) -> None:
        """As LedgerWriter's."""
        ...


class RowLog(Protocol):
    """A log of events that takes many per call."""

    def topic_number(self, topic: str) -> int:
        """As LedgerWriter's."""
        ...

    def append_rows(self, rows: Array, event: int) -> int:
        """As LedgerWriter's."""
        ...

    def set_cluster(self, place: int, count: int, cluster: int) -> None:
        """As LedgerWriter's."""
        ...

    def name_stream(self, stream: int, topic: str, key: bytes | None, partition: int) -> None:
        """As LedgerWriter's."""
        ...


def row_log(log: EventLog) -> RowLog:
    """Return `log` itself if it takes rows, otherwise an adapter that passes events one by one."""
    whole: Any = log
    return whole if hasattr(log, "append_rows") else _OneByOne(log)


class _OneByOne:
    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._numbers: dict[str, int] = {}
        self._topics: list[str] = []
        self.name_stream = log.name_stream

    def topic_number(self, topic: str) -> int:
        number = self._numbers.setdefault(topic, len(self._topics))
        if number == len(self._topics):
            self._topics.append(topic)
        return number

    def append_rows(self, rows: Array, event: int) -> int:
        log, topics = self._log, self._topics
        for offset, sequence, stream, _, partition, number, cluster, _ in rows.tolist():
            topic = topics[number]
            if event == SENT:
                log.sent(topic, partition, stream, sequence, cluster)
            elif event == ACKED:
                log.acked(topic, partition, offset, stream, sequence, cluster)
            elif event == FAILED:
                log.failed(topic, partition, stream, sequence, cluster)
            elif event == ABORTED:
                log.aborted(topic, partition, stream, sequence, cluster, offset)
        return 0

    def set_cluster(self, place: int, count: int, cluster: int) -> None:
        """Do nothing: passed events cannot be corrected."""
