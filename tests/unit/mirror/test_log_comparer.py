"""How the comparison reads both clusters' logs: what counts as read to the end, and limits of its reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from confluent_kafka import KafkaError
from cutover_harness.mirror import conclusions, log_comparer, log_reader
from cutover_harness.mirror.comparison import AHEAD
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.log_comparer import LogComparer
from cutover_harness.mirror.log_reader import LogReader, Record
from cutover_harness.mirror.spec import Batch, MirrorSpec
from cutover_harness.types import PartitionId

from tests import waiting

PARTITION = ("t", 0)
eventually = partial(waiting.eventually, seconds=60)


def record(offset: int, value: bytes | None, key: bytes | None = None) -> Record:
    return Record(offset, key, value, (), None)


@dataclass
class Log:
    """One cluster: one topic with one partition."""

    records: list[Record] = field(default_factory=list)
    end: int | None = None
    listed: bool = True
    policy: str = "delete"

    def partitions(self, topics: Iterable[str] | None = None) -> dict[str, int]:
        return {"t": 1} if self.listed and (topics is None or "t" in topics) else {}

    def start_offsets(self, topics: Iterable[str]) -> dict[PartitionId, int]:
        return {PARTITION: 0} if self.partitions(topics) else {}

    def end_offsets(self, topics: Iterable[str]) -> dict[PartitionId, int]:
        last = self.records[-1].offset + 1 if self.records else 0
        return {PARTITION: last if self.end is None else self.end} if self.partitions(topics) else {}

    stable_offsets = end_offsets

    def topic_configs(self, _topics: Iterable[str]) -> dict[str, dict[str, str]]:
        return {"t": {"cleanup.policy": self.policy}}

    def scan(
        self, positions: Mapping[PartitionId, int], visit: Callable[[PartitionId, Record], bool], _least: object = None
    ) -> frozenset[PartitionId]:
        # As librdkafka with auto.offset.reset=earliest: from the beginning if the position is behind the end.
        at = positions[PARTITION]
        last = self.records[-1].offset + 1 if self.records else 0
        for each in self.records:
            if (each.offset >= at or at > last) and not visit(PARTITION, each):
                return frozenset()
        return frozenset(positions)

    def close(self) -> None:
        pass


Both = tuple[Log, Log, Callable[..., LogComparer]]


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Both:
    """The source, the target, and a function that returns their LogComparer."""
    source, target = Log(), Log()
    by_name = {"source": source, "target": target}
    monkeypatch.setattr(log_comparer, "Admin", lambda config, **_: by_name[config["bootstrap.servers"]])
    monkeypatch.setattr(log_comparer, "LogReader", lambda config, _name, **_: by_name[config["bootstrap.servers"]])

    def build(compare_rate: float | None = None, **options: Any) -> LogComparer:
        clusters = {"bootstrap.servers": "source"}, {"bootstrap.servers": "target"}
        spec = MirrorSpec(Batch("b", ("t",), ()), "http://connect", *clusters, compare_rate=compare_rate)
        return LogComparer(spec, **options)

    return source, target, build


def waits(each: LogComparer, stored: int = -1) -> list[str]:
    said = each.read(lambda pairs, absent: conclusions.conclude(pairs, absent, stored={PARTITION: stored}))
    return [*said.broken, *said.waits]


def test_equal_logs_are_at_zero(both: Both) -> None:
    source, target, build = both
    source.records = target.records = [record(0, b"a"), record(1, b"b")]
    each = build()
    assert each.step()
    assert waits(each) == []


def test_without_any_topic_nothing_is_proved(both: Both) -> None:
    source, target, build = both
    source.listed = target.listed = False
    each = build()
    each.step()
    assert waits(each) == ["the source has no topic of the batch, so nothing was compared"]


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_topic_that_is_not_listed_for_a_moment_is_no_zero_and_heals(both: Both, side: str) -> None:
    source, target, build = both
    source.records, target.records = [record(0, b"a"), record(1, b"b")], [record(0, b"a")]
    each = build()
    each.step()
    hidden = source if side == "source" else target
    hidden.listed = False
    each.step()
    assert waits(each) == [f"t-0 is not on the {side} any more"]
    hidden.listed = True
    each.step()
    assert waits(each) == ["t-0: source record 1 not on the target"]
    target.records = source.records
    each.step()
    assert waits(each) == []


def test_a_log_that_becomes_shorter_while_it_is_read_is_no_zero(both: Both) -> None:
    source, target, build = both
    source.records = target.records = [record(n, b"%d" % n) for n in range(4)]
    each = build()
    each.step()
    source.records = [*source.records, record(4, b"4")]
    # The look sees five records, the read that follows only two of them: the target's leader has lost the others.
    target.records, target.end = target.records[:2], 5
    each.step()
    target.end = None
    each.step()
    assert waits(each)[0].startswith("t-0: the target's log ends at 0 and was compared up to 4")


def test_a_tombstone_counts_if_its_key_is_before_what_is_compared(both: Both) -> None:
    source, target, build = both
    source.policy = "compact"
    source.records = [record(0, None, b"k"), record(1, b"z", b"other")]
    target.records = [record(0, b"v", b"k"), record(1, b"z", b"other")]
    each = build(starts=lambda: {PARTITION: (0, 1)})
    each.step()
    assert len(waits(each)) == 1, "the target still has the value that was deleted"
    target.records = [record(0, b"v", b"another"), record(1, b"z", b"other")]
    each = build(starts=lambda: {PARTITION: (0, 1)})
    each.step()
    assert waits(each) == [], "nothing of the key is left"


def test_an_unexpected_error_does_not_end_the_comparison_in_the_background(both: Both) -> None:
    source, target, build = both
    source.records = target.records = [record(0, b"a")]
    each = build()
    asked = []

    def look() -> None:
        asked.append(each.failure)
        if len(asked) == 1:
            raise KeyError("t")
        each._stop.set()

    each._look = look  # type: ignore[method-assign]
    each.start()
    each._stop.wait(30)
    each.close()
    assert asked == [None, "the comparison failed: KeyError: 't'"]


def compacted(count: int) -> tuple[list[Record], list[Record]]:
    """A source log of one busy key, then another, and the target's log, from which compaction removed the former."""
    busy = [record(n, b"%d" % n, b"busy") for n in range(count)]
    last = [record(count, b"z", b"other")]
    return busy + last, [record(n, each.value, each.key) for n, each in enumerate([busy[-1], *last])]


