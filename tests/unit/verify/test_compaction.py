"""Compacted topics: later records of a key explain what compaction removed on either side, and nothing else."""

from __future__ import annotations

import random

from cutover_harness.verify.rows import Row
from cutover_harness.verify.walk import Walk
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.verify.logs import Driver, Log, log


def written(dice: random.Random, count: int, keys: int) -> list[Row]:
    return [
        (b"k%d" % dice.randrange(keys), None if dice.random() < 0.15 else b"v%d" % n, None, 1_000 + n)
        for n in range(count)
    ]


def compacted(whole: Log, dice: random.Random, upto: int, *, tombstones: bool) -> Log:
    """Return the log after a compaction of the records before `upto`; `tombstones` are removed, too."""
    last = {row[0]: n for n, (_, row) in enumerate(whole)}
    share = dice.choice([0.3, 0.9, 1.0])
    drop = set()
    for n, (_, row) in enumerate(whole[:upto]):
        if last[row[0]] != n and dice.random() < share:
            drop.add(n)
    if tombstones:
        for key, n in last.items():
            earlier = [m for m, (_, row) in enumerate(whole[:n]) if row[0] == key]
            if n < upto and whole[n][1][1] is None and drop.issuperset(earlier):
                drop.add(n)
    return [each for n, each in enumerate(whole) if n not in drop]


logs = st.tuples(st.integers(0, 2**32), st.integers(0, 250), st.integers(1, 40))


@given(logs, st.booleans(), st.booleans())
def test_compaction_on_either_side_is_no_difference(
    made: tuple[int, int, int], source_tombstones: bool, target_tombstones: bool
) -> None:
    seed, count, keys = made
    dice = random.Random(seed)  # noqa: S311 - repeatable
    whole = log(written(dice, count, keys))
    source = compacted(whole, dice, dice.randint(0, count), tombstones=source_tombstones)
    target = compacted(whole, dice, dice.randint(0, count), tombstones=target_tombstones)
    walk = Walk(compacted=True)
    found = Driver(walk, source, target, dice).run()
    assert walk.lost is None
    assert (found.missing.count, found.extra.count, found.altered.count, found.reordered.count) == (0, 0, 0, 0)
    assert found.after == 0 or target_tombstones or source_tombstones
    ours, theirs = {offset for offset, _ in source}, {offset for offset, _ in target}
    assert found.compared == len(ours & theirs)
    assert found.compacted_target == len(ours - theirs)
    assert found.compacted_source + found.after == len(theirs - ours)


@given(logs, st.integers(0, 2**32))
def test_the_last_record_of_a_key_is_missing_whatever_was_compacted(made: tuple[int, int, int], which: int) -> None:
    seed, count, keys = made
    dice = random.Random(seed)  # noqa: S311 - repeatable
    rows = written(dice, count + 1, keys)
    whole = log(rows)
    last = {row[0]: n for n, row in enumerate(rows)}
    alive = sorted(n for n in last.values() if rows[n][1] is not None)
    if not alive:
        return
    lost = alive[which % len(alive)]
    source = compacted(whole, dice, dice.randint(0, count), tombstones=False)
    target = [each for each in compacted(whole, dice, dice.randint(0, count), tombstones=False) if each[0] != lost]
    found = Driver(Walk(compacted=True), source, target, dice).run()
    assert lost in [each.source for each in found.missing.first] or found.missing.count > len(found.missing.first)
    gone = {n for n, row in enumerate(rows) if row[0] == rows[lost][0]}
    assert {each.source for each in found.missing.first} <= gone, "only records of its key"


def test_a_tombstone_that_the_target_lacks_is_missing_if_the_value_is_there() -> None:
    rows: list[Row] = [(b"a", b"1", None, 1), (b"b", b"2", None, 2), (b"a", None, None, 3), (b"c", b"3", None, 4)]
    whole = log(rows)
    found = Driver(Walk(compacted=True), whole, [whole[0], whole[1], whole[3]]).run()
    assert [each.source for each in found.missing.first] == [2]
    found = Driver(Walk(compacted=True), whole[1:], [whole[1], whole[3]]).run()
    assert found.missing.count == 0, "the target has nothing of the key, as the tombstone demands"


def test_a_live_record_of_a_key_that_the_source_does_not_have_is_extra() -> None:
    rows: list[Row] = [(b"k%d" % n, b"v", None, n) for n in range(50)]
    whole = log(rows)
    foreign: Row = (b"foreign", b"x", None, 7)
    found = Driver(
        Walk(compacted=True), whole, [*whole[:20], (20, foreign), *[(o + 1, r) for o, r in whole[20:]]]
    ).run()
    assert [each.target for each in found.extra.first] == [20]
    assert found.compared == 50


def test_a_native_record_explains_an_earlier_one_of_its_key() -> None:
    rows: list[Row] = [(b"k%d" % (n % 5), b"v%d" % n, None, n) for n in range(50)]
    whole = log(rows)
    native = (60, (b"k3", b"native", None, 99))
    last_of_k3 = 48
    target = [*[each for each in whole if each[0] != last_of_k3], native]
    found = Driver(Walk(compacted=True, native_from=50), whole, target).run()
    assert (found.missing.count, found.compacted_target, found.native) == (0, 1, 1)
    foreign = (60, (b"other", b"native", None, 99))
    found = Driver(Walk(compacted=True, native_from=50), whole, [*target[:-1], foreign]).run()
    assert [each.source for each in found.missing.first] == [last_of_k3]
