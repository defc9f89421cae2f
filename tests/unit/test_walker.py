"""How the comparison reads both clusters' logs: what counts as read to the end, and what it remembers of a look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from confluent_kafka import KafkaError
from cutover_harness.admin import Partition
from cutover_harness.mirror import evidence, logs, walker
from cutover_harness.mirror.config import Batch
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.logs import LogReader, Record
from cutover_harness.mirror.walker import Walker

PARTITION = ("t", 0)


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

    def start_offsets(self, topics: Iterable[str]) -> dict[Partition, int]:
        return {PARTITION: 0} if self.partitions(topics) else {}

    def end_offsets(self, topics: Iterable[str]) -> dict[Partition, int]:
        last = self.records[-1].offset + 1 if self.records else 0
        return {PARTITION: last if self.end is None else self.end} if self.partitions(topics) else {}

    stable_offsets = end_offsets

    def topic_configs(self, _topics: Iterable[str]) -> dict[str, dict[str, str]]:
        return {"t": {"cleanup.policy": self.policy}}

    def scan(
        self, positions: Mapping[Partition, int], visit: Callable[[Partition, Record], bool]
    ) -> frozenset[Partition]:
        # As librdkafka with auto.offset.reset=earliest: from the beginning if the position is behind the end.
        at = positions[PARTITION]
        last = self.records[-1].offset + 1 if self.records else 0
        for each in self.records:
            if (each.offset >= at or at > last) and not visit(PARTITION, each):
                return frozenset()
        return frozenset(positions)

    def close(self) -> None:
        pass


Both = tuple[Log, Log, Callable[..., Walker]]


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Both:
    """The source, the target, and what makes a walker of the two."""
    source, target = Log(), Log()
    by_name = {"source": source, "target": target}
    monkeypatch.setattr(walker, "Admin", lambda config, **_: by_name[config["bootstrap.servers"]])
    monkeypatch.setattr(walker, "LogReader", lambda config, _name: by_name[config["bootstrap.servers"]])

    def build(**options: Any) -> Walker:
        batch = Batch("b", ("t",), ())
        return Walker(batch, {"bootstrap.servers": "source"}, {"bootstrap.servers": "target"}, **options)

    return source, target, build


def waits(each: Walker) -> list[str]:
    said = each.told(evidence.told)
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


class Client:
    """A consumer that is told one thing of its partition."""

    def __init__(self, code: int) -> None:
        self.code = code

    def consume(self, *_: Any) -> list[Said]:
        return [Said(self.code)]

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_, **__: None


def test_a_topic_that_is_not_listed_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    end = KafkaError._PARTITION_EOF
    monkeypatch.setattr(logs, "Consumer", lambda _config: Client(end))
    assert LogReader({}, "source").scan({PARTITION: 0}, lambda _p, _r: True) == {PARTITION}
    for code in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION):
        monkeypatch.setattr(logs, "Consumer", lambda _config, code=code: Client(code))
        with pytest.raises(MirrorError, match="the source cluster does not list t-0 now"):
            LogReader({}, "source").scan({PARTITION: 0}, lambda _p, _r: True)
