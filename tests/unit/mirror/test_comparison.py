"""The comparison of two logs against what really happened: how MirrorMaker 2 wrote them, with and without holes."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from cutover_harness.mirror.comparison import Comparison, Entry
from hypothesis import given
from hypothesis import strategies as st

CHUNKS = st.integers(1, 9)


def spread(prints: list[int], gaps: list[int], keys: dict[int, int] | None = None) -> list[Entry]:
    """Offsets with gaps, as markers of transactions and aborted records leave them."""
    offset, log = 0, []
    for number, fingerprint in enumerate(prints):
        offset += gaps[number % len(gaps)] if gaps else 0
        log.append(Entry(offset, fingerprint, (keys or {}).get(fingerprint, 0)))
        offset += 1
    return log


def compare(source: list[Entry], target: list[Entry], chunk: int = 3, **options: bool) -> Comparison:
    """Feed both logs as the reader of real logs does: some of the target, then of the source what that needs."""
    comparison = Comparison(**options)
    left, right = list(source), list(target)
    while right:
        comparison.feed_target(right[:chunk])
        del right[:chunk]
        while not comparison.wants_target:
            comparison.feed_source(left[: chunk + 1])
            del left[: chunk + 1]
            comparison.advance(source_ended=not left)
    comparison.feed_source(left)
    return comparison


def equal(comparison: Comparison) -> bool:
    found = comparison.findings
    return not (
        comparison.waiting
        or found.missing
        or found.missing_more
        or found.late
        or found.cut
        or comparison.repeating
        or any(not each.explained for each in found.removed)
    )


@dataclass
class Logs:
    source: list[Entry]
    target: list[Entry]
    copied: list[int]
    """The source's index of each target record; -1: of another writer."""


@st.composite
def mirrored(draw: st.DrawFn, *, alike: bool = False, holes: bool = False, native: bool = False) -> Logs:
    """A source log, copied by tasks that begin where they were, or earlier; some records may fail, others be native."""
    count = draw(st.integers(0, 25))
    prints = draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)) if alike else list(range(count))
    failed = draw(st.sets(st.integers(0, max(count - 1, 0)), max_size=5)) if holes else set()
    copied: list[int] = []
    end = 0
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, end))
        end = draw(st.integers(begin, count))
        copied += [n for n in range(begin, end) if n not in failed]
    if native:
        for place in draw(st.lists(st.integers(0, len(copied)), max_size=4)):
            copied.insert(place, -1)
    gaps = draw(st.lists(st.integers(0, 3), max_size=3))
    target = [prints[n] if n >= 0 else 1000 + i for i, n in enumerate(copied)]
    return Logs(spread(prints, gaps), spread(target, gaps[::-1]), copied)


def subsequence(wanted: list[int], log: list[int]) -> bool:
    rest = iter(log)
    return all(each in rest for each in wanted)


def prints(log: list[Entry]) -> list[int]:
    return [entry.print for entry in log]


@given(mirrored(holes=True, native=True), CHUNKS)
def test_every_record_is_accounted_for_exactly(logs: Logs, chunk: int) -> None:
    """For failed records anywhere: first, in the middle, last."""
    comparison = compare(logs.source, logs.target, chunk)
    found = comparison.findings
    own = [n for n in logs.copied if n >= 0]
    furthest = max(own, default=-1)
    there = set(own)
    assert list(found.missing) == [logs.source[n].offset for n in range(furthest + 1) if n not in there]
    assert comparison.waiting == len(logs.source) - furthest - 1
    assert found.compared == len(there)
    assert found.twice == len(own) - len(there)
    assert found.extra == len(logs.copied) - len(own)
    assert found.extra_first == [logs.target[i].offset for i, n in enumerate(logs.copied) if n < 0][:10]
    assert comparison.repeating == (bool(own) and own[-1] != furthest)
    assert found.late == 0


@given(mirrored(alike=True, holes=True, native=True), CHUNKS)
def test_equal_means_that_the_target_has_the_source_in_order(logs: Logs, chunk: int) -> None:
    """Also if records are equal."""
    if equal(compare(logs.source, logs.target, chunk)):
        assert subsequence(prints(logs.source), prints(logs.target))


@given(mirrored(alike=True), CHUNKS)
def test_without_holes_nothing_is_missing(logs: Logs, chunk: int) -> None:
    found = compare(logs.source, logs.target, chunk).findings
    assert not found.missing
    assert not found.late
    assert not found.extra
    assert found.compared + found.twice == len(logs.target)


@given(st.lists(st.integers(0, 5), max_size=12), st.lists(st.integers(0, 5), max_size=12), CHUNKS)
def test_any_two_logs(source: list[int], target: list[int], chunk: int) -> None:
    """Equal only if the target has the source in order; every record of both sides is counted once."""
    comparison = compare(spread(source, []), spread(target, []), chunk)
    found = comparison.findings
    if equal(comparison):
        assert subsequence(source, target)
    assert found.compared + found.late + len(found.missing) + comparison.waiting == len(source)
    assert found.compared + found.late + found.twice + found.extra == len(target)


@pytest.mark.parametrize("gone", [0, 1, 5, 8, 9], ids=lambda n: f"record {n} of 0 to 9")
def test_a_hole_anywhere(gone: int) -> None:
    source = spread(list(range(10)), [])
    comparison = compare(source, spread([n for n in range(10) if n != gone], []))
    assert not equal(comparison)
    assert (list(comparison.findings.missing), comparison.next_source) == (([gone], None) if gone < 9 else ([], 9))


