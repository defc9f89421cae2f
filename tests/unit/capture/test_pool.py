"""Records are given back in the one order of a capture, however they came, and partitions wait for slower ones."""

from __future__ import annotations

import random
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
from confluent_kafka import Message
from cutover_harness.capture import alignment as alignment_module
from cutover_harness.capture.alignment import Alignment
from cutover_harness.capture.columns import Chunk, Messages, row_groups
from cutover_harness.capture.pool import Pool

TOPICS = pa.array(["t"])
ALL = 1 << 62


def chunk(*rows: tuple[int, int, int], value: bytes = b"v") -> Chunk:
    """Return records of (partition, offset, timestamp)."""
    messages = [
        Message(topic="t", partition=p, offset=o, key=None, value=value, timestamp=(1, stamp)) for p, o, stamp in rows
    ]
    return Messages(messages, {"t": 0}).to_chunk(TOPICS, None, {})


def places(chunks: list[Chunk], rows: int = 1000, size: int = 1 << 20) -> list[list[tuple[int, int]]]:
    return [[(r["partition"], r["offset"]) for r in t.to_pylist()] for t in row_groups(chunks, rows, size)]


def test_those_due_are_taken_in_order_and_the_others_stay() -> None:
    pool = Pool()
    pool.add(chunk((0, 0, 10), (0, 1, 30), (0, 2, 20)))  # the last is due at 30, as the one before it
    pool.add(chunk((1, 0, 5), (2, 7, 40), (1, 1, 12)))
    before = pool.bytes
    assert pool.due(12) + 1 >= before // 2
    assert places(pool.take(12)) == [[(1, 0), (0, 0), (1, 1)]]
    assert 0 < pool.bytes < before
    assert pool.take(12) == []
    assert places(pool.take(None)) == [[(0, 1), (0, 2), (2, 7)]]
    assert pool.bytes == 0


def test_partition_keeps_its_order() -> None:
    later, earlier = chunk((0, 5, 7), (0, 6, 7)), chunk((0, 3, 7), (0, 4, 7))
    assert places([later, earlier]) == [[(0, 3), (0, 4), (0, 5), (0, 6)]]


def test_row_groups_are_bounded_in_rows_and_bytes() -> None:
    small = [chunk(*((0, n, n) for n in range(10)))]
    assert [len(group) for group in places(small, rows=4)] == [4, 4, 2]
    assert [len(group) for group in places(small, size=3)] == [3, 3, 3, 1]
    mixed = [chunk((0, 0, 0), (0, 1, 1)), chunk((0, 2, 2), value=b"x" * 5000), chunk((0, 3, 3))]
    assert [len(group) for group in places(mixed, size=100)] == [2, 1, 1]


@pytest.mark.parametrize("value", [b"", b"x" * 600, b"x" * 5000])
def test_values_are_unchanged_in_each_representation(value: bytes) -> None:
    chunks = [chunk((0, 0, 3), value=value), chunk((2, 0, 1), value=b"small"), chunk((1, 0, 2), value=value)]
    (table,) = row_groups(chunks, 10, 1 << 20)
    assert [(r["partition"], r["offset"]) for r in table.to_pylist()] == [(2, 0), (1, 0), (0, 0)]
    assert table.column("value").to_pylist() == [b"small", value, value]
    half = chunks[0].where(np.array([True]))
    assert next(row_groups([half], 10, 10)).column("value").to_pylist() == [value]


def test_the_middle_has_half_of_the_bytes_on_each_side() -> None:
    pool = Pool()
    for n in range(100):
        pool.add(chunk((0, n, n)))
    assert 45 <= pool.middle() <= 55


def test_partitions_wait_until_the_slow_ones_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alignment_module, "HIGH", 100)
    monkeypatch.setattr(alignment_module, "LOW", 50)
    monkeypatch.setattr(alignment_module, "STEP", 20)
    alignment = Alignment()
    slow, fast, near = ("t", 0), ("t", 1), ("t", 2)
    reached = {slow: 5, fast: 90, near: 30}

    def of(*partitions: tuple[str, int]) -> frozenset[tuple[str, int]]:
        return frozenset(partitions)

    assert alignment.update(100, 5, reached, lambda: 40) == (of(), of()), "not yet"
    assert alignment.update(101, 5, reached, lambda: 40) == (of(fast), of())
    assert alignment.update(121, 5, reached, lambda: 20) == (of(), of()), "the horizon does not move by itself"
    assert alignment.update(122, 5, reached, lambda: 20) == (of(near), of()), "but where too much is held before it"
    assert alignment.waiting == {fast, near}
    reached[slow] = 21
    assert alignment.update(90, 21, reached, lambda: 60) == (of(), of(near)), "it is reached, and moves on"
    assert alignment.update(49, 30, reached, lambda: 60) == (of(), of(fast)), "there is room again"


def test_buffer_is_bounded_for_any_distance_of_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader of 20 partitions whose traffic lies in different times, with records of 1 byte."""
    monkeypatch.setattr(alignment_module, "HIGH", 1000)
    monkeypatch.setattr(alignment_module, "LOW", 500)
    monkeypatch.setattr(alignment_module, "STEP", 250)
    draw = random.Random(7)  # noqa: S311 - the same each time
    stamps = {("t", p): sorted(draw.randrange(p * 300, p * 300 + 2000) for _ in range(1000)) for p in range(20)}
    at = dict.fromkeys(stamps, 0)
    held: list[int] = []
    alignment, most, changes = Alignment(), 0, 0
    while at:
        for where in [each for each in at if each not in alignment.waiting]:
            held += stamps[where][at[where] : at[where] + 10]
            at[where] += 10
        reached = {where: stamps[where][n - 1] for where, n in at.items() if n < 1000}
        at = {where: n for where, n in at.items() if where in reached}
        certain = min(reached.values(), default=ALL)
        held = sorted(due for due in held if due > certain)
        middle = held[len(held) // 2] if held else certain
        pause, resume = alignment.update(len(held), certain, reached, partial(int, middle))
        changes += len(pause) + len(resume)
        most = max(most, len(held))
        assert not at or not alignment.waiting >= at.keys(), "somebody always goes on"
    assert most < 3000, most
    assert changes < 150, changes
