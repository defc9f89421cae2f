"""Runs of consecutive records, and sets of offsets as stretches, against plain lists and sets."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from cutover_harness.judge.offsets import CHUNK, DENSE, OffsetSet
from cutover_harness.judge.record_index import RecordIndex
from cutover_harness.judge.rows import Rows, by_log, log_heads
from cutover_harness.judge.runs import Runs, ascents, edges
from cutover_harness.ledger.columns import Columns, by_stream
from cutover_harness.ledger.format import ROW_DTYPE
from hypothesis import given, settings
from hypothesis import strategies as st

#: Some records in the order of delivery: mostly one after the other, with steps back and ahead.
steps = st.lists(st.sampled_from([1, 1, 1, 1, 1, 1, 0, 2, 5, -1, -3, -9]), max_size=60)


def numbers_of(some: list[int]) -> list[int]:
    return [int(n) for n in np.maximum(np.cumsum([10, *some]), 0)]


def runs_of(numbers: list[int]) -> Runs:
    row = ascents(np.array(numbers, np.int64))
    return Runs(row, np.array(numbers)[row], np.diff(row, append=len(numbers)))


def listed(runs: Runs) -> list[tuple[int, int]]:
    return list(zip(runs.rows().tolist(), runs.numbers().tolist(), strict=True))


def intervals_of(numbers: set[int]) -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros(200, np.bool_)
    mask[list(numbers)] = True
    return edges(mask)


def check_runs(runs: Runs, numbers: list[int], wanted: set[int]) -> None:
    """Compare runs with the numbers of their rows, one by one."""
    assert listed(runs) == list(enumerate(numbers))
    seen = np.zeros(200, np.bool_)
    runs.mark(seen)
    assert set(np.flatnonzero(seen).tolist()) == set(numbers)
    low, high = runs.shared()
    often = {number for number, times in Counter(numbers).items() if times > 1}
    assert {n for a, b in zip(low.tolist(), high.tolist(), strict=True) for n in range(a, b)} == often
    assert listed(runs.within(low, high)) == [(row, n) for row, n in enumerate(numbers) if n in often]
    assert listed(runs.within(*intervals_of(wanted))) == [(row, n) for row, n in enumerate(numbers) if n in wanted]
    late, latest = runs.behind()
    before = [(row, n, max(numbers[:row])) for row, n in enumerate(numbers) if row and max(numbers[:row]) > n]
    assert [
        (*each, most) for each, most in zip(listed(late), np.repeat(latest, late.size).tolist(), strict=True)
    ] == before
    pieces, origin = runs.cut(np.array(sorted(wanted)))
    assert listed(pieces) == listed(runs)
    assert (
        not {n for first, size in zip(pieces.first, pieces.size, strict=True) for n in range(first + 1, first + size)}
        & wanted
    )
    assert (runs.first[origin] <= pieces.first).all()
    assert (pieces.end <= runs.end[origin]).all()
    assert [part.tolist() for part in (pieces.joined(origin)[0].row, runs.row)] == [runs.row.tolist()] * 2


@settings(max_examples=300, deadline=None)
@given(steps, st.sets(st.integers(0, 150), max_size=20))
def test_runs_against_every_number(some: list[int], wanted: set[int]) -> None:
    numbers = numbers_of(some)
    check_runs(runs_of(numbers), numbers, wanted)


@pytest.mark.parametrize("spoil", ["first", "size", "row"])
def test_a_run_that_is_wrong_by_one_is_noticed(spoil: str) -> None:
    numbers = [3, 4, 5, 4, 5, 6, 9]
    runs = runs_of(numbers)
    check_runs(runs, numbers, {4, 9})
    wrong = getattr(runs, spoil).copy()
    wrong[1] += 1
    with pytest.raises(AssertionError):
        check_runs(replace(runs, **{spoil: wrong}), numbers, {4, 9})


@settings(max_examples=200, deadline=None)
@given(steps, st.lists(st.integers(0, 1), max_size=60))
def test_values_go_to_the_entries_of_their_numbers(some: list[int], tens: list[int]) -> None:
    numbers = numbers_of(some)
    runs = runs_of(numbers)
    values = np.arange(100, 100 + len(numbers))
    for each in (runs, Runs(*(np.repeat(column, 1) for column in (runs.row, runs.first, runs.size)))):
        entries = np.zeros(200, np.int64)
        each.copy(values, entries)
        expected = np.zeros(200, np.int64)
        for number, value in zip(numbers, values, strict=True):
            expected[number] = value
        assert entries.tolist() == expected.tolist()


rows = st.lists(
    st.tuples(st.integers(0, 3), st.integers(-1, 9), st.integers(0, 1), st.integers(0, 2)), min_size=1, max_size=40
)


def columns(table: list[tuple[int, int, int, int]]) -> Columns:
    found = np.zeros(len(table), ROW_DTYPE)
    for name, values in zip(("stream", "sequence", "cluster", "partition"), zip(*table, strict=True), strict=False):
        found[name] = values
    found["offset"] = np.arange(len(table))
    return by_stream(Columns.of_rows(found))


@settings(max_examples=300, deadline=None)
@given(rows, rows, st.booleans())
def test_runs_of_ids_are_the_ids_of_all_rows(
    sent: list[tuple[int, int, int, int]], got: list[tuple[int, int, int, int]], sparse: bool
) -> None:
    produced = columns(
        [(s, n + (2**40 if sparse and n > 5 else 0), c, p) for s, n, c, p in sent if n >= 0] or [(0, 0, 0, 0)]
    )
    record_index = RecordIndex.of([produced])
    assert (record_index.pairs is not None) == bool((produced.sequence > 9).any())
    for part in (columns(got), produced):
        ids, known = record_index.ids(record_index.stream_numbers(part.stream), part.sequence)
        runs = record_index.runs(part, log_heads(part))
        assert runs.row[0] == 0
        assert (runs.row[1:] == (runs.row + runs.size)[:-1]).all()
        assert int(runs.size.sum()) == len(part)
        for row, first, size in runs.listed():
            its = slice(row, row + size)
            assert known[its].tolist() == [first >= 0] * size
            assert first < 0 or ids[its].tolist() == list(range(first, first + size))
            assert len({*zip(part.stream[its], part.cluster[its], part.partition[its], strict=True)}) == 1


@pytest.mark.parametrize("streams", [3, 200])
def test_offsets_by_log_are_those_of_its_rows(streams: int) -> None:
    random = np.random.default_rng(5)
    part = columns(
        [(int(random.integers(streams)), n, int(random.integers(2)), int(random.integers(3))) for n in range(500)]
    )
    found: dict[tuple[int, int, int], set[int]] = {}
    for cluster, topic, partition, offsets in by_log(part):
        found.setdefault((cluster, topic, partition), set()).update(offsets.tolist())
    expected: dict[tuple[int, int, int], set[int]] = {}
    for row in range(len(part)):
        expected.setdefault((int(part.cluster[row]), 0, int(part.partition[row])), set()).add(int(part.offset[row]))
    assert found == expected


def test_rows_of_several_parts_are_those_of_all_together() -> None:
    parts = [columns([(part, n, part % 2, n % 3) for n in range(size)]) for part, size in enumerate((3, 0, 5, 1))]
    several, together = Rows.of(parts, [7, 8, 9, 9]), Columns.concat(parts)
    assert len(several) == 9
    random = np.random.default_rng(1)
    for chosen in (np.arange(9), random.permutation(9), random.integers(0, 9, 20), np.empty(0, np.int64)):
        assert several.take(chosen).sequence.tolist() == together.sequence[chosen].tolist()
        assert several.times(chosen).tolist() == together.time_ns[chosen].tolist()
        assert several.instance(chosen).tolist() == [(7 if row < 3 else 9) for row in chosen]


def check_offsets(found: OffsetSet, expected: set[int]) -> None:
    """Compare a set of offsets with a plain one, whatever form it has."""
    assert list(found) == sorted(expected)
    assert len(found) == len(expected)
    low, high = found.intervals()
    assert {n for a, b in zip(low.tolist(), high.tolist(), strict=True) for n in range(a, b + 1)} == expected
    assert (low[1:] > high[:-1] + 1).all()
    assert found.bounds == ((min(expected), max(expected)) if expected else None)
    for number, packed in found.chunks.items():
        inside = (low < (number + 1) * CHUNK) & (high >= number * CHUNK)
        assert inside.any() == packed.any()
    for a, b in zip(*(each.tolist() for each in found.stretches), strict=True):
        assert not any(a < (number + 1) * CHUNK and b >= number * CHUNK for number in found.chunks)


some_offsets = st.lists(
    st.one_of(
        st.tuples(st.just("between"), st.integers(0, 3 * CHUNK), st.integers(0, 400)),
        st.tuples(st.just("run"), st.sampled_from([0, CHUNK - 9, CHUNK + 7, 2**50]), st.integers(1, 300)),
        st.tuples(
            st.just("holes"), st.sampled_from([0, 11, CHUNK - 999, 5 * CHUNK]), st.sampled_from([3, DENSE, 5000])
        ),
    ),
    max_size=5,
)


def built(parts: list[tuple[str, int, int]]) -> tuple[OffsetSet, set[int]]:
    found, expected = OffsetSet(), set()
    for kind, low, size in parts:
        if kind == "between":
            found.add_between(low, low + size)
            expected |= set(range(low, low + size))
        else:
            offsets = np.arange(size, dtype=np.int64) * (1 if kind == "run" else 3) + low
            found.add(offsets)
            expected |= set(offsets.tolist())
    return found, expected


@settings(max_examples=150, deadline=None)
@given(some_offsets, some_offsets, st.integers(0, 3 * CHUNK), st.integers(0, 2 * CHUNK))
def test_sets_of_offsets_of_any_form_are_sets(
    one: list[tuple[str, int, int]], other: list[tuple[str, int, int]], low: int, size: int
) -> None:
    (found, expected), (its, others) = built(one), built(other)
    check_offsets(found.minus(its), expected - others)
    check_offsets(found.between(low, low + size), {n for n in expected if low <= n < low + size})
    some = sorted({*list(expected)[:30], *list(others)[:30], low})
    assert found.holds(np.array(some)).tolist() == [n in expected for n in some]
    found.merge(its)
    check_offsets(found, expected | others)
    check_offsets(its, others)


def test_an_offset_too_many_or_too_few_is_noticed() -> None:
    for parts in ([("run", 5, 50)], [("holes", 0, 5000)], [("run", 5, 5000), ("holes", 0, 5000)]):
        found, expected = built(parts)
        check_offsets(found, expected)
        for wrong in (expected - {max(expected)}, expected | {max(expected) + 2}, (expected - {5}) | {4}):
            with pytest.raises(AssertionError):
                check_offsets(found, wrong)


def test_the_greatest_offsets_there_can_be() -> None:
    most = 2**63 - 1
    found = OffsetSet()
    found.add(np.array([most, 0, most - 1, -1]))
    check_offsets(found, {0, most - 1, most})
    rest = OffsetSet()
    rest.add_between(1, 2**70)
    check_offsets(found.minus(rest), {0})
    check_offsets(found.between(most, 2**70), {most})
    rest.add(np.arange(5000, dtype=np.int64) * 2 + (most - 20_000))
    assert len(rest) == most
