"""What results prove, in words and exit codes; and the groups' offsets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cutover_harness.conductor.journal import Journal
from cutover_harness.cutover.folder import RunFolder
from cutover_harness.cutover.settings import config_of
from cutover_harness.errors import UsageError
from cutover_harness.mirror.exact_resume import ExactOffset
from cutover_harness.mirror.spec import Batch
from cutover_harness.planning.read import read_plan
from cutover_harness.verify.batch import Progress
from cutover_harness.verify.clusters import absent
from cutover_harness.verify.groups import judge
from cutover_harness.verify.model import Count, GroupOffset, Partition, Place, SampleTaken, Verification
from cutover_harness.verify.outcome import of_all, of_records
from cutover_harness.verify.output import line, text
from cutover_harness.verify.request import share
from cutover_harness.verify.run_journal import RunFacts, read_run


def partition(**more: Any) -> Partition:
    kinds = dict.fromkeys(("missing", "extra", "reordered", "altered", "twice"), Count())
    its: dict[str, Any] = {
        "topic": "orders",
        "partition": 0,
        "source_begin": 0,
        "source_end": 100,
        "target_begin": 0,
        "target_end": 100,
        "compared": 100,
        "offsets": 100,
        **kinds,
    }
    return Partition(**(its | more))


PLAN = """
name: shop
clusters: {source: {properties: a.properties}, target: {properties: b.properties}}
connect: {url: "http://127.0.0.1:1"}
reach: [{file: cutover.toml}]
statuses: statuses
batches: [{name: b, path: restart, topics: [orders]}]
"""
PROVED = GroupOffset(group="billing", topic="orders", partition=0, source=5, target=5, exact=5, proved=True, reason="")


def test_everything_equal_and_proved() -> None:
    assert of_all([partition()], [PROVED], sample=False) == ("equal", ())


def test_a_topic_that_the_source_lacks_is_not_proved() -> None:
    batch = Batch("b", ("orders", "payments", "old", "shop.*"), (), ("old",))
    gone = absent(batch, {"orders"})
    assert gone == ("payments",)
    assert of_all([partition()], [PROVED], sample=False, absent=gone) == (
        "unproved",
        ("payments: the source has no such topic, or does not show it to this user",),
    )


@pytest.mark.parametrize("kind", ["missing", "extra", "reordered", "altered", "twice"])
def test_a_difference_of_any_kind(kind: str) -> None:
    its = partition(**{kind: Count(count=12_345, first=(Place(source=7, target=None), Place(source=8, target=9)))})
    outcome, reasons = of_all([its], [PROVED], sample=True)
    assert outcome == "different"
    assert reasons == (f"orders-0: 12,345 {kind} (source 7, source 8/target 9, …)",)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"notes": ("a transaction is open",)}, "orders-0: a transaction is open"),
        ({"removed_source": 3}, "retention has removed the source records of 3 target offsets"),
        ({"removed_target": 3}, "retention has removed the copies of 3 source records"),
        ({"after": 3}, "3 target records after the last mirrored record"),
        ({"compared": 0}, "no record was compared"),
    ],
)
def test_what_is_not_proved(more: dict[str, Any], why: str) -> None:
    outcome, reasons = of_records([partition(**more)], sample=False)
    assert outcome == "unproved"
    assert why in reasons[0]


def test_a_sample_proves_nothing() -> None:
    outcome, reasons = of_records([partition(offsets=10)], sample=True)
    assert (outcome, reasons) == ("unproved", ["a sample: 10 of 100 source offsets were compared"])


def exact(**more: Any) -> ExactOffset:
    its: dict[str, Any] = {
        "topic": "orders",
        "partition": 0,
        "source_committed": 50,
        "target_offset": 60,
        "proved": True,
        "evidence": "source record 50 equals target record 60",
        "skipped_duplicates": 0,
    }
    return ExactOffset(**(its | more))


@pytest.mark.parametrize(
    ("row", "at", "proved", "different", "words"),
    [
        (exact(), 60, True, False, "source record 50 equals target record 60"),
        (exact(), 55, False, True, "would read 5 offsets again from 55 on; it should be 60"),
        (exact(), None, False, True, "has no offset on the target; it should be 60"),
        (exact(), 70, False, False, "is 10 offsets ahead of 60 on the target: it has read there since, or skips"),
        (exact(proved=False, evidence="no sync is near"), 60, False, False, "no sync is near"),
    ],
)
def test_a_groups_offset(row: ExactOffset, at: int | None, *, proved: bool, different: bool, words: str) -> None:
    (its,) = judge("billing", [row], {} if at is None else {("orders", 0): at}, 0)
    assert (its.proved, its.different, its.reason) == (proved, different, words)
    outcome, reasons = of_all([partition()], [its], sample=False)
    assert outcome == ("equal" if proved else "different" if different else "unproved")
    assert proved or reasons == (f"group billing in orders-0: {words}",)


def test_a_group_that_reads_on_since_the_run_has_set_its_offsets() -> None:
    (its,) = judge("billing", [exact()], {("orders", 0): 70}, 2, set_exactly=True)
    assert its.proved
    assert its.reason == "the run has set it to the exact offset; it has read 10 offsets on since"
    (its,) = judge("billing", [exact()], {("orders", 0): 50}, 2, set_exactly=True)
    assert its.different, "it reads again whatever was set"


@pytest.mark.parametrize(
    ("evidence", "found"),
    [
        ("billing: 3 of 3 partitions proved and set", True),
        ("other: 1 of 1 partitions proved and set; billing: 3 of 3 partitions proved and set; x: 0 of 0 …", True),
        ("billing: 2 of 3 partitions proved and set; 1 keep MirrorMaker 2's translation: why", False),
        ("not-billing: 3 of 3 partitions proved and set", False),
        ("", False),
    ],
)
def test_groups_whose_offsets_a_run_has_set(evidence: str, *, found: bool) -> None:
    assert RunFacts({}, evidence).set_exactly("billing") is found


def test_a_group_without_offsets_is_named() -> None:
    (its,) = judge("billing", [], {}, 0)
    assert (its.proved, its.topic) == (False, None)
    assert of_all([partition()], [its], sample=False)[0] == "unproved"


def result(**more: Any) -> Verification:
    its: dict[str, Any] = {
        "plan": "shop",
        "plan_sha256": "0" * 64,
        "batch": "b",
        "source_cluster": "s",
        "target_cluster": "t",
        "began": "2026-11-30T00:00:00+00:00",
        "seconds": 1.5,
        "records": 200,
        "bytes": 1,
        "outcome": "equal",
        "reasons": (),
        "partitions": (partition(),),
        "groups": (PROVED,),
    }
    return Verification(**(its | more))


def test_text_of_a_result() -> None:
    said = text(result())
    assert said.splitlines()[:2] == [
        "EQUAL: the target has every record that the source has",
        "batch b: 100 records compared in 1 partition, 1.5 s",
    ]
    assert "1 of 1 offset of groups proved" in said
    assert "| orders-0" not in said, "partitions without anything to tell are not listed"
    its = partition(missing=Count(count=2), compacted_source=4)
    said = text(result(outcome="different", reasons=("why",) * 25, partitions=(its,)))
    assert "| orders-0 | 100 | 2 | 0 | 0 | 0 | 0 | 4 compacted on the source |" in said
    assert said.endswith("- and 5 more, in the result file")
    assert "a sample of 1.000%" in text(result(sample=SampleTaken(share=0.01, seed=3)))


def test_the_records_have_an_outcome_of_their_own() -> None:
    its = result(outcome="unproved", groups=(PROVED.model_copy(update={"proved": False}),))
    assert of_records(its.partitions, sample=its.sample is not None, absent=its.absent)[0] == "equal"


def test_progress_in_a_line() -> None:
    its = Progress(90, 240, 40, 1, 4, 40_000, 20_000_000, 2.0)
    assert line(its) == " 37.5%  1/4 partitions, read 20,000 records/s, 10.0 MB/s, about 6 s left"
    assert "left" not in line(Progress(0, 200, 0, 0, 4, 0, 0, 0.1))


@pytest.mark.parametrize(("given", "found"), [("1%", 0.01), ("0.5 %", 0.005), ("100%", 1.0)])
def test_shares(given: str, found: float) -> None:
    assert share(given) == found


@pytest.mark.parametrize("given", ["1", "0%", "101%", "-1%", "x"])
def test_shares_that_are_none(given: str) -> None:
    with pytest.raises(UsageError, match="expected a percentage"):
        share(given)


def test_the_first_ends_of_a_journal_count(tmp_path: Path) -> None:
    folder = tmp_path / "batches" / "b"
    folder.mkdir(parents=True)
    journal = Journal(folder / "journal.sqlite")
    assert read_run(tmp_path, "b") == RunFacts({})
    journal.write("ends", 2, "target", offsets=[["orders", 0, 7]])
    journal.write("ends", 6, "target", offsets=[["orders", 0, 99]])
    journal.write("gate", 3, "exact offsets proved", evidence="billing: …", from_ns=0)
    journal.close()
    assert read_run(tmp_path, "b") == read_run(folder, "b") == RunFacts({("orders", 0): 7}, "billing: …")
    with pytest.raises(UsageError, match=r"contains no journal\.sqlite"):
        read_run(tmp_path, "other")


def test_the_run_of_other_clusters_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    journal.write("clusters", -1, "ids", source="s", target="t")
    journal.close()
    run = read_run(tmp_path, "b")
    run.refuse_other("s", "t")
    run.refuse_other(None, "t")
    with pytest.raises(UsageError, match=r"of another target cluster \(id t, now u\)"):
        run.refuse_other("s", "u")


def test_the_run_of_another_batch_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN)
    read, run = read_plan(file), RunFolder.of(file)
    own = run.batch("b")
    config_of(read, read.plan.batches[0], run, {}).save(own / "conductor.json")
    Journal(own / "journal.sqlite").close()
    read_run(own, "b")
    with pytest.raises(UsageError, match="is the run of batch b, not of c"):
        read_run(own, "c")
