"""What the judge keeps in memory follows from how many rows there are, not from the numbers in them."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from cutover_harness.judge.judging import judge
from cutover_harness.judge.model import RunFacts
from cutover_harness.judge.offsets import CHUNK, DENSE, OffsetSet
from cutover_harness.judge.record_index import RecordIndex
from cutover_harness.judge.window import time_window
from cutover_harness.ledger.columns import Columns, Int64
from cutover_harness.ledger.format import ACKED, DELIVERED, ROW_DTYPE, SENT
from cutover_harness.ledger.imports import MemoryRows
from cutover_harness.ledger.meta import Meta
from cutover_harness.ledger.reader import InstanceLedger, Ledgers

from .histories import MS, T0, Event, History
from .test_definitions import clean

MOST_STEPS = 1 << 17
YEAR_MS = 365 * 86_400 * 1000
AT_13_NS = (13 - T0) / MS


def moved(history: History, instance: str, by_ms: float) -> History:
    """Return the history with the clock of an instance off by some milliseconds."""
    return History(
        [replace(e, time_ms=e.time_ms + by_ms) if e.instance == instance else e for e in history.events],
        history.metas,
    )


@pytest.mark.parametrize("off_ms", [YEAR_MS, -YEAR_MS, AT_13_NS])
def test_one_row_with_an_odd_time_is_named_and_left_out_of_the_series(off_ms: float) -> None:
    history = clean(30)
    odd = replace(history.events[-1], time_ms=history.events[-1].time_ms + off_ms)
    history.events[-1] = odd
    judgement = history.judge()
    assert len(judgement.series.total("acks")) == 1
    assert sum(judgement.series.total("deliveries", "g")) == 30
    assert (judgement.group("g").delivered, judgement.group("g").lost) == (31, 0)
    note = next(note for note in judgement.notes if "outside of the run" in note)
    assert note.startswith("g-1: 1 row(s)")
    assert f"DELIVERED source orders/0 @ 30, sequence 30: time_ns {T0 + round(odd.time_ms * MS)}" in note


def test_no_row_of_a_sane_run_is_named() -> None:
    assert not [note for note in clean().judge().notes if "outside of the run" in note]


@pytest.mark.parametrize("off_ms", [YEAR_MS, -YEAR_MS])
def test_a_clock_that_is_a_year_off_leaves_the_order_between_members_open(off_ms: float) -> None:
    history = History()
    history.produce("k", 0, 40)
    history.read("g-1", "k", 0, 20)
    history.read("g-2", "k", 21, 40)
    sane = history.judge().group("g")
    assert "reordered" not in sane.unmeasured
    judgement = moved(history, "g-2", off_ms).judge()
    assert "the clock of g-2 is wrong" in judgement.group("g").unmeasured["reordered"]
    assert len(judgement.series.total("acks")) == 1


def test_the_runs_own_time_decides_if_it_is_known() -> None:
    history = moved(clean(), "p1", -YEAR_MS)
    ledgers = history.ledgers()
    facts = RunFacts(7, "x", started_ns=T0, finished_ns=T0 + 1000 * MS)
    window = time_window(ledgers, facts)
    hour = 3_600_000 * MS
    assert (window.low, window.high) == (T0 - hour, T0 + 1000 * MS + hour)


def test_times_all_over_the_centuries_make_no_long_series() -> None:
    history = History()
    for n in range(500):
        history.events.append(Event("p1", "ACKED", "source", "k", n, n, time_ms=(n - 250) * 6 * 86_400_000.0))
    history.read("g-1", "k", 0, 3)
    judgement = history.judge()
    assert 1 < len(judgement.series.total("acks")) <= MOST_STEPS
    assert sum(judgement.series.total("acks")) == 500


def test_series_of_sources_far_from_each_other_share_bounded_steps() -> None:
    from cutover_harness.judge.activity import Activity, Source
    from cutover_harness.judge.blackouts import series

    one, other = (Activity.of(np.array([time], np.int64)) for time in (13, 10**18))
    assert one is not None
    assert other is not None
    found = series({Source("acks", "p1", 0): one, Source("deliveries", "g", 0): other})
    assert all(len(each.values) <= MOST_STEPS for each in found.seconds)
    assert [sum(each.values) for each in found.seconds] == [1, 1]


def test_a_huge_sequence_makes_no_long_arrays() -> None:
    rows = np.zeros(1000, ROW_DTYPE)
    rows["sequence"] = np.arange(1000)
    rows["sequence"][-1] = 2**63 - 1
    record_index = RecordIndex.of([Columns.of_rows(rows)])
    assert record_index.size == 1000
    assert record_index.last_sequences().tolist() == [2**63 - 1]
    history = clean()
    history.sent("k", 2**63 - 1)
    history.deliver("g-1", "k", 2**62, 99)
    judgement = history.judge()
    assert judgement.group("g").phantom == 1
    assert "no ledger of a producer has 9,223,372,036,854,775,802 records" in judgement.doubts[0]


def size(offsets: OffsetSet) -> int:
    low, high = offsets.stretches
    return low.nbytes + high.nbytes + sum(packed.nbytes for packed in offsets.chunks.values())


@pytest.mark.parametrize("step", [1, 7, 300, CHUNK - 1, 1_000_003, 2**44])
@pytest.mark.parametrize("at_once", [1, 100, 5000])
def test_a_set_of_offsets_takes_32_bytes_each_at_the_most(step: int, at_once: int) -> None:
    offsets = np.arange(10_000, dtype=np.int64) * step
    found = OffsetSet()
    for start in range(0, 1000 if at_once == 1 else 10_000, at_once):
        found.add(offsets[start : start + at_once])
    assert size(found) <= max(32 * len(found), 5 * CHUNK // 8)
    assert CHUNK // 8 == 32 * DENSE


def test_many_logs_with_an_offset_each_are_small() -> None:
    found = OffsetSet()
    found.add(np.array([5]))
    assert size(found) == 16


def test_the_greatest_offsets_are_found_among_bits() -> None:
    found = OffsetSet()
    found.add(np.arange(2**63 - 2 * 6000, 2**63 - 1, 2, dtype=np.int64))
    assert found.chunks
    assert found.holds(np.array([2**63 - 3, 2**63 - 2, 2**63 - 1], np.int64)).tolist() == [False, True, False]


def test_sets_of_offsets_against_pythons() -> None:
    random = np.random.default_rng(3)
    for _ in range(60):
        one, other = OffsetSet(), OffsetSet()
        sets: list[set[int]] = [set(), set()]
        for which, offsets in ((0, one), (1, other)):
            for _ in range(int(random.integers(1, 5))):
                spread = int(random.choice([2_000, 300_000, 3_000_000, 2**50]))
                some = random.integers(-3, spread, int(random.choice([1, 50, 3000, 6000])))
                offsets.add(some)
                sets[which] |= {n for n in some.tolist() if n >= 0}
        assert list(one) == sorted(sets[0])
        low, high = sorted(random.integers(0, 400_000, 2).tolist())
        assert list(one.between(low, high)) == sorted(n for n in sets[0] if low <= n < high)
        assert list(one.minus(other)) == sorted(sets[0] - sets[1])
        assert one.bounds == ((min(sets[0]), max(sets[0])) if sets[0] else None)
        probes = [*list(sets[0])[:20], *list(sets[1])[:20]]
        assert [n in one for n in probes] == [n in sets[0] for n in probes]
        one.merge(other)
        assert (list(one), len(one)) == (sorted(sets[0] | sets[1]), len(sets[0] | sets[1]))


def traced_peak(sequences: Int64, delivered: Int64) -> int:
    """Return the bytes that the judge takes at most for records of one stream, each sent and acknowledged."""
    size = len(sequences)
    produced, got = np.zeros(2 * size, ROW_DTYPE), np.zeros(len(delivered), ROW_DTYPE)
    produced["sequence"], produced["event"] = np.repeat(sequences, 2), np.tile([SENT, ACKED], size)
    got["sequence"], got["event"] = delivered, DELIVERED
    for rows in (produced, got):
        rows["offset"] = np.arange(len(rows)) * 7
        rows["time_ns"] = T0 + np.arange(len(rows)) * 1000
    ledgers = Ledgers(
        tuple(
            InstanceLedger(name, Meta(name, role, group, 7), MemoryRows(Columns.of_rows(rows), ("orders",)))
            for name, role, group, rows in (("g-1", "consumer", "g", got), ("p1", "producer", None, produced))
        )
    )
    tracemalloc.start()
    judge(ledgers, RunFacts(7, "x"), workers=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


BYTES_A_ROW = 250
"""Of rows of one stream, whatever is in them. docs/judge.md states 320: the allocator and Arrow keep some for later."""


@pytest.mark.parametrize("kind", ["in order", "huge", "any order", "twice", "holes", "sparse"])
def test_the_judge_takes_a_bounded_number_of_bytes_a_row(kind: str) -> None:
    random, size = np.random.default_rng(1), 50_000
    sequences = np.arange(size)
    if kind == "huge":
        sequences[-1] = 2**63 - 1
    elif kind == "holes":
        sequences *= 4
    elif kind == "sparse":
        sequences = np.sort(random.integers(0, 2**62, size))
    delivered = sequences if kind in ("in order", "huge") else random.permutation(sequences)
    if kind == "twice":
        delivered = np.repeat(delivered, 2)
    rows = 2 * size + len(delivered)
    assert traced_peak(sequences, delivered) < rows * BYTES_A_ROW + (1 << 22)


def test_an_array_as_long_as_a_sequence_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cutover_harness.judge.record_index._SPARSE", 1 << 20)
    sequences = np.arange(10_000)
    sequences[-1] = 1 << 25
    assert traced_peak(sequences, sequences) > 30_000 * BYTES_A_ROW + (1 << 22)
