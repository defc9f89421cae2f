"""Conclusions about a mirror: from the compared logs, from what Connect says, and from the time without progress."""

from __future__ import annotations

import itertools

import pytest
from cutover_harness.mirror import conclusions, health
from cutover_harness.mirror.comparison import Comparison, Entry
from cutover_harness.mirror.connect_rest import Status
from cutover_harness.mirror.gaps import Gap
from cutover_harness.mirror.partition_logs import LogEnds, PartitionLogs

PARTITION = ("t", 0)


def pair(source: list[int], target: list[int], *, stable: int | None = None, **options: bool) -> PartitionLogs:
    """Both logs read to their ends, offsets from 0 on; values are fingerprints."""
    comparison = Comparison(**options)
    comparison.feed_target([Entry(n, each) for n, each in enumerate(target)])
    comparison.feed_source([Entry(n, each) for n, each in enumerate(source)])
    comparison.advance(source_ended=True)
    ends = LogEnds(0, len(source), len(source) if stable is None else stable, 0, len(target))
    return PartitionLogs(
        comparison, ends, len(source), len(target), stamped=False, source_read=len(source), target_read=len(target)
    )


def told(each: PartitionLogs, stored: int = -1, gaps: list[Gap] | None = None) -> conclusions.Conclusions:
    return conclusions.conclude({PARTITION: each}, {}, stored={PARTITION: stored}, gaps=gaps or [])


def test_equal_logs_are_evidence_with_counts() -> None:
    said = told(pair([1, 2, 3], [1, 2, 2, 3, 99]))
    assert (said.broken, said.waits) == ([], [])
    assert said.summary == (
        "1 partition, 3 records compared on both sides, 0 missing, 1 mirrored twice, 1 only on the target"
    )
    assert said.ends == {PARTITION: 3}


@pytest.mark.parametrize(("target", "offset"), [([2, 3], 0), ([1, 3], 1)], ids=["first", "middle"])
def test_a_hole_is_broken_although_the_last_records_are_equal(target: list[int], offset: int) -> None:
    said = told(pair([1, 2, 3], target), stored=2)
    assert said.broken == [
        f"t-0: 1 source record is missing on the target amid others that are there (offset {offset})"
    ]


def test_a_hole_counts_as_lag_before_the_last_mirrored_record() -> None:
    hole = {PARTITION: pair([1, 2, 3], [2, 3])}
    assert conclusions.missing(hole, {PARTITION: 2}) == {PARTITION: 1}
    assert conclusions.missing(hole, {PARTITION: -1}) == {}, "counted already by the distance between the last records"
    assert conclusions.missing(hole, {PARTITION: 2}, [Gap("t", 0, 0, 1)]) == {}, "retention removed it"


def test_offsets_that_were_not_compared_are_counted() -> None:
    late = pair([1, 2], [1])
    late.source_read = 1
    assert conclusions.not_compared({PARTITION: late}, {PARTITION: 9}) == 9
    assert conclusions.not_compared({}, {PARTITION: 9}) == 10
    assert conclusions.not_compared({PARTITION: pair([1, 2], [1, 2])}, {PARTITION: 1}) == 0


@pytest.mark.parametrize(
    ("each", "words"),
    [
        (pair([1, 2], [1]), "t-0: source record 1 not on the target"),
        (
            pair([1, 2], [8, 9]),
            (
                "t-0: source record 0 not on the target; "
                "the target has 2 records that the source does not have (offset 0, 1)"
            ),
        ),
        (pair([1, 2], [1, 2], stable=1), "t-0: a transaction has been open on the source since offset 1"),
        (pair([1, 2, 3], [1, 2, 3, 1]), "t-0: the mirror repeats records and has not come back to source record 2"),
        (pair([1, 1], [1, 1]), "t-0: records like the last one repeat, waits for Connect's offset"),
        (
            pair([1, 2, 3], [3], target_cut=True),
            "t-0: source records 0 to 1 cannot be compared: the target's log starts behind them now",
        ),
    ],
    ids=["tail", "altered", "open transaction", "repeating", "ambiguous", "cut"],
)
def test_reasons_not_to_be_at_zero(each: PartitionLogs, words: str) -> None:
    said = told(each)
    assert (said.broken, said.waits) == ([], [words])


def test_connects_offset_proves_repeated_records() -> None:
    assert not told(pair([1, 1], [1, 1]), stored=1).waits


def test_a_missing_record_of_a_compacted_topic_may_still_be_accounted_for() -> None:
    hole = pair([1, 2], [], compacted=True)
    hole.comparison = Comparison(compacted=True)
    hole.comparison.feed_target([Entry(0, 2, key=8)])
    hole.comparison.feed_source([Entry(0, 1, key=7), Entry(1, 2, key=8)])
    hole.comparison.advance(source_ended=True)
    said = told(hole)
    assert (said.broken, len(said.waits)) == ([], 1)
    hole.source_read = 0
    assert "missing" not in told(hole).waits[0], "a later record of its key may come"


