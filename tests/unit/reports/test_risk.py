"""The risk model and the decision: each rule with a run that breaks it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from cutover_harness.judge.model import Mark
from cutover_reports.build import build
from cutover_reports.model import Report, Risk
from cutover_reports.risk import likelihood, upper_bound

from tests.unit.reports.run_folders import BACK, FORWARD, SHAPES, START_NS, Shape, write_run

BY_NAME = {shape.name: shape for shape in SHAPES}
GOOD = [
    replace(shape, outcome="PASS", lost=0, reasons=(), preconditions=())
    for shape in SHAPES
    if shape.name != "producers-first"
]
CONTROL = BY_NAME["producers-first"]


def report(tmp_path: Path, shapes: Sequence[Shape], *, target_kind: str = "AutoMQ", policy: str = "") -> Report:
    write_run(tmp_path / "run", shapes, target_kind=target_kind)
    (tmp_path / "run" / "policy.toml").write_text(policy, "utf-8")
    return build([tmp_path / "run"]).report


def risk(found: Report, name: str) -> Risk:
    return next(one for one in found.routes[0].risks if one.id == name)


def changed(name: str, **fields: object) -> list[Shape]:
    return [*(replace(s, **fields) if s.name == name else s for s in GOOD), CONTROL]  # type: ignore[arg-type]


def test_everything_proved_on_automq_is_a_go(tmp_path: Path) -> None:
    found = report(tmp_path, [*GOOD, CONTROL])
    assert found.decision == "GO"
    assert found.routes[0].conditions == []


def test_the_same_on_a_stand_in_is_never_unconditional(tmp_path: Path) -> None:
    found = report(tmp_path, [*GOOD, CONTROL], target_kind="stand-in")
    assert found.decision == "GO WITH CONDITIONS"
    assert [one.id for one in found.routes[0].risks if one.level == "condition"] == ["stand-in"]


@pytest.mark.parametrize(
    ("scenario", "fields", "blocked"),
    [
        ("stop-first", {"lost": 1}, "lost"),
        ("stop-first", {"reordered": 1}, "reordered"),
        ("rollback-4", {"stranded": 1}, "stranded"),
        ("stop-first", {"outcome": "FAIL"}, "paths"),
        ("rollback-3", {"outcome": "FAIL"}, "way-back"),
        ("stop-first-connect-killed", {"outcome": "FAIL"}, "faults"),
        ("stop-first", {"blackout_s": 70.0, "act_s": 200.0}, "producer-blackout"),
        ("stop-first", {"blackout_s": 130.0, "act_s": 400.0}, "clients"),
    ],
)
def test_a_figure_beyond_its_limit_blocks(
    tmp_path: Path, scenario: str, fields: dict[str, object], blocked: str
) -> None:
    found = report(tmp_path, changed(scenario, **fields))
    assert found.decision == "NO-GO"
    assert risk(found, blocked).level == "blocks"
    assert any(risk(found, blocked).title in reason for reason in found.routes[0].reasons)


def test_duplicates_are_a_condition_until_a_limit_is_set(tmp_path: Path) -> None:
    shapes = changed("stop-first", across=4)
    limits = ("", "duplicated_on_switchover = 7", "duplicated_on_switchover = 8", 'duplicated_on_switchover = "any"')
    levels = [
        risk(report(tmp_path / str(number), shapes, policy=f"[limits]\n{limit}\n"), "duplicated-forward").level
        for number, limit in enumerate(limits)
    ]
    assert levels == ["condition", "blocks", "accepted", "accepted"]


def test_damage_in_an_inconclusive_run_counts(tmp_path: Path) -> None:
    found = report(tmp_path, changed("stop-first", lost=2, outcome="INCONCLUSIVE"))
    assert risk(found, "lost").level == "blocks"


def test_an_absence_in_an_inconclusive_run_proves_nothing(tmp_path: Path) -> None:
    whole = risk(report(tmp_path / "a", [*GOOD, CONTROL]), "lost")
    less = risk(report(tmp_path / "b", changed("stop-first", outcome="INCONCLUSIVE")), "lost")
    assert less.runs == whole.runs - 1


def test_unknown_loss_alone_is_a_condition_not_a_pass(tmp_path: Path) -> None:
    found = report(tmp_path, [replace(BY_NAME["stop-first"], lost=None, outcome="INCONCLUSIVE")])
    assert risk(found, "lost").level == "condition"
    assert found.decision == "INCONCLUSIVE", "no switchover passed"


def test_a_control_that_was_missed_blocks(tmp_path: Path) -> None:
    missed = replace(CONTROL, outcome="FAIL", caught=False, reordered=0)
    found = report(tmp_path, [*GOOD, missed])
    assert risk(found, "controls").level == "blocks"


def test_violations_of_a_control_are_no_damage(tmp_path: Path) -> None:
    assert risk(report(tmp_path, [*GOOD, CONTROL]), "reordered").level == "clear"


def test_without_a_control_there_is_a_condition(tmp_path: Path) -> None:
    assert risk(report(tmp_path, GOOD), "controls").level == "condition"


def test_a_missing_way_back_is_a_condition_until_the_policy_drops_it(tmp_path: Path) -> None:
    shapes = [shape for shape in [*GOOD, CONTROL] if shape.name != "rollback-5"]
    assert risk(report(tmp_path / "a", shapes), "way-back").level == "condition"
    dropped = report(tmp_path / "b", shapes, policy="[evidence]\nreversible = [1, 2, 3, 4]\n")
    assert risk(dropped, "way-back").level == "clear"
    assert dropped.decision == "GO"


def test_a_way_back_that_the_policy_relies_on_counts(tmp_path: Path) -> None:
    """Stage 6 strands records: by default nothing relies on it, so it is shown alone."""
    assert risk(report(tmp_path / "a", [*GOOD, CONTROL]), "stranded").level == "clear"
    relied = report(tmp_path / "b", [*GOOD, CONTROL], policy="[evidence]\nreversible = [6]\n")
    assert risk(relied, "stranded").level == "blocks"


def test_a_path_that_is_not_taken_decides_nothing(tmp_path: Path) -> None:
    baseline = Shape("restart", "Restart with another endpoint", FORWARD, outcome="FAIL", reordered=9)
    assert report(tmp_path / "a", [*GOOD, CONTROL, baseline]).decision == "NO-GO"
    found = report(tmp_path / "b", [*GOOD, CONTROL, baseline], policy='[evidence]\nnot_taken = ["restart*"]\n')
    assert found.decision == "GO"
    assert [scenario.taken for scenario in found.scenarios if scenario.name == "restart"] == [False]


def test_wanted_faults_and_repetitions_are_conditions(tmp_path: Path) -> None:
    policy = '[evidence]\nruns = 2\nfaults = ["kill connect", "freeze target"]\n'
    found = report(tmp_path, [*GOOD, CONTROL], policy=policy)
    assert "freeze target" in risk(found, "faults").measured
    assert "kill connect" not in risk(found, "faults").measured
    assert risk(found, "paths").level == "condition"


def test_each_route_has_its_own_verdict(tmp_path: Path) -> None:
    other = Shape("orders-stop-first", "Orders", FORWARD, route="orders", lost=3, outcome="FAIL")
    found = report(tmp_path, [*GOOD, CONTROL, other])
    assert {route.name: route.decision for route in found.routes} == {"flights": "GO", "orders": "NO-GO"}
    assert found.decision == "NO-GO"


@pytest.mark.parametrize(("occurred", "runs", "bound"), [(0, 1, 0.95), (0, 59, 0.0495), (1, 1, 1.0), (1, 10, 0.3942)])
def test_the_upper_bound_is_clopper_pearson(occurred: int, runs: int, bound: float) -> None:
    assert upper_bound(occurred, runs) == pytest.approx(bound, abs=0.001)


def test_without_runs_the_likelihood_is_unknown() -> None:
    assert upper_bound(0, 0) is None
    assert likelihood(0, 0) == "unknown"
    assert likelihood(1, 2) == "likely"
    assert likelihood(1, 9) == "possible"
    assert likelihood(0, 9) == "unlikely"


def test_an_empty_run_proves_nothing(tmp_path: Path) -> None:
    found = report(tmp_path, [])
    assert found.decision == "INCONCLUSIVE"
    assert "Nothing was rehearsed" in found.headline


def test_rollback_cards_measure_and_name_their_deadline(tmp_path: Path) -> None:
    cards = {card.stage: card for card in report(tmp_path, [*GOOD, CONTROL]).rollbacks}
    assert cards[1].deadline_hours is None
    assert cards[4].deadline_hours is None, "nothing names production's retention"
    assert cards[4].possible_until.startswith("not known")
    assert "320 consumed again" in cards[4].measured[0]
    assert "312 stranded" in cards[6].measured[0]
    assert cards[5].deadline_hours == pytest.approx(5 / 60)
    policy = "[production]\ntopic_retention_hours = 12\noffsets_retention_hours = 168\n"
    policy += "[clients.billing]\n'delivery.timeout.ms' = 60000\n"
    own = {card.stage: card for card in report(tmp_path, [*GOOD, CONTROL], policy=policy).rollbacks}
    assert own[4].deadline_hours == 12
    assert own[5].deadline_hours == pytest.approx(1 / 60)


def test_a_stage_that_was_not_rehearsed_is_marked(tmp_path: Path) -> None:
    found = report(tmp_path, [BY_NAME["stop-first"], Shape("back", "Back", BACK[4])])
    assert [card.outcome for card in found.rollbacks] == [None, None, None, "PASS", None, None]
    assert any("stages 1, 2, 3, 5, 6" in item.what for item in found.unproved)


def test_clients_of_the_policy_replace_the_defaults(tmp_path: Path) -> None:
    policy = "[clients.billing]\n'max.poll.interval.ms' = 1000\n'delivery.timeout.ms' = 20000\n"
    rows = {row.setting: row for row in report(tmp_path, [*GOOD, CONTROL], policy=policy).survival}
    assert set(rows) == {"max.poll.interval.ms", "delivery.timeout.ms"}
    assert rows["max.poll.interval.ms"].outcome == "gives up"  # an application that waits for its producer
    assert rows["delivery.timeout.ms"].outcome == "tight"


def frozen(role: str, seconds: float) -> list[Shape]:
    """Return the good scenarios, in one of which a process is frozen."""
    mark = Mark(START_NS + 10**10, "fault", f"freeze {role}", None, "", START_NS + 10**10 + round(seconds * 1e9))
    return changed("stop-first-connect-killed", fault=None, extra_marks=(mark,), blackout_s=1.4)


@pytest.mark.parametrize(
    ("setting", "shapes", "outcome", "level"),
    [
        # A hold of a minute: the consumer has left its group, and goes on polling. Nothing ends it.
        ("session.timeout.ms", changed("rollback-3", act_s=60.0), "survives", "clear"),
        # A blackout of consumers alone costs nothing of the poll interval either.
        ("max.poll.interval.ms", changed("rollback-3", act_s=400.0), "survives", "clear"),
        # The same time in a process that is frozen ends its membership.
        ("session.timeout.ms", frozen("consumer", 50), "gives up", "condition"),
        ("session.timeout.ms", frozen("producer", 20), "survives", "clear"),
        ("max.poll.interval.ms", frozen("consumer", 310), "gives up", "condition"),
        ("transaction.timeout.ms", frozen("producer", 61), "gives up", "condition"),
        ("transaction.timeout.ms", changed("stop-first", act_s=80.0), "survives", "condition"),
        # Held records keep their deadline.
        ("delivery.timeout.ms", changed("stop-first", blackout_s=310.0, act_s=900.0), "gives up", "blocks"),
    ],
)
def test_a_client_gives_up_only_at_its_own_timeouts(
    tmp_path: Path, setting: str, shapes: list[Shape], outcome: str, level: str
) -> None:
    found = report(tmp_path, shapes, policy='[limits]\nproducer_blackout_ms = "any"\nconsumer_blackout_ms = "any"\n')
    row = next(row for row in found.survival if row.setting == setting)
    assert (row.outcome, risk(found, "clients").level) == (outcome, level)


def test_send_blocks_only_once_the_buffer_is_full(tmp_path: Path) -> None:
    shapes = changed("stop-first", blackout_s=70.0, act_s=200.0)
    sizes = {"": "unknown", "record_bytes = 100": "survives", "record_bytes = 100000": "gives up"}
    for number, (size, outcome) in enumerate(sizes.items()):
        found = report(tmp_path / str(number), shapes, policy=f"[production]\n{size}\n")
        assert next(row for row in found.survival if row.setting == "max.block.ms").outcome == outcome
