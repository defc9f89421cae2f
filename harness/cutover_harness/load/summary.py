"""The ledger of a load, summarised while it runs: its size depends on the number of streams, not on the duration.

It is written like a ledger. Workers send their summaries to the master, which merges them and compares what was
acknowledged with what was delivered. Reordered records are counted within one member of a group, and duplicates by the
cause that one member can see; a full ledger and the judge find more.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cutover_harness.load.spans import Spans

SAME_CLUSTER, OTHER_CLUSTER, NEW_COPY = "re_read", "re_read_across", "repeated"
EXAMPLES = 10
Wire = dict[str, Any]


@dataclass
class ProducerSummary:
    """Records that one producer sent and got acknowledged. `names`: topic and key of each stream."""

    sent: dict[int, int] = field(default_factory=dict)
    acked: dict[int, Spans] = field(default_factory=lambda: defaultdict(Spans))
    names: dict[int, tuple[str, bytes | None]] = field(default_factory=dict)
    failed: int = 0

    def to_wire(self) -> Wire:
        """Return it in plain types."""
        return {
            "sent": list(self.sent.items()),
            "acked": [(stream, spans.flat) for stream, spans in self.acked.items()],
            "names": [(stream, topic, key) for stream, (topic, key) in self.names.items()],
            "failed": self.failed,
        }

    def merge_wire(self, wire: Wire) -> None:
        """Add the summary of another producer; two producers never have a stream at the same time."""
        for stream, count in wire["sent"]:
            self.sent[stream] = max(count, self.sent.get(stream, 0))
        for stream, flat in wire["acked"]:
            self.acked[stream] = self.acked[stream].union(Spans(flat))
        for stream, topic, key in wire["names"]:
            self.names[stream] = (topic, key)
        self.failed += wire["failed"]


@dataclass
class GroupSummary:
    """Deliveries to one member, or to all members, of a group."""

    delivered: dict[int, Spans] = field(default_factory=lambda: defaultdict(Spans))
    deliveries: int = 0
    unknown: int = 0
    reordered: int = 0
    duplicated: Counter[str] = field(default_factory=Counter)

    def to_wire(self) -> Wire:
        """Return it in plain types."""
        return {
            "delivered": [(stream, spans.flat) for stream, spans in self.delivered.items()],
            "deliveries": self.deliveries,
            "unknown": self.unknown,
            "reordered": self.reordered,
            "duplicated": dict(self.duplicated),
        }

    def merge_wire(self, wire: Wire) -> None:
        """Add another member's summary; records delivered to both count as duplicates."""
        for stream, flat in wire["delivered"]:
            mine, other = self.delivered[stream], Spans(flat)
            both = mine.union(other)
            overlap = len(mine) + len(other) - len(both)
            if overlap:
                self.duplicated["between_members"] += overlap
            self.delivered[stream] = both
        self.deliveries += wire["deliveries"]
        self.unknown += wire["unknown"]
        self.reordered += wire["reordered"]
        self.duplicated.update(wire["duplicated"])


class MemberTracker:
    """Counts the deliveries of one member into a GroupSummary."""

    def __init__(self, summary: GroupSummary) -> None:
        self._summary = summary
        self._highest: dict[tuple[int, str, int], int] = {}
        self._clusters: dict[str, set[int]] = defaultdict(set)

    def delivered(self, topic: str, partition: int, offset: int, stream: int, sequence: int, cluster: int) -> bool:
        """Count one delivery; return whether it was the record's first."""
        summary = self._summary
        summary.deliveries += 1
        log = (cluster, topic, partition)
        highest = self._highest.get(log)
        if highest is None:
            self._clusters[topic].add(cluster)
            highest = -1
        if offset > highest:
            self._highest[log] = offset
        if sequence < 0:
            summary.unknown += 1
            return False
        spans = summary.delivered[stream]
        last = spans.last
        if not spans.add(sequence):
            across = len(self._clusters[topic]) > 1
            summary.duplicated[SAME_CLUSTER if offset <= highest else OTHER_CLUSTER if across else NEW_COPY] += 1
            return False
        if sequence < last:
            summary.reordered += 1
        return True


@dataclass(frozen=True)
class GroupResult:
    """Result of a group, in records. `lost`: acknowledged, not delivered; `examples`: some of them."""

    group: str
    expected: int
    delivered: int
    lost: int
    phantom: int
    reordered: int
    duplicated: Mapping[str, int]
    examples: Sequence[str]


def compare(producers: ProducerSummary, group: str, summary: GroupSummary, topics: Iterable[str] | None) -> GroupResult:
    """Compare the acknowledged records of `topics` (None: all) with the deliveries to the group."""
    wanted = None if topics is None else set(topics)
    expected = lost = phantom = 0
    examples: list[str] = []
    for stream, acked in producers.acked.items():
        topic, key = producers.names[stream]
        if wanted is not None and topic not in wanted:
            continue
        expected += len(acked)
        missing = acked.minus(summary.delivered.get(stream, Spans()))
        lost += len(missing)
        for start, end in missing:
            if len(examples) < EXAMPLES:
                examples.append(f"{topic}, key {key!r}: {start} to {end - 1}")
    for stream, spans in summary.delivered.items():
        phantom += len(spans.minus(Spans([0, producers.sent[stream]] if producers.sent.get(stream) else [])))
    return GroupResult(
        group=group,
        expected=expected,
        delivered=sum(map(len, summary.delivered.values())),
        lost=lost,
        phantom=phantom,
        reordered=summary.reordered,
        duplicated=dict(summary.duplicated),
        examples=examples,
    )
