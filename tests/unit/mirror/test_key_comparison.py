"""Compacted logs that differ too much to be compared in order: no false yes, and no comparison that never ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from unittest import mock

import pytest
from cutover_harness.mirror import comparison as in_order
from cutover_harness.mirror import key_comparison as by_keys
from cutover_harness.mirror.comparison import Comparison, Entry
from cutover_harness.mirror.conclusions import conclude
from cutover_harness.mirror.key_comparison import KeyComparison
from cutover_harness.mirror.partition_logs import LogEnds, PartitionLogs
from hypothesis import given
from hypothesis import strategies as st

P = ("t", 0)


@dataclass
class Log:
    """One side's log of a compacted partition; `print` is the number of the original record."""

    entries: list[Entry]

    @property
    def end(self) -> int:
        return self.entries[-1].offset + 1 if self.entries else 0

    def compact(self, upto: int) -> None:
        """Keep the last record of each key below offset `upto`, and everything from there on."""
        last = {entry.key: entry.offset for entry in self.entries if entry.offset < upto}
        self.entries = [e for e in self.entries if e.offset >= upto or last[e.key] == e.offset]

    def drop_tombstones(self, upto: int) -> None:
        """Remove the tombstones below `upto` as well, as the cleaner does later."""
        self.compact(upto)
        self.entries = [e for e in self.entries if e.offset >= upto or not e.dead]

    def read(self, position: int, most: int) -> tuple[list[Entry], bool]:
        left = [entry for entry in self.entries if entry.offset >= position]
        return left[:most], len(left) <= most


@dataclass
class Story:
    """What happens: records, which of them were not copied, and compactions between the reads."""

    records: list[Entry]
    failed: set[int]
    # Side, fraction of the log, whether tombstones go as well.
    compactions: list[tuple[bool, float, bool]]
    begun: int
    chunk: int
    ahead: int
    most_keys: int
    source: Log = field(init=False)
    target: Log = field(init=False)

    def __post_init__(self) -> None:
        self.source = Log(list(self.records))
        copied = [entry for entry in self.records if entry.print not in self.failed]
        self.target = Log([entry._replace(offset=n) for n, entry in enumerate(copied)])

    def happen(self, happened: Iterator[tuple[bool, float, bool]]) -> None:
        """Let the next compaction happen, if there is one."""
        for on_source, fraction, tombstones in happened:
            log = self.source if on_source else self.target
            upto = int(fraction * log.end)
            (log.drop_tombstones if tombstones else log.compact)(upto)
            return

    def lost(self) -> list[int]:
        """Source records that are there now, were not copied, and have no later copied record of their key.

        A tombstone of which the target has no value of the key accounts for itself and all records of the key before
        it: that is what is left on a target that had all of them.
        """
        alive = {entry.key for entry in self.target.entries if not entry.dead}
        copied = [entry for entry in self.records if entry.print not in self.failed]
        gone = [entry for entry in self.source.entries if entry.dead and entry.key not in alive]
        return [
            entry.print
            for entry in self.source.entries
            if entry.print in self.failed
            and not any(later.key == entry.key and later.print >= entry.print for later in [*copied, *gone])
        ]


@st.composite
def stories(draw: st.DrawFn, *, holes: bool, tombstones: bool = False) -> Story:
    count = draw(st.integers(1, 40))
    keys = draw(st.lists(st.integers(0, 5), min_size=count, max_size=count))
    spread = draw(st.sampled_from([1, (1 << 61) + 12345]))
    dead = draw(st.sets(st.integers(0, count - 1))) if tombstones else set()
    failed = draw(st.sets(st.integers(0, count - 1), max_size=4)) if holes else set()
    records = [Entry(n, n, keys[n] * spread, n in dead) for n in range(count)]
    compaction = st.tuples(st.booleans(), st.floats(0, 1), st.just(False) if not tombstones else st.booleans())
    compactions = draw(st.lists(compaction, max_size=12))
    begun = draw(st.integers(0, len(compactions)))
    return Story(
        records, failed, compactions, begun, draw(st.integers(1, 7)), draw(st.integers(1, 4)), draw(st.integers(1, 6))
    )


def compare(story: Story) -> PartitionLogs:
    """Compare as the reader of real logs does, while compactions happen between its reads."""
    happened = iter(story.compactions)
    for _ in range(story.begun):
        story.happen(happened)
    source, target = story.source, story.target
    ends = LogEnds(0, source.end, source.end, 0, target.end)
    pair = PartitionLogs(Comparison(compacted=True, ahead=story.ahead), ends, source_at=0, target_at=0, stamped=False)
    for _ in range(4):  # comparisons by keys, each after one in order
        while pair.wants_target:
            story.happen(happened)
            if pair.comparison.wants_target:
                entries, ended = target.read(pair.target_at, story.chunk)
                pair.feed_target(entries, ended=ended)
            pair.comparison.advance(source_ended=False)
            while not pair.comparison.wants_target:
                story.happen(happened)
                entries, ended = source.read(pair.source_at, story.chunk)
                pair.feed_source(entries, ended=ended)
                pair.comparison.advance(source_ended=ended)
        while pair.wants_source:
            story.happen(happened)
            entries, ended = source.read(pair.source_at, story.chunk)
            pair.feed_source(entries, ended=ended)
        if not pair.comparison.overrun:
            break
        pair.begin_by_key(story.most_keys)
        assert pair.by_key is not None
        while not pair.by_key.done:
            story.happen(happened)
            log = source if pair.by_key.side == "source" else target
            entries, ended = log.read(pair.by_key.position, story.chunk)
            pair.by_key.feed(entries, ended=ended)
        pair.end_by_key(0.0)
    return pair


