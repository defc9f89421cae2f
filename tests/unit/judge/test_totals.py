"""Totals of several groups, and outcomes of several runs."""

from __future__ import annotations

from itertools import product

import pytest
from cutover_harness.judge.model import Blackout, Duplicated, GroupMeasures, Judgement, LogMeasures, Verdict
from cutover_harness.judge.totals import EXIT_CODES, NOT_REHEARSED, OUTCOMES, exit_code, in_words, total, totals, worst


def group(name: str, **counts: object) -> GroupMeasures:
    return GroupMeasures(name, ["orders"], [f"{name}-1"], **counts)  # type: ignore[arg-type]


def test_groups_add_up() -> None:
    found = totals(
        Judgement(
            run=1,
            groups=[
                group("a", lost=1, destroyed=4, stranded=3, duplicated=Duplicated(re_read=2)),
                group("b", lost=2, stranded=5, reordered=6, duplicated=Duplicated(re_read_across=7)),
            ],
        )
    )
    assert (found.lost, found.destroyed, found.reordered, found.duplicated_total) == (3, 4, 6, 9)
    assert found.stranded == 5  # a record is stranded once


def test_records_of_all_topics_are_counted_once_however_many_groups_read_them() -> None:
    groups = [group("a", sent=5, acked=4), group("b", sent=5, acked=4), group("of-another-topic", sent=2, acked=2)]
    logs = [LogMeasures("orders", 0, sent=5, acked=4), LogMeasures("payments", 0, sent=2, acked=2)]
    found = totals(Judgement(run=1, groups=groups, logs=logs))
    assert (found.sent, found.acked) == (7, 6)


@pytest.mark.parametrize("groups", [[], [group("a"), group("b", lost=None, stranded=None)]])
def test_a_figure_that_is_unknown_for_one_group_is_unknown(groups: list[GroupMeasures]) -> None:
    found = totals(Judgement(run=1, groups=groups))
    assert (found.lost, found.stranded) == (None, None)


@pytest.mark.parametrize(("name", "of_both"), [("log_order", 5), ("stranded", 5), ("lost", 8), ("gap_unexplained", 8)])
def test_a_record_that_counts_once_is_not_added_up(name: str, of_both: int) -> None:
    assert total([group("a", **{name: 3}), group("b", **{name: 5})], name) == of_both
    assert total([], "log_order") == 0


def test_a_blackout_is_that_of_the_worst_process_if_that_is_longer() -> None:
    found = totals(
        Judgement(
            run=1,
            blackouts=[
                Blackout("producer", None, "source", "target", 0, 1, longest_ms=5.0, worst_instance_ms=9.0),
                Blackout("consumer", "a", "source", "target", 0, 1, longest_ms=None),
            ],
        )
    )
    assert (found.producer_blackout_ms, found.consumer_blackout_ms, found.blackout_ms) == (9.0, None, 9.0)


def test_only_passes_exit_with_0() -> None:
    for size in (1, 2, 3):
        for outcomes in product(OUTCOMES, repeat=size):
            code = exit_code(outcomes)
            assert (code == 0) == (set(outcomes) == {"PASS"})
            assert (code == 1) == ("FAIL" in outcomes)
            assert EXIT_CODES[worst(outcomes) or NOT_REHEARSED] == code
    assert exit_code([]) == 3, "nothing proves nothing"
    assert exit_code([NOT_REHEARSED, "PASS"]) == 3


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Verdict("PASS"), "PASS"),
        (Verdict("PASS", control=True, caught=True), "PASS (caught)"),
        (Verdict("FAIL", control=True, caught=False), "FAIL (not caught)"),
        (Verdict("INCONCLUSIVE", control=True), "INCONCLUSIVE"),
    ],
)
def test_a_control_reports_whether_it_was_caught(verdict: Verdict, words: str) -> None:
    assert in_words(verdict) == words
