"""A ledger that stores only a summary, and measures latencies."""

from __future__ import annotations

import time
from typing import Any

from cutover_harness.load.meter import Meter
from cutover_harness.load.summary import GroupSummary, MemberTracker, ProducerSummary


class _Ledger:
    def __init__(self) -> None:
        self.meter = Meter()

    def committed(self, topic: str, partition: int, offset: int, cluster: int) -> None:
        """Ignore it: the summary contains no positions."""

    def assigned(self, topic: str, partition: int, cluster: int) -> None:
        """Ignore it."""

    def revoked(self, topic: str, partition: int, cluster: int) -> None:
        """Ignore it."""


class ProducerLedger(_Ledger):
    """The ledger of one producer user, written only in its thread. `done`: records acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.summary = ProducerSummary()
        self.done = 0
        self._sent_at: dict[tuple[int, int], float] = {}

    def name_stream(self, stream: int, topic: str, key: bytes | None, partition: int) -> None:  # noqa: ARG002
        """Keep the name."""
        self.summary.names[stream] = (topic, key)

    def sent(self, topic: str, partition: int, stream: int, sequence: int, cluster: int) -> None:  # noqa: ARG002
        """Count a record, and start its latency clock."""
        self.summary.sent[stream] = sequence + 1
        self._sent_at[stream, sequence] = time.monotonic()

    def acked(self, topic: str, partition: int, offset: int, stream: int, sequence: int, cluster: int) -> None:  # noqa: ARG002
        """Count an acknowledgement."""
        ms = (time.monotonic() - self._sent_at.pop((stream, sequence))) * 1e3
        self.summary.acked[stream].add(sequence)
        self.done += 1
        self.meter.add(topic, ms, 0, time.time())

    def failed(self, topic: str, partition: int, stream: int, sequence: int, cluster: int) -> None:  # noqa: ARG002
        """Count a record that was not acknowledged."""
        self._sent_at.pop((stream, sequence), None)
        self.summary.failed += 1
        self.meter.fail(topic, time.time())

    def aborted(self, topic: str, partition: int, stream: int, sequence: int, cluster: int, offset: int = -1) -> None:  # noqa: ARG002
        """Stop the clock of a record whose transaction was aborted: it is neither acknowledged nor a failure."""
        self._sent_at.pop((stream, sequence), None)

    def delivered(self, *_: Any) -> None:
        """Refuse: producers get no deliveries."""
        raise NotImplementedError


class ConsumerLedger(_Ledger):
    """The ledger of one consumer user, written only in its thread. `done`: different records delivered."""

    def __init__(self) -> None:
        super().__init__()
        self.summary = GroupSummary()
        self.done = 0
        self._tracker = MemberTracker(self.summary)

    def delivered(self, topic: str, partition: int, offset: int, stream: int, sequence: int, cluster: int) -> None:
        """Count a delivery."""
        self.done += self._tracker.delivered(topic, partition, offset, stream, sequence, cluster)

    def observe(self, message: Any) -> None:
        """Measure a message's latency from its timestamp, which the replay sets to its due time."""
        now = time.time()
        self.meter.add(message.topic(), max(0.0, now * 1e3 - message.timestamp()[1]), len(message), now)

    def sent(self, *_: Any) -> None:
        """Refuse: consumers send nothing."""
        raise NotImplementedError

    acked = failed = aborted = name_stream = sent
