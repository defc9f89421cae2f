"""Records that a group has read again, where a conductor was killed in between and has kept the offsets again."""

from __future__ import annotations

from datetime import UTC, datetime

from cutover_harness.conductor.snapshots import Snapshot
from cutover_harness.procedure.entries import Entry
from cutover_harness.procedure.names import StepName
from cutover_reports.performed.figures import read_again

RESUMED = Entry(1, 0, "resumes", 4, "target", {"groups": {"g": [["t", 0, 10, 10, True]]}})


def kept(minute: int, offset: int, step: StepName = StepName.CONSUMERS_TO_SOURCE) -> Snapshot:
    at = datetime(2026, 11, 30, 9, minute, tzinfo=UTC)
    return Snapshot(at=at, route="r", step=step, source={}, target={"g": {"t": {"0": offset}}})


def test_what_is_read_again_on_the_source_counts_once_from_the_last_offsets() -> None:
    before = kept(1, 11, StepName.CONSUMERS_TO_TARGET)
    on_source = [
        each for each in read_again([RESUMED], [kept(3, 17), before, kept(2, 14)], None) if each.cluster == "source"
    ]
    assert [(each.group, each.at_most) for each in on_source] == [("g", 7)]


def test_a_batch_that_did_not_come_back_reads_nothing_again_on_the_source() -> None:
    found = read_again([RESUMED], [kept(1, 11, StepName.CONSUMERS_TO_TARGET)], None)
    assert [each.cluster for each in found] == ["target"]