def waits(pair: PartitionLogs, stored: int = -1) -> list[str]:
    said = conclude({P: pair}, {}, stored={P: stored})
    return [*said.broken, *said.waits]


@given(stories(holes=True))
def test_no_false_yes_whatever_compaction_removed_when(story: Story) -> None:
    """Every record differs from the others, so that Connect's offset is not needed to distinguish them."""
    said = waits(compare(story), stored=1 << 40)
    if story.lost():
        assert said


def deleted_before_it_was_mirrored() -> Story:
    """Neither a value nor its tombstone was copied: the target has nothing of the key, as the source demands."""
    keys = [1, 0, 0, 0, 0, 1, 0]
    records = [Entry(n, n, key, n == 5) for n, key in enumerate(keys)]
    return Story(records, {0, 5}, [], begun=0, chunk=1, ahead=1, most_keys=1)


def test_a_key_that_was_deleted_needs_nothing_on_the_target() -> None:
    assert waits(compare(deleted_before_it_was_mirrored())) == []
    story = deleted_before_it_was_mirrored()
    story.failed = {5}
    story.__post_init__()
    assert waits(compare(story)), "the target still has the value"


@given(stories(holes=True, tombstones=True))
def test_no_false_yes_with_tombstones(story: Story) -> None:
    said = waits(compare(story), stored=1 << 40)
    if story.lost():
        assert said


@given(stories(holes=False))
def test_without_a_missing_record_the_comparison_comes_to_its_end(story: Story) -> None:
    assert waits(compare(story), stored=1 << 40) == []


@given(stories(holes=False, tombstones=True))
def test_with_tombstones_without_a_missing_record_nothing_is_broken(story: Story) -> None:
    pair = compare(story)
    assert conclude({P: pair}, {}, stored={P: 1 << 40}).broken == []


def strongly_compacted(keys: int = 50, rounds: int = 40) -> Story:
    """Records of `keys` keys in turn; the target has only the last of each."""
    records = [Entry(n, n, hash(b"key-%d" % (n % keys))) for n in range(keys * rounds)]
    return Story(records, set(), [(False, 1.0, False)], begun=1, chunk=100, ahead=20, most_keys=1000)


def test_the_comparison_in_order_alone_never_comes_to_its_end_here() -> None:
    """The negative control: without the comparison by keys a user waits forever here."""
    story = strongly_compacted()
    with mock.patch.object(Comparison, "overrun", property(lambda _self: False)):
        assert waits(compare(story))
    story = strongly_compacted()
    assert waits(compare(story), stored=len(story.records)) == []


@pytest.mark.parametrize("most_keys", [1, 7, 49, 50])
def test_the_memory_is_bounded_by_passes_over_parts_of_the_key_space(most_keys: int) -> None:
    story = strongly_compacted()
    held = []
    original = KeyComparison.feed

    def feed(self: KeyComparison, entries: list[Entry], *, ended: bool) -> None:
        original(self, entries, ended=ended)
        held.append(len(self._last))

    story.most_keys = most_keys
    with mock.patch.object(KeyComparison, "feed", feed):
        pair = compare(story)
    assert waits(pair, stored=len(story.records)) == []
    assert pair.comparison.findings.keys == 50
    assert max(held) <= most_keys


def test_more_missing_records_than_are_remembered_are_accounted_for_by_later_ones_of_their_keys() -> None:
    story = strongly_compacted()
    story.ahead = len(story.records)
    with mock.patch.object(in_order, "REMEMBERED", 60), mock.patch.object(by_keys, "REMEMBERED", 60):
        assert waits(compare(story), stored=len(story.records)) == []


def test_more_missing_keys_than_are_remembered_are_counted() -> None:
    story = strongly_compacted()
    lost = {entry.print for entry in story.records[-50:-5]}
    story = Story(story.records, lost, [(True, 0.9, False), (False, 1.0, False)], 2, 100, 20, 1000)
    story.target.entries = story.target.entries[-5:]
    with mock.patch.object(in_order, "REMEMBERED", 10), mock.patch.object(by_keys, "REMEMBERED", 10):
        said = waits(compare(story), stored=len(story.records))
    assert any("45 source records are missing" in each for each in said), said


def test_a_key_whose_last_record_repeats_an_earlier_one_waits_for_connects_offset() -> None:
    """Key 7 has a, b, a on the source and one a on the target, which may be a copy of either."""
    others = [Entry(n, 100 + n, n) for n in range(10, 20)]
    first, second, third, last = Entry(0, 1, 7), Entry(1, 2, 7), Entry(20, 1, 7), Entry(21, 99, 8)
    story = Story([first, second, *others, third, last], set(), [], begun=0, chunk=1, ahead=1, most_keys=100)
    story.target = Log([*(each._replace(offset=n) for n, each in enumerate([*others, first, last]))])
    pair = compare(story)
    assert pair.comparison.findings.keys == 12
    assert waits(pair, stored=20) == []
    (said,) = waits(pair, stored=19)
    assert said == "t-0: records that may repeat an earlier one of their key wait for Connect's offset 20"
