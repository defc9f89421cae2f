"""Records that a mirror has not copied, and source records that it has, from the comparison of both logs."""

from __future__ import annotations

from cutover_harness.mirror.comparison import FOREIGN, Comparison, Entry
from cutover_harness.mirror.foreign import copied, foreign
from cutover_harness.mirror.partition_logs import LogEnds, PartitionLogs

P = ("t", 0)


def compared(source: list[int], target: list[int], *, compacted: bool = False) -> PartitionLogs:
    """Return the logs of a partition with these records, by fingerprint, after they were compared."""
    ends = LogEnds(0, len(source), len(source), 0, len(target))
    pair = PartitionLogs(Comparison(compacted=compacted), ends, 0, 0, stamped=False)
    pair.feed_target([Entry(at, each) for at, each in enumerate(target)], ended=True)
    pair.feed_source([Entry(at, each) for at, each in enumerate(source)], ended=True)
    pair.comparison.advance(source_ended=True)
    return pair


def test_copies_are_not_foreign_and_all_of_the_source_is_copied() -> None:
    pairs = {P: compared([1, 2, 3], [1, 2, 3])}
    assert foreign(pairs)[P].offsets == ()
    assert copied(pairs) == {P: 3}


def test_a_record_of_another_writer_is_foreign_among_copies_and_repeated_copies_are_not() -> None:
    pairs = {P: compared([1, 2, 3], [1, 99, 2, 2, 3])}
    assert foreign(pairs)[P].offsets == (1,)
    assert copied(pairs) == {P: 3}


def test_the_last_ones_are_known_however_many_there_are() -> None:
    found = foreign({P: compared([], list(range(FOREIGN + 5)))})
    assert (len(found[P].offsets), found[P].offsets[-1]) == (FOREIGN, FOREIGN + 4)


def test_what_is_not_on_the_target_or_missing_amid_others_is_not_copied() -> None:
    assert copied({P: compared([1, 2, 3], [1])}) == {P: 1}
    assert copied({P: compared([1, 2, 3], [1, 3])}) == {P: 1}


def test_compacted_logs_show_nothing_foreign_and_a_log_that_is_gone_no_copies() -> None:
    pairs = {P: compared([2], [1, 2], compacted=True)}
    assert foreign(pairs) == {}
    pairs[P].gone = "target"
    assert copied(pairs) == {}
