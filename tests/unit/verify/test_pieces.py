"""Where comparisons begin and end."""

from __future__ import annotations

from cutover_harness.verify.clusters import Logs
from cutover_harness.verify.pieces import Sample, grown, of_batch, segments, whole
from hypothesis import given
from hypothesis import strategies as st

HERE = ("orders", 0)


def logs(start: int = 0, end: int = 1_000, target: tuple[int, int] | None = (0, 1_000), **more: bool) -> Logs:
    first, last = target or (None, None)
    return Logs(start, end, end, first, last, **more)


def test_whole_logs_begin_at_their_starts() -> None:
    piece = whole(0, HERE, logs(), [(500, 510)], None)
    assert (piece.source_begin, piece.source_end, piece.target_begin, piece.target_end) == (0, 1_000, 0, 1_000)
    assert not piece.cut_source
    assert not piece.cut_target


def test_the_first_pair_shows_where_a_mirror_began() -> None:
    piece = whole(0, HERE, logs(), [(200, 0), (500, 300)], None)
    assert (piece.source_begin, piece.target_begin, piece.cut_source, piece.cut_target) == (200, 0, False, False)


def test_retention_on_the_source_skips_what_a_pair_shows_to_be_earlier() -> None:
    piece = whole(0, HERE, logs(start=400), [(100, 110), (300, 320), (600, 700)], None)
    assert (piece.source_begin, piece.target_begin, piece.cut_source, piece.cut_target) == (400, 320, True, True)
    piece = whole(0, HERE, logs(start=400), [], None)
    assert (piece.source_begin, piece.target_begin, piece.cut_source, piece.cut_target) == (400, 0, True, False)


def test_retention_on_the_target() -> None:
    piece = whole(0, HERE, logs(target=(250, 1_000)), [(700, 700)], None)
    assert (piece.source_begin, piece.target_begin, piece.cut_source, piece.cut_target) == (0, 250, False, True)


def test_a_partition_that_the_target_lacks_is_read_on_the_source() -> None:
    piece = whole(0, HERE, logs(target=None), [], None)
    assert (piece.source_end, piece.target_begin, piece.target_end) == (1_000, 0, 0)


def test_an_open_transaction_ends_the_comparison() -> None:
    assert whole(0, HERE, Logs(0, 1_000, 800, 0, 900), [], None).source_end == 800


@given(
    st.integers(0, 5_000),
    st.integers(0, 2_000_000),
    st.floats(0.001, 1.0),
    st.integers(0, 99),
    st.lists(st.integers(0, 2_000_000), max_size=5),
)
def test_segments_of_a_sample(start: int, count: int, share: float, seed: int, at: list[int]) -> None:
    its = logs(start, start + count, (0, start + count + 500))
    pairs = sorted((start + n, start + n + 10) for n in at if n < count)
    found = segments(7, HERE, its, pairs, None, Sample(share, seed))
    assert found == segments(7, HERE, its, pairs, None, Sample(share, seed))
    assert [each.number for each in found] == list(range(7, 7 + len(found)))
    begins = [max(each.compare_from, each.source_begin) for each in found]
    for piece, begin, after in zip(found, begins, [*begins[1:], start + count], strict=True):
        assert start <= piece.source_begin <= begin <= piece.source_end <= after, "segments do not overlap"
        assert piece.target_begin <= begin + 10, "the copy is at 10 offsets more, or at the same one"
        assert piece.target_end >= min(piece.source_end, its.target_end or 0)
    covered = sum(piece.source_end - begin for piece, begin in zip(found, begins, strict=True))
    length = max(500, min(10_000, int(count * share)))
    assert covered >= min(count, length) - length, "at least about one segment"
    assert abs(covered - count * share) <= 2 * length or covered == count


def test_compacted_partitions_are_compared_whole_in_a_sample() -> None:
    its = of_batch({HERE: logs(end=900_000, target=(0, 900_000), compacted=True)}, {}, {}, Sample(0.01, 1))
    assert [(each.source_begin, each.source_end, each.segment) for each in its] == [(0, 900_000, False)]


def test_the_bound_of_natives_goes_to_its_partition() -> None:
    its = of_batch({HERE: logs(), ("orders", 1): logs()}, {}, {("orders", 1): 700}, None)
    assert [each.native_from for each in its] == [None, 700]


def test_records_behind_the_pieces_of_an_earlier_look_are_noticed() -> None:
    pieces = [whole(0, HERE, logs(), [], None)]
    assert grown(pieces, {HERE: logs()}) == []
    assert grown(pieces, {HERE: logs(start=900)}) == [], "retention adds nothing"
    assert grown(pieces, {HERE: logs(end=1_001)}) == [HERE]
    assert grown(pieces, {HERE: logs(), ("orders", 1): logs()}) == [("orders", 1)]


def test_a_transaction_that_was_open_at_an_earlier_look_is_noticed() -> None:
    pieces = [whole(0, HERE, Logs(0, 1_000, 600, 0, 1_000), [], None)]
    assert grown(pieces, {HERE: Logs(0, 1_000, 600, 0, 1_000)}) == []
    assert grown(pieces, {HERE: logs()}) == [HERE]
