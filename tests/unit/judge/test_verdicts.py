"""What measures are worth: a history each, through the judge, to a verdict."""

from dataclasses import replace

import pytest
from cutover_harness.judge import verdict
from cutover_harness.judge.model import (
    Blackout,
    DrainProof,
    Duplicated,
    Expectation,
    GroupMeasures,
    Judgement,
    Precondition,
    RunFacts,
    Verdict,
)

CLEAN = GroupMeasures("g", ["orders"], ["g-1"], acked=5, delivered=5, distinct=5, drained=True, drain_evidence="5 of 5")


def of(group: GroupMeasures = CLEAN, *, blackouts: list[Blackout] | None = None, **facts: object) -> Verdict:
    judgement = Judgement(run=7, groups=[group], blackouts=blackouts or [])
    return verdict(judgement, RunFacts(**{"run": 7, "scenario": "x"} | facts))  # type: ignore[arg-type]


def test_clean_and_proven_passes() -> None:
    found = of(preconditions=[Precondition("mid-traffic", True, "12 acks after the cut")])
    assert (found.outcome, found.control, found.caught, found.reasons) == ("PASS", False, None, [])
    assert [precondition.name for precondition in found.preconditions] == ["mid-traffic", "g drained"]


@pytest.mark.parametrize(
    ("changes", "facts", "reason"),
    [
        ({"drained": False, "drain_evidence": ""}, {}, "g drained not proven: nothing shows"),
        (
            {},
            {"preconditions": [Precondition("lag above zero", False, "lag was 0")]},
            "lag above zero not proven: lag was 0",
        ),
        ({"lost": None, "missing": 3, "drained": False}, {}, "g: 3 acknowledged records not delivered"),
        ({"stranded": None}, {}, "g: whether records are stranded is unknown"),
        ({}, {"completed": False, "failure": "gate 4 timed out"}, "path was not completed: gate 4 timed out"),
    ],
)
def test_an_unproven_run_is_inconclusive(changes: dict[str, object], facts: dict[str, object], reason: str) -> None:
    found = of(replace(CLEAN, **changes), **facts)  # type: ignore[arg-type]
    assert found.outcome == "INCONCLUSIVE"
    assert any(reason in text for text in found.reasons), found.reasons


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lost": 3}, "g: 3 lost"),
        ({"phantom": 1}, "g: 1 phantom"),
        ({"aborted_read": 1}, "g: 1 delivered from aborted transactions"),
        ({"reordered": 1234}, "g: 1,234 reordered"),
        ({"stranded": 2}, "g: 2 stranded"),
    ],
)
def test_a_violation_fails(changes: dict[str, int], reason: str) -> None:
    found = of(replace(CLEAN, **changes))  # type: ignore[arg-type]
    assert (found.outcome, found.reasons) == ("FAIL", [reason])
    unproven = of(replace(CLEAN, drained=False, **changes), completed=False)  # type: ignore[arg-type]
    assert unproven.outcome == "FAIL"
    allowed = of(replace(CLEAN, **changes), expectation=Expectation(dict.fromkeys(changes)))  # type: ignore[arg-type]
    assert allowed.outcome == "PASS"


def test_duplicates_are_allowed_up_to_their_limit() -> None:
    group = replace(CLEAN, duplicated=Duplicated(re_read=3, mirrored_twice=1))
    assert of(group).outcome == "PASS"
    assert of(group, expectation=Expectation({"re_read": 3, "mirrored_twice": None})).outcome == "PASS"
    found = of(group, expectation=Expectation({"re_read": 2, "mirrored_twice": 0}))
    assert found.reasons == ["g: 3 re-read (allowed: 2)", "g: 1 mirrored twice"]


def test_a_blackout_may_be_limited() -> None:
    blackout = Blackout("producer", None, "source", "target", 0, 1, longest_ms=1500.0)
    assert of(blackouts=[blackout]).outcome == "PASS"
    assert of(blackouts=[blackout], expectation=Expectation(max_blackout_ms=2000)).outcome == "PASS"
    found = of(blackouts=[blackout], expectation=Expectation(max_blackout_ms=1000))
    assert found.reasons == [
        "producers: nothing for 1,500 ms around the switch from source to target (allowed: 1,000 ms)"
    ]


STRANDS = Expectation(must_fail=("stranded",))


def test_a_control_passes_if_it_is_caught() -> None:
    found = of(replace(CLEAN, stranded=4), expectation=STRANDS)
    assert (found.outcome, found.control, found.caught, found.reasons) == ("PASS", True, True, ["g: 4 stranded"])


def test_a_control_that_finds_nothing_fails() -> None:
    found = of(expectation=STRANDS)
    assert (found.outcome, found.caught) == ("FAIL", False)
    assert found.reasons == ["this control must violate 'stranded' and did not"]


def test_a_control_that_violates_something_else_fails() -> None:
    found = of(replace(CLEAN, stranded=4, phantom=1), expectation=STRANDS)
    assert (found.outcome, found.caught) == ("FAIL", True)
    assert found.reasons == ["unexpected violation: g: 1 phantom"]


def test_a_control_whose_preconditions_do_not_hold_proves_nothing() -> None:
    found = of(replace(CLEAN, stranded=4), preconditions=[Precondition("lag", False, "0")], expectation=STRANDS)
    assert (found.outcome, found.caught) == ("INCONCLUSIVE", None)


def test_a_control_may_name_a_cause_or_a_blackout() -> None:
    expectation = Expectation(must_fail=("re_read", "blackout"))
    blackout = Blackout("consumer", "g", "source", "target", 0, 1, longest_ms=10.0)
    group = replace(CLEAN, duplicated=Duplicated(re_read=1))
    assert of(group, blackouts=[blackout], expectation=expectation).caught
    unmeasured = of(group, expectation=expectation)
    assert (unmeasured.outcome, unmeasured.caught) == ("INCONCLUSIVE", None)
    assert "blackout was not measured: the run has no switch" in unmeasured.reasons


def test_the_facts_proof_counts_before_a_declared_one() -> None:
    from .test_definitions import clean

    history = clean()
    history.meta("g-1", drained="read to the end of every partition")
    assert history.judge(drained=False).group("g").drained
    refuted = history.judge(drained=False, drain=[DrainProof("g", False, "3 behind")])
    assert not refuted.group("g").drained