def test_a_log_that_is_compacted_much_more_on_the_target_comes_to_zero(both: Both) -> None:
    """The target's first record is farther ahead in the source's log than is read ahead."""
    source, target, build = both
    source.policy = "compact"
    source.records, target.records = compacted(AHEAD + 5_000)
    each, stored = build(), AHEAD + 5_000  # Connect has stored the last offset
    each.step()
    assert eventually(lambda: each.step() and not waits(each, stored)), waits(each, stored)
    assert "2 keys compared by their last record" in each.read(conclusions.conclude).summary
    source.records = [*source.records, record(AHEAD + 6_000, b"new", b"busy")]
    each.step()
    assert waits(each, stored) == [f"t-0: source record {AHEAD + 6_000} not on the target"]
    target.records = [*target.records, record(2, b"new", b"busy")]
    each.step()
    assert waits(each, stored) == []


def test_a_key_that_is_missing_in_such_a_log_is_no_zero(both: Both) -> None:
    source, target, build = both
    source.policy = "compact"
    source.records, target.records = compacted(AHEAD + 5_000)
    del target.records[0]
    each = build()
    assert eventually(lambda: each.step() and "missing" in waits(each)[0]), waits(each)
    assert waits(each) == [
        f"t-0: 1 source record is missing on the target amid others that are there (offset {AHEAD + 4_999})"
    ]


def test_such_a_log_without_a_common_record_has_a_reason(both: Both) -> None:
    source, target, build = both
    source.policy = "compact"
    source.records, _ = compacted(AHEAD + 5_000)
    target.records = [record(0, b"foreign", b"busy")]
    each = build()
    assert eventually(lambda: not each.step(0.1) and "another writer" in waits(each)[0]), waits(each)


def test_a_step_compares_something_however_long_the_clusters_take_to_tell_their_ends(both: Both) -> None:
    source, target, build = both
    source.records = target.records = [record(n, b"%d" % n) for n in range(10_000)]
    each = build()
    while not each.step(0.0):
        assert each.looks <= 20, "each step has to compare a part"
    assert each.looks > 1
    assert waits(each) == []


def test_the_rate_limits_what_a_look_reads(both: Both) -> None:
    source, target, build = both
    source.records = target.records = [record(n, b"%1000d" % n) for n in range(1000)]
    limited = build(compare_rate=100_000.0)
    assert not limited.step()
    read = limited.read(lambda pairs, _absent: sum(pair.target_at + pair.source_at for pair in pairs.values()))
    assert 0 < read * 1000 < 500_000, "2 MB of records were there"
    assert "compared up to" in waits(limited)[0] or "not on the target" in waits(limited)[0]
    unlimited = build()
    assert unlimited.step()
    assert waits(unlimited) == []


def test_a_limited_comparison_comes_to_its_end(both: Both) -> None:
    source, target, build = both
    source.records = target.records = [record(n, b"%1000d" % n) for n in range(400)]
    limited = build(compare_rate=2_000_000.0)
    limited.start()
    try:
        assert eventually(lambda: not waits(limited)), waits(limited)
    finally:
        limited.close()


@dataclass
class Said:
    """A message that is an error."""

    code: int

    def error(self) -> KafkaError:
        return KafkaError(self.code)

    def topic(self) -> str:
        return "t"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 5


class Client:
    """A consumer that always gets the same error for its partition."""

    def __init__(self, code: int) -> None:
        self.code = code

    def consume(self, *_: Any) -> list[Said]:
        return [Said(self.code)]

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_, **__: None


def test_a_topic_that_is_not_listed_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    end = KafkaError._PARTITION_EOF
    monkeypatch.setattr(log_reader, "Consumer", lambda _config: Client(end))
    assert LogReader({}, "source").scan({PARTITION: 0}, lambda _p, _r: True) == {PARTITION}
    for code in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION):
        monkeypatch.setattr(log_reader, "Consumer", lambda _config, code=code: Client(code))
        with pytest.raises(MirrorError, match="the source cluster does not list t-0 now"):
            LogReader({}, "source").scan({PARTITION: 0}, lambda _p, _r: True)