def test_records_removed_before_they_were_compared_are_no_zero() -> None:
    removed = pair([], [])
    removed.comparison.source_removed(0, 5)
    assert told(removed).waits == [
        "t-0: source records 0 to 4 were removed before they were compared, and the target has 0 records in their place"
    ]
    assert not told(removed, gaps=[Gap("t", 0, 0, 5)]).waits, "that gap is reported by its own gate"


def removed_before(end: int, copies: int, later: int) -> PartitionLogs:
    """Source offsets below `end` were removed unseen; the target has copies of some, and of `later` records after."""
    comparison = Comparison()
    comparison.source_removed(0, end)
    after = [Entry(end + n, 100 + n) for n in range(later)]
    comparison.feed_target([Entry(n, n) for n in range(copies)])
    comparison.feed_target([Entry(copies + n, each.print) for n, each in enumerate(after)])
    comparison.feed_source(after)
    comparison.advance(source_ended=True)
    ends = LogEnds(end, end + later, end + later, 0, copies + later)
    return PartitionLogs(
        comparison, ends, end + later, copies + later, False, source_read=end + later, target_read=copies + later
    )


def test_records_removed_unseen_that_the_mirror_is_past_are_broken() -> None:
    """The mirror copies in order: what the target lacks before a later record never comes."""
    said = told(removed_before(3, 2, 1))
    assert said.broken == [
        (
            "t-0: source records 0 to 2 were removed before they were compared, and the mirror has continued behind "
            "them with 2 records in their place on the target, so nothing can prove any more that the target has them "
            "all"
        )
    ]
    assert not told(removed_before(3, 3, 1)).broken, "all of them have copies"
    assert not told(removed_before(3, 2, 1), gaps=[Gap("t", 0, 1, 2)]).broken, "that gap is reported by its own gate"
    compacted = removed_before(3, 2, 1)
    compacted.comparison.compacted = True
    assert not told(compacted).broken


def test_without_a_later_record_connects_offset_shows_that_the_mirror_is_past_them() -> None:
    last = removed_before(3, 2, 0)
    last.ends = LogEnds(3, 4, 4, 0, 2)  # the end of a transaction is an offset without a record
    last.source_read = 4
    assert not told(last, stored=1).broken, "it may still copy the last one"
    assert told(last, stored=2).broken
    assert not told(last, stored=9).broken, "an offset of an earlier topic of this name"
    last.target_read = 1
    assert not told(last, stored=2).broken, "not all of the target was read"


def test_a_topic_that_the_target_lacks_is_no_zero() -> None:
    said = conclusions.conclude(
        {}, {PARTITION: LogEnds(0, 3, 3, None, None), ("empty", 0): LogEnds(0, 0, 0, None, None)}
    )
    assert said.waits == ["t-0 is not on the target yet"]


FAILED = Status("RUNNING", ("FAILED",), "ConnectException: caused by RecordTooLargeException: too large")


def test_failed_differs_from_temporary_states() -> None:
    found: health.States = {
        "a": FAILED,
        "b": None,
        "c": Status("UNASSIGNED", (), None),
        "d": Status("RUNNING", ("RUNNING", "RESTARTING"), None),
        "e": Status("RUNNING", (), None),
        "f": Status("RUNNING", ("RUNNING",), None),
    }
    assert health.failed(found) == [f"a FAILED: {FAILED.failure}"]
    assert health.waits(found, ["e"]) == [
        f"a FAILED: {FAILED.failure}",
        "b does not exist, or Connect is still starting",
        "c is UNASSIGNED",
        "a task of d is RESTARTING",
        "e has no task yet",
    ]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_time_without_progress_counts_only_while_a_running_mirror_has_something_to_copy() -> None:
    clock = Clock()
    stall = health.Stall(clock)
    looks = itertools.count()

    def after(seconds: float, progress: object, *, running: bool = True, waiting: bool = True) -> float:
        clock.now += seconds
        stall.note(running=running, waiting=waiting, progress=progress, looks=next(looks))
        return stall.seconds

    assert after(0, 1) == 0
    assert after(7, 1) == 7
    assert after(7, 2) == 0, "it copied something"
    assert after(7, 2) == 7
    assert after(7, 2, running=False) == 0, "the worker was away"
    assert after(7, 2) == 0, "time in which it was away does not count"
    assert after(7, 2) == 7
    assert after(7, 2, waiting=False) == 0
