"""The gate before the mirror is deleted: equal opens it, a difference never does, the rest needs a person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cutover_harness.conductor.journal import Journal
from cutover_harness.conductor.verification import VerifiedBatch, accepted_extras, reading, without
from cutover_harness.mirror.spec import Batch
from cutover_harness.procedure.bypass import Activity, Bypass, Range
from cutover_harness.verify import batch, workers
from cutover_harness.verify.clusters import Logs, Seen
from cutover_harness.verify.model import Verification
from cutover_harness.verify.piece import Piece, PieceResult
from cutover_harness.verify.state import State, write_state
from cutover_harness.verify.tally import Findings
from cutover_harness.verify.worker import Report, Work

CLUSTER = {"bootstrap.servers": "127.0.0.1:1"}
PARTITION: dict[str, Any] = {
    "topic": "orders",
    "partition": 0,
    "source_begin": 0,
    "source_end": 10,
    "target_begin": 0,
    "target_end": 10,
    "offsets": 10,
    "compared": 10,
    **{kind: {"count": 0} for kind in ("missing", "extra", "reordered", "altered", "twice")},
}


def verification(**partition: Any) -> Verification:
    return Verification.model_validate(
        {
            "plan": "shop",
            "plan_sha256": "0" * 64,
            "batch": "b",
            "source_cluster": "s",
            "target_cluster": "t",
            "began": "2026-11-30T00:00:00Z",
            "seconds": 1.0,
            "records": 20,
            "bytes": 100,
            "outcome": "unproved",
            "reasons": ["a group has read on the target"],
            "partitions": [PARTITION | partition],
            "groups": [],
        }
    )


def test_extra_records_that_a_person_has_accepted_are_no_difference() -> None:
    def opens(count: int, accepted: dict[tuple[str, int], tuple[int, int, int]]) -> bool:
        extra = {"count": count, "first": [{"target": 51}]}
        return reading(without(verification(extra=extra), accepted), accepts_unproved=True).open

    assert opens(1, {("orders", 0): (51, 51, 1)})
    assert not opens(1, {})
    assert not opens(1, {("orders", 0): (60, 60, 1)}), "other offsets"
    assert not opens(1, {("orders", 1): (51, 51, 1)}), "another partition"
    assert not opens(2, {("orders", 0): (51, 51, 1)}), "more of them"


def test_only_accepted_records_of_early_producers_are_accepted(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    for kind, cluster, topic, standing in (
        ("early", "target", "a", "accepted"),
        ("early", "target", "b", "stays"),
        ("straggler", "source", "c", "accepted"),
    ):
        activity = Activity(kind, "producer", cluster, topic, {(topic, 0): Range(5, 6, 2)})  # type: ignore[arg-type]
        journal.write("bypass", -1, topic, **Bypass(activity, 7, 0.0, standing).detail())  # type: ignore[arg-type]
    assert accepted_extras(journal.read()) == {("a", 0): (5, 6, 2)}
    journal.close()


@pytest.mark.parametrize("accepts", [False, True])
def test_equal_records_open_it_whatever_groups_have_read_since(accepts: bool) -> None:
    found = reading(verification(), accepts_unproved=accepts)
    assert (found.open, found.evidence) == (True, "equal on both clusters: 10 records in 1 partition")


@pytest.mark.parametrize("accepts", [False, True])
def test_a_difference_keeps_it_closed_for_good(accepts: bool) -> None:
    found = reading(verification(missing={"count": 1, "first": []}), accepts_unproved=accepts)
    assert (found.open, found.never) == (False, True)
    assert found.waits_for.startswith("orders-0: 1 missing")


def test_what_is_not_proved_needs_a_person() -> None:
    result = verification(notes=("retention removed 3 records",))
    closed, accepted = (reading(result, accepts_unproved=each) for each in (False, True))
    assert (closed.open, closed.never) == (False, True)
    assert "--accept-unproved" in closed.waits_for
    assert accepted.open
    assert "accepted without proof: orders-0" in accepted.evidence


def test_nothing_compared_proves_nothing() -> None:
    assert not reading(verification(compared=0, offsets=0), accepts_unproved=False).open


def test_an_interrupted_comparison_is_continued_only_if_the_source_has_got_nothing_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records that were written while the conductor was away would be lost with the mirror."""
    orders, size = ("orders", 0), 10
    piece = Piece(0, orders, 0, size, 0, size)
    result = PieceResult(Findings(compared=size), (), None, 2 * size, 100)
    ends = [size]
    begun: list[int] = []

    def seen(*_: object) -> Seen:
        return Seen("s", "t", {orders: Logs(0, ends[0], ends[0], 0, ends[0])})

    def compare(_source: object, _target: object, work: list[Work], **more: Any) -> None:
        begun.extend(each.piece.source_end for each in work)
        for each in work:
            more["heard"](Report(each.piece.number, 0, 0, None, result))

    monkeypatch.setattr(batch, "see", seen)
    monkeypatch.setattr(batch, "check_groups", lambda *_: [])
    monkeypatch.setattr(workers, "run", compare)
    wanted = batch.Wanted("shop", "0" * 64, Batch("b", ("orders",), ()), CLUSTER, CLUSTER)
    state = State(identity=batch._identity(wanted, seen()), began="now", seconds=0, pieces=[piece], results={0: result})
    journal = Journal(tmp_path / "journal.sqlite")
    gate = VerifiedBatch(lambda: wanted, tmp_path, journal, accepts_unproved=False).gate(9, 60)
    write_state(tmp_path / "state.json", state)
    assert gate.read().open
    assert begun == []
    write_state(tmp_path / "state.json", state)
    ends[0] = size + 1
    assert gate.read().open
    assert begun == [size + 1]
    journal.close()
