"""Records that retention removed before they were mirrored, from offsets alone."""

import pytest
from cutover_harness.mirror.gaps import Gap, gap, last_syncs, suspects, without
from cutover_harness.mirror.mm2_topics import OffsetSync

AT = ("t", 0)


@pytest.mark.parametrize(
    ("start", "end", "stored", "suspect"),
    [
        (0, 10, 4, False),
        (5, 10, 4, False),
        (6, 10, 4, True),
        (10, 10, 4, True),  # nothing is left of the log
        (6, 10, None, True),
        (0, 10, None, False),
        (2, 3, 40, False),  # the topic was recreated: the stored offset is that of the old one
    ],
)
def test_only_a_log_that_starts_behind_the_stored_offset_is_a_suspect(
    start: int, end: int, stored: int | None, suspect: bool
) -> None:
    found = suspects({AT: start}, {AT: end}, {} if stored is None else {AT: stored})
    assert (AT in found) == suspect


@pytest.mark.parametrize(
    ("stored", "sync", "after", "found"),
    [
        (99, None, 0, (100, 120)),
        (99, (100, 100), 9, (110, 120)),  # mirrored, not stored yet
        (99, (100, 100), 19, None),  # all of it
        (99, (50, 50), 3, (100, 120)),  # stored is later than the pair
        (119, None, 0, None),
        (None, (100, 100), 5, (106, 120)),
        (None, None, 0, None),  # nothing was mirrored yet: the mirror begins where the log does
        (None, (130, 100), 5, None),  # it has gone on behind the new start
    ],
)
def test_missing_objects(
    stored: int | None, sync: tuple[int, int] | None, after: int, found: tuple[int, int] | None
) -> None:
    pair = None if sync is None else OffsetSync("t", 0, *sync)
    assert gap(AT, 120, stored, pair, after) == (None if found is None else Gap("t", 0, *found))


def test_the_last_pair_is_the_last_one_on_the_target() -> None:
    syncs = [OffsetSync("t", 0, 9, 5), OffsetSync("t", 0, 3, 8), OffsetSync("t", 1, 7, 7), OffsetSync("u", 0, 1, 1)]
    assert last_syncs(syncs, {AT, ("t", 1)}) == {AT: syncs[1], ("t", 1): syncs[2]}


def test_everything_but_the_gaps_was_copied() -> None:
    ends = {AT: 10, ("t", 1): 0, ("u", 0): 6}
    gaps = [Gap("t", 0, 4, 6), Gap("u", 0, 3, 6)]
    assert without(ends, gaps) == [(AT, 0, 4), (AT, 6, 10), (("t", 1), 0, 0), (("u", 0), 0, 3)]


def test_gaps_grow_and_name_their_records() -> None:
    wide = Gap("t", 0, 4, 6).wider(Gap("t", 0, 5, 9)).wider(None)
    assert wide == Gap("t", 0, 4, 9)
    assert str(wide) == "t-0: source records 4 to 8 are gone and were not mirrored (the log starts at 9)"
