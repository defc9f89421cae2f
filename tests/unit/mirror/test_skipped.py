"""What a group would skip on the target, from two logs and their pairs of offsets alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from cutover_harness.admin import Admin
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.log_reader import LogReader, Record
from cutover_harness.mirror.mm2_topics import OffsetSync
from cutover_harness.mirror.skip_finder import SkipFinder
from cutover_harness.types import PartitionId

P = ("t", 0)


@dataclass
class Log:
    """A partition: its admin side and its reader in one; `records` maps offset to value."""

    records: dict[int, str]
    start: int = 0
    end: int = 0
    offsets: dict[str, int] = field(default_factory=dict)
    config: dict[str, str] = field(default_factory=dict)
    read_count: int = 0

    def committed(self, group: str, topics: Iterable[str]) -> Mapping[PartitionId, int]:
        return {P: self.offsets[group]} if group in self.offsets else {}

    def start_offsets(self, topics: Iterable[str]) -> Mapping[PartitionId, int]:
        return {P: self.start}

    def end_offsets(self, topics: Iterable[str]) -> Mapping[PartitionId, int]:
        return {P: self.end}

    def partitions(self, topics: Iterable[str]) -> Mapping[str, int]:
        return {"t": 1}

    def topic_configs(self, topics: Iterable[str]) -> Mapping[str, Mapping[str, str]]:
        return {"t": self.config}

    def scan(
        self, positions: Mapping[PartitionId, int], visit: Callable[[PartitionId, Record], bool]
    ) -> frozenset[Any]:
        for partition, position in positions.items():
            for offset in sorted(self.records):
                if offset >= max(position, self.start):
                    self.read_count += 1
                    if not visit(partition, record(offset, self.records[offset])):
                        return frozenset()
        return frozenset(positions)

    def read(
        self, positions: Mapping[PartitionId, int], wanted: Callable[[PartitionId, Record], bool]
    ) -> dict[PartitionId, list[Record]]:
        found: dict[PartitionId, list[Record]] = {partition: [] for partition in positions}

        def keep(partition: PartitionId, its: Record) -> bool:
            found[partition].append(its)
            return wanted(partition, its)

        self.scan(positions, keep)
        return found

    at = LogReader.at


def record(offset: int, text: str) -> Record:
    key, _, value = text.partition("=")
    return Record(offset, key.encode(), value.encode() if value else None, (), 0)


def log(count: int, first: int = 0, start: int | None = None, shift: int = 0, **more: Any) -> Log:
    """Records `first` to before `count` of the source, each at its number plus `shift`."""
    begins = first + shift if start is None else start
    return Log({n + shift: f"k{n}=v{n}" for n in range(first, count)}, begins, count + shift, **more)


def find(
    source: Log, target: Log, pairs: Iterable[tuple[int, int]] = ((0, 0),), stored: int | None = None, **options: Any
) -> list[str]:
    finder = SkipFinder(
        cast("Admin", source),
        cast("Admin", target),
        cast("LogReader", source),
        cast("LogReader", target),
        lambda: [OffsetSync("t", 0, up, down) for up, down in pairs],
        lambda: {} if stored is None else {P: stored},
    )
    return [f"{'sure' if each.sure else 'unclear'}: {each}" for each in finder.find(["g"], ["t"], **options)]


def on(log: Log, offset: int | None) -> Log:
    if offset is not None:
        log.offsets["g"] = offset
    return log


def test_a_target_that_has_everything_skips_nothing_and_nothing_is_read() -> None:
    source, target = on(log(100), 60), on(log(100), 60)
    assert find(source, target, [(0, 0), (59, 59)]) == []
    assert source.read_count + target.read_count == 0


REMOVED = "sure: the target has removed {} of t-0 that group g has not read"


@pytest.mark.parametrize("offset", [None, 0, 1, 10])
def test_a_log_that_retention_has_emptied(offset: int | None) -> None:
    """All 100 records were mirrored and are gone; the group had read 10."""
    assert find(on(log(100), 10), on(log(100, first=100), offset), stored=99) == [REMOVED.format("90 records")]


def test_without_connects_offset_the_count_is_a_lower_bound() -> None:
    assert find(on(log(100), 10), log(100, first=100), [(0, 0), (50, 50)]) == [REMOVED.format("at least 41 records")]


@pytest.mark.parametrize(
    ("committed", "says"),
    [(10, "20 records"), (29, "1 record"), (30, None), (31, None), (100, None)],
)
def test_the_first_record_on_the_target_shows_what_is_missing(committed: int, says: str | None) -> None:
    expected = [] if says is None else [REMOVED.format(says)]
    for pairs in ((), ((0, 0),), ((0, 0), (50, 50)), ((99, 99),)):
        source, target = on(log(100), committed), log(100, first=30)
        assert find(source, target, pairs) == expected, pairs
        assert find(source, on(target, 5), pairs, offsets=False) == expected, pairs


def test_records_that_were_mirrored_twice_and_markers_do_not_mislead() -> None:
    """The target's offsets are 7 ahead of the source's."""
    assert find(on(log(100), 10), log(100, first=30, shift=7), [(0, 0)]) == [REMOVED.format("20 records")]
    assert find(on(log(100), 30), log(100, first=30, shift=7), [(0, 0)]) == []


def test_records_that_the_source_has_removed_too_are_not_missing_on_the_target() -> None:
    for pairs in ((), ((0, 0),)):
        assert find(on(log(100, first=40), 20), log(100, first=30), pairs) == [], pairs
        assert find(on(log(100, first=40), 45), log(100, first=40), pairs) == [], pairs
        assert find(on(log(100, first=40), 20), log(100, first=50), pairs) == [REMOVED.format("10 records")], pairs


def test_a_partition_that_the_group_never_committed_is_read_from_its_start() -> None:
    @dataclass
    class Two(Log):
        def committed(self, group: str, topics: Iterable[str]) -> Mapping[PartitionId, int]:
            return {("t", 1): 5}

    source = Two({n: f"k{n}=v{n}" for n in range(100)}, 0, 100)
    assert find(source, log(100, first=30)) == [REMOVED.format("30 records")]


def test_compaction_removes_nothing_that_counts() -> None:
    compact = {"cleanup.policy": "compact"}
    source = on(Log({n: f"k{n % 3}=v{n}" for n in range(100)}, 0, 100, config=compact), 10)
    target = on(Log({n: f"k{n % 3}=v{n}" for n in range(97, 100)}, 0, 100), 10)
    assert find(source, target, ()) == []
    source.config = {}
    (said,) = find(source, target, ())
    assert said.startswith("sure: group g would skip 87 records of t-0")


def test_an_offset_on_the_target_that_is_ahead() -> None:
    (said,) = find(on(log(100), 10), on(log(100), 40))
    assert said.startswith(
        "sure: group g would skip 30 records of t-0: its offset on the target is 40, which is ahead of 10"
    )
    assert find(on(log(100), 10), on(log(100), 40), offsets=False) == [], "it is about to be set"
    assert find(on(log(100), 40), on(log(100), 40)) == []
    assert find(on(log(100), 41), on(log(100), 40)) == [], "read again, not skipped"
    assert find(on(log(100), 100), on(log(100), 100)) == []


def test_an_offset_beyond_the_end_of_the_targets_log() -> None:
    for committed in (10, 50):
        (said,) = find(on(log(50), committed), on(log(50), 100))
        assert said.startswith("sure: group g has offset 100 in t-0 on the target, beyond the end of its log (50)")


def test_records_that_are_not_from_the_source_prove_nothing() -> None:
    foreign = Log({n: f"x{n}=x{n}" for n in range(30, 50)}, 30, 50)
    (said,) = find(on(log(100), 60), foreign, ())
    assert said.startswith("unclear: t-0: the target's log starts at 30, and no record shows whether group g has read")


def test_a_topic_that_is_not_listed_for_a_moment_is_no_proof() -> None:
    @dataclass
    class Unlisted(Log):
        def start_offsets(self, topics: Iterable[str]) -> Mapping[PartitionId, int]:
            return {}

        def end_offsets(self, topics: Iterable[str]) -> Mapping[PartitionId, int]:
            return {}

    with pytest.raises(MirrorError, match="the source cluster does not list t now"):
        find(on(Unlisted({}, 0, 0), 5), log(100, first=50))
    none = cast("Any", log(1))
    finder = SkipFinder(none, none, none, none, list, dict)
    with pytest.raises(MirrorError, match="the source lists no topic of the batch"):
        finder.find(["g"], [])
