"""Every measure can be limited by a scenario file and be what a negative control must violate."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.judge import verdict
from cutover_harness.judge.measures import BY_NAME, CAUSES, CONTROLS, COUNTS, MEASURES
from cutover_harness.judge.model import Blackout, Duplicated, GroupMeasures, Judgement, RunFacts, Verdict
from cutover_harness.judge.table import cause_table, table
from cutover_harness.plan.load import parse
from cutover_harness.rehearsal.expected import expectation

DOCS = Path(__file__).parents[3] / "docs" / "measures.md"
SCENARIO = "name: x\ntitle: X\npath: [create-task]\nexpect:\n"
CLEAN = GroupMeasures("g", ["orders"], ["g-1"], acked=5, delivered=5, distinct=5, drained=True, drain_evidence="5 of 5")


def judged(name: str, count: int, expect: str) -> Verdict:
    """Return the verdict on a run that shows `count` of one measure, by a scenario's section `expect`."""
    change = {"duplicated": Duplicated(**{name: count})} if name in CAUSES else {name: count} if name in COUNTS else {}
    switch = Blackout("consumer", "g", "source", "target", 0, 1, longest_ms=count if name == "blackout" else 0.0)
    judgement = Judgement(run=7, groups=[replace(CLEAN, **change)], blackouts=[switch])
    return verdict(judgement, RunFacts(7, "x", expectation=expectation(parse(SCENARIO + expect, "mine.yaml"))))


def limit(name: str, most: str) -> str:
    if name == "blackout":
        return f"  max_blackout_ms: {most}\n"
    return f"  duplicated: {{{name}: {most}}}\n" if name in CAUSES else f"  {name}: {most}\n"


@pytest.mark.parametrize("name", CONTROLS)
def test_a_limit_holds_up_to_its_figure_and_not_beyond(name: str) -> None:
    assert judged(name, 3, limit(name, "3")).outcome == "PASS"
    beyond = judged(name, 4, limit(name, "3"))
    assert (beyond.outcome, len(beyond.reasons)) == ("FAIL", 1)
    assert judged(name, 4, limit(name, "null")).outcome == "PASS"


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_is_caught_by_its_own_measure_alone(name: str) -> None:
    control = f"  must_fail: [{name}]\n" + (limit(name, "3") if name == "blackout" else "")
    caught = judged(name, 4, control)
    assert (caught.outcome, caught.control, caught.caught) == ("PASS", True, True)
    quiet = judged(name, 0, control)
    assert (quiet.outcome, quiet.caught) == ("FAIL", False)
    other = "phantom" if name == "lost" else "lost"
    wrong = judged(other, 4, control)
    assert (wrong.outcome, wrong.caught) == ("FAIL", False)


@pytest.mark.parametrize("name", [measure.name for measure in MEASURES if measure.kind != "time"])
def test_a_scenario_without_limits_has_those_of_the_table(name: str) -> None:
    if name in (*COUNTS, *CAUSES):
        allows_any = BY_NAME[name].scenario_limit is None
        assert judged(name, 4, "  ends: completed\n").outcome == ("PASS" if allows_any else "FAIL")
    else:
        assert not BY_NAME[name].is_control


@pytest.mark.parametrize("name", ["missing", "destroyed", "loss"])
def test_a_measure_without_a_limit_is_refused_as_a_control(name: str) -> None:
    with pytest.raises(UsageError, match=r"mine\.yaml:5: expect\.must_fail\.0: "):
        parse(f"{SCENARIO}  must_fail: [{name}]\n", "mine.yaml")


def test_a_control_of_blackouts_needs_a_limit() -> None:
    """Every switch has a blackout of some milliseconds, so without a limit the control would always be caught."""
    with pytest.raises(UsageError, match=r"expect: .*must_fail: every switch has some blackout: set max_blackout_ms"):
        parse(f"{SCENARIO}  must_fail: [blackout]\n", "mine.yaml")


def test_every_count_and_cause_has_its_figure() -> None:
    figures = {field.name for field in fields(GroupMeasures)}
    assert set(COUNTS) <= figures
    assert [field.name for field in fields(Duplicated)] == list(CAUSES)


@pytest.mark.parametrize("generated", [table(), cause_table()])
def test_the_tables_in_the_documentation_are_the_generated_ones(generated: str) -> None:
    assert generated in DOCS.read_text(encoding="utf-8"), "run `python -m cutover_harness.judge.table`"


def test_a_measure_that_the_documentation_lacks_is_noticed() -> None:
    other = replace(BY_NAME["lost"], name="delayed")
    assert table([*MEASURES, other]) not in DOCS.read_text(encoding="utf-8")