def test_a_record_that_comes_late_is_out_of_order() -> None:
    """The task failed at record 0, was restarted behind the rest and repeats it."""
    target = [1, 2, 3, 0, 1, 2, 3]
    comparison = compare(spread([0, 1, 2, 3], []), spread(target, []))
    found = comparison.findings
    assert (found.late_first, found.twice, found.missing) == ([0], 3, {})
    assert not comparison.repeating
    assert not equal(comparison)
    assert compare(spread([0, 1, 2, 3], []), spread(target[:5], [])).repeating


def test_records_that_differ_are_missing_and_extra() -> None:
    comparison = compare(spread([0, 1, 2], []), spread([0, 99, 2], []))
    assert (list(comparison.findings.missing), comparison.findings.extra_first) == ([1], [1])


def test_an_equal_record_before_the_last_one_makes_it_ambiguous() -> None:
    assert compare(spread([1, 2, 1], []), spread([1, 2, 1], [])).ambiguous
    assert not compare(spread([1, 1, 2], []), spread([1, 1, 2], [])).ambiguous


@st.composite
def compacted(draw: st.DrawFn) -> tuple[list[Entry], list[Entry], dict[int, int], set[int]]:
    """A topic whose records were all copied but `failed`, then compacted on each side up to some place."""
    count = draw(st.integers(1, 20))
    keys = dict(enumerate(draw(st.lists(st.integers(0, 4), min_size=count, max_size=count))))
    failed = draw(st.sets(st.integers(0, count - 1), max_size=2))

    def compact(log: list[Entry]) -> list[Entry]:
        upto = draw(st.integers(0, len(log)))
        latest = {entry.key: n for n, entry in enumerate(log[:upto])}
        return [entry for n, entry in enumerate(log) if n >= upto or latest[entry.key] == n]

    source = spread(list(range(count)), [], keys)
    target = spread([n for n in range(count) if n not in failed], [], keys)
    return compact(source), compact(target), keys, failed


@given(compacted(), CHUNKS)
def test_compaction(logs: tuple[list[Entry], list[Entry], dict[int, int], set[int]], chunk: int) -> None:
    """What compaction removed is accounted for by a later record of its key, what failed is not."""
    source, target, keys, failed = logs
    comparison = compare(source, target, chunk, compacted=True)
    there = set(prints(target))
    lost = [
        entry.print
        for entry in source
        if entry.print not in there and not any(keys[n] == entry.key and n > entry.print for n in there)
    ]
    assert set(lost) <= failed
    told = [entry.print for entry in source if entry.offset in comparison.findings.missing]
    behind = [entry.print for entry in source if entry.offset >= (comparison.next_source or 0)]
    waiting = behind if comparison.waiting else []
    assert set(lost) <= {*told, *waiting}
    on_source = set(prints(source))
    assert {n for n in told if not any(keys[m] == keys[n] and m > n for m in there & on_source)} <= set(lost)
    assert equal(comparison) <= (not lost)


def test_compaction_accounts_for_nothing_on_another_topic() -> None:
    source = [Entry(0, 0, 7), Entry(1, 1, 7)]
    assert not compare(source, source[1:], compacted=True).findings.missing
    assert list(compare(source, source[1:]).findings.missing) == [0]


def test_a_tombstone_is_accounted_for_only_if_nothing_of_its_key_is_left() -> None:
    value, tombstone, other = Entry(0, 0, 7), Entry(1, 1, 7, dead=True), Entry(2, 2, 8)
    assert not compare([value, tombstone, other], [other], compacted=True).findings.missing
    left = compare([value, tombstone, other], [value, other], compacted=True)
    assert list(left.findings.missing) == [1], "the target still has the value that was deleted"


def test_records_removed_before_they_were_compared_are_counted() -> None:
    comparison = Comparison()
    comparison.source_removed(0, 3)
    comparison.feed_target([Entry(n, n) for n in range(5)])
    comparison.feed_source([Entry(3, 3), Entry(4, 4)])
    comparison.advance(source_ended=True)
    assert equal(comparison), "the target has a record for each that was removed"
    comparison = Comparison()
    comparison.source_removed(0, 3)
    comparison.feed_target([Entry(0, 0), Entry(1, 3)])
    comparison.feed_source([Entry(3, 3)])
    comparison.advance(source_ended=True)
    assert not equal(comparison)


def test_records_that_the_target_removed_are_neither_missing_nor_equal() -> None:
    comparison = Comparison(target_cut=True)
    comparison.feed_target([Entry(12, 2), Entry(13, 4)])
    comparison.feed_source([Entry(n, n) for n in range(5)])
    comparison.advance(source_ended=True)
    assert comparison.findings.cut == [(0, 2)]
    assert list(comparison.findings.missing) == [3], "removed from the target's beginning, not from its middle"
    comparison.forget_before(1)
    assert comparison.findings.cut == [(1, 2)]
    comparison.forget_before(2)
    assert comparison.findings.cut == []


def test_a_hole_wider_than_what_is_read_ahead_stays_visible() -> None:
    comparison = Comparison(ahead=5)
    comparison.feed_target([Entry(0, 50), Entry(1, 51)])
    comparison.feed_source([Entry(n, n) for n in range(6)])
    comparison.advance(source_ended=False)
    assert comparison.findings.extra == 2
    assert comparison.waiting == 6
