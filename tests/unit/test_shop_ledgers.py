"""The judge of the shop's ledgers finds each kind of difference, and nothing in ledgers without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.shop.ledgers import Difference, Ledger, Line, difference


def ledger(*numbers: int) -> Ledger:
    return Ledger(tuple(Line(at, "t/k", number) for at, number in enumerate(numbers)))


@pytest.mark.parametrize(
    ("read", "found"),
    [
        ((0, 1, 2, 3), Difference()),
        ((0, 1, 3), Difference(lost=("t/k 2",))),
        ((0, 1, 1, 2, 3), Difference(re_read=("t/k 1",))),
        ((0, 2, 1, 3), Difference(reordered=("t/k 1",))),
        ((0, 1, 2, 1, 2, 3), Difference(re_read=("t/k 1", "t/k 2"))),
        ((), Difference(lost=("t/k 0", "t/k 1", "t/k 2", "t/k 3"))),
    ],
)
def test_what_a_group_got_is_compared_with_what_was_acknowledged(read: tuple[int, ...], found: Difference) -> None:
    assert difference(ledger(*read), ledger(0, 1, 2, 3)) == found


def test_a_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "a.ledger"
    file.write_text("20 t k 1\n10 t k 0\n30 t k")
    assert [line.number for line in Ledger.of([file]).lines] == [0, 1]


def test_the_longest_gap_is_that_around_an_interval() -> None:
    second = 10**9
    seen = Ledger(tuple(Line(at * second, "t/k", at) for at in (0, 1, 2, 5, 6, 16)))
    assert seen.longest_gap_s(3 * second, 4 * second) == 3
    assert seen.longest_gap_s(0, 1 * second) == 1
    assert seen.longest_gap_s(0, 20 * second) == 10
    assert Ledger(()).longest_gap_s(0, second) == 0
