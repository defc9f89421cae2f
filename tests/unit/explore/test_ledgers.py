"""What ledgers show is possible in the abstract world, and what no run can have done is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cutover_harness.explore.case import Case
from cutover_harness.explore.ledgers import Row, sequence_of
from cutover_harness.explore.runs import ReplayedRun, replay_ledgers
from cutover_harness.ledger.columns import Columns
from cutover_harness.ledger.format import ACKED, DELIVERED, ROW_DTYPE, SOURCE, TARGET
from cutover_harness.ledger.imports import MemoryRows
from cutover_harness.ledger.meta import Meta
from cutover_harness.ledger.reader import InstanceLedger, Ledgers
from cutover_harness.procedure.entries import Entry
from cutover_harness.procedure.names import StepName

from tests.unit.conductor.world import EXACT, World, new_conductor, steps

SHORT = (StepName.CREATE_TASK, StepName.SYNCHRONISE, StepName.DELETE_TASK)
S = 1_000_000_000
MOVED = [(0, SOURCE, SOURCE), (1, SOURCE, TARGET), (2, TARGET, TARGET)]
"""Records of a stream: number, the cluster that they were written to, and the one that the group read them on."""


def spread(entries: Sequence[Entry]) -> list[Entry]:
    """Return the journal as if each entry had taken ten seconds."""
    return [replace(entry, time_ns=10 * S * n) for n, entry in enumerate(entries, start=1)]


@pytest.fixture
def entries(tmp_path: Path) -> list[Entry]:
    conductor = new_conductor(tmp_path, World(), steps(*EXACT))
    conductor.run()
    return spread(conductor.journal.read())


def at(entries: Sequence[Entry], kind: str, name: str) -> int:
    return next(entry.time_ns for entry in entries if (entry.kind, entry.name) == (kind, name))


def replayed(
    entries: list[Entry],
    written: list[tuple[int, int, int]],
    read: list[tuple[int, int, int]],
    path: Sequence[StepName] = EXACT,
) -> ReplayedRun:
    """Replay a run with ledgers that contain these rows: number, cluster, time."""
    ledgers = []
    for role, group, event, rows in (("producer", None, ACKED, written), ("consumer", "billing", DELIVERED, read)):
        table = [(number, number, 7, time_ns, 0, 0, cluster, event) for number, cluster, time_ns in rows]
        memory = MemoryRows(Columns.of_rows(np.array(table, ROW_DTYPE)), ("orders",), {})
        ledgers.append(InstanceLedger(role, Meta(role, role, group, run=1), memory))
    return replay_ledgers(Case("test", steps(*path)), entries, Ledgers(tuple(ledgers)))


def rows_of_a_move(entries: list[Entry]) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
    held, on_target = at(entries, "doing", "stop-consumers"), at(entries, "done", "consumers-to-target")
    moved = at(entries, "done", "producers-to-target")
    written = [(n, c, 1 if n < 1 else held if n == 1 else moved + n) for n, c, _ in MOVED]
    read = [(n, c, 2 if n < 1 else on_target if n == 1 else moved + S + n) for n, _, c in MOVED]
    return written, read


def test_records_that_move_with_their_clients(entries: list[Entry]) -> None:
    found = replayed(entries, *rows_of_a_move(entries))
    assert found.allowed, list(found.lines())
    assert (found.streams, found.kinds) == (1, 1)


@pytest.mark.parametrize(
    ("read", "words"),
    [
        ([(0, SOURCE, 3), (1, SOURCE, 4)], None),
        ([(1, SOURCE, 3), (0, SOURCE, 4)], "record 1 read on the source"),
        ([(1, SOURCE, 3)], "record 1 read on the source"),
        ([(0, SOURCE, 3), (0, TARGET, 4), (1, SOURCE, 5)], "record 0 read on the target"),
    ],
    ids=["as it was", "in another order", "a record is skipped", "a record is read where the group never was"],
)
def test_a_ledger_that_was_tampered_with_is_refused(
    tmp_path: Path, read: list[tuple[int, int, int]], words: str | None
) -> None:
    conductor = new_conductor(tmp_path, World(), steps(*SHORT))
    conductor.run()
    found = replayed(spread(conductor.journal.read()), [(0, SOURCE, 1), (1, SOURCE, 2)], read, SHORT)
    assert found.allowed == (words is None)
    assert (words or "all possible") in " ".join(found.lines())


def test_records_that_were_treated_alike_are_one() -> None:
    acked = [Row(n, SOURCE, n) for n in range(100)]
    read = [Row(n, SOURCE if n < 60 else TARGET, 200 + n) for n in range(100)]
    shown = sequence_of("s", "g", acked, read, until_ns=10_000)
    assert shown.sequences == (0, 60)
    assert [str(event) for event in shown.events] == [
        "record 0 written on the source",
        "record 1 written on the source",
        "record 0 read on the source",
        "record 1 read on the target",
    ]


def test_a_record_that_was_acknowledged_after_the_end_was_written_before_its_delivery() -> None:
    acked = [Row(0, SOURCE, 1 * S), Row(1, TARGET, 11 * S), Row(2, TARGET, 12 * S)]
    found = sequence_of("a", "billing", acked, [Row(0, SOURCE, 2 * S), Row(1, TARGET, 9 * S)], 10 * S)
    assert [(e.what, e.record, e.time_ns) for e in found.events] == [
        ("written", 0, 1 * S), ("read", 0, 2 * S), ("written", 1, 9 * S), ("read", 1, 9 * S),
    ]  # fmt: skip
    never = sequence_of("a", "billing", acked[:1], [Row(0, SOURCE, 2 * S), Row(1, TARGET, 9 * S)], 10 * S)
    assert ("written", 1) not in [(each.what, each.record) for each in never.events]
