"""GO, GO WITH CONDITIONS or NO-GO for one route, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from cutover_harness.judge.totals import NOT_REHEARSED

from cutover_reports import words
from cutover_reports.model import Decision, Risk, RollbackCard, RouteReport, Run, Scenario, Survival
from cutover_reports.policy import Policy
from cutover_reports.risk import likelihood, measured_risks, upper_bound
from cutover_reports.survival import ALWAYS


def judge_route(
    name: str,
    scenarios: Sequence[Scenario],
    runs: Sequence[Run],
    rollbacks: Sequence[RollbackCard],
    survival: Sequence[Survival],
    policy: Policy,
    retention: str = "",
) -> RouteReport:
    """Weigh one route's scenarios. `scenarios` are those of the route, from all `runs`."""
    reversible = policy.reversible_stages(name)
    # A rollback that the policy does not rely on is shown, and decides nothing.
    apart = {s.id: why for s in scenarios if (why := _why_not_counted(s, reversible))}
    counted = [s for s in scenarios if s.id not in apart]
    rehearsed = [scenario for scenario in counted if scenario.kind != "control"]
    controls = [scenario for scenario in counted if scenario.kind == "control"]
    risks = [
        *measured_risks(counted, policy.limits_of(name)),
        _paths(rehearsed, policy),
        _way_back(rollbacks, reversible),
        *_faults(rehearsed, policy),
        _clients(survival),
        _controls(controls, policy),
        *_stand_in(runs, scenarios),
    ]
    order = {"blocks": 0, "condition": 1, "accepted": 2, "clear": 3}
    risks.sort(key=lambda risk: order[risk.level])
    blocking = [risk for risk in risks if risk.level == "blocks"]
    open_ones = [risk for risk in risks if risk.level == "condition"]
    unproved = _no_switchover(rehearsed)
    decision = decide([risk.level for risk in risks], proved=unproved is None)
    outcomes = Counter(scenario.outcome for scenario in rehearsed)
    return RouteReport(
        name=name,
        decision=decision,
        reasons=[f"{risk.title}: {risk.measured} (accepted: {risk.threshold})" for risk in blocking]
        or ([unproved] if unproved else []),
        conditions=[f"{risk.title}: {risk.measured}. {risk.lowered_by}" for risk in open_ones],
        risks=risks,
        passed=outcomes["PASS"],
        failed=outcomes["FAIL"],
        inconclusive=outcomes["INCONCLUSIVE"],
        not_rehearsed=sum(scenario.outcome == NOT_REHEARSED for scenario in counted),
        not_counted=[
            f"{s.name}: {s.outcome}, {apart[s.id]}" for s in scenarios if s.id in apart and s.outcome != "PASS"
        ],
        controls_caught=sum(scenario.caught is True for scenario in controls),
        controls=len(controls),
        retention=retention,
    )


#: From the worst to the best.
DECISIONS: tuple[Decision, ...] = ("NO-GO", "INCONCLUSIVE", "GO WITH CONDITIONS", "GO")


def decide(levels: Collection[str], *, proved: bool) -> Decision:
    """Decide from the levels of all risks; `proved`: whether a switchover passed at all.

    A risk that blocks is a no, whatever else is not proved. Without a switchover that passed, nothing is proved about
    going, however well everything else went: that is neither a yes nor a no.
    """
    if "blocks" in levels:
        return "NO-GO"
    if not proved:
        return "INCONCLUSIVE"
    return "GO WITH CONDITIONS" if "condition" in levels else "GO"


def worst_decision(decisions: Collection[Decision]) -> Decision:
    """Return the worst of `decisions`; INCONCLUSIVE if there are none, since nothing was shown."""
    return next((decision for decision in DECISIONS if decision in decisions), "INCONCLUSIVE")


def _why_not_counted(scenario: Scenario, reversible: Collection[int]) -> str | None:
    """Return why a scenario decides nothing, None if it counts."""
    if not scenario.taken:
        return "not counted: the policy lists this path as not taken"
    if scenario.rollback_stage is not None and scenario.rollback_stage not in reversible:
        return f"not counted: the policy does not rely on a rollback from stage {scenario.rollback_stage}"
    return None


def _no_switchover(rehearsed: Sequence[Scenario]) -> str | None:
    """Return why going is not proved, None if a switchover passed."""
    forward = [scenario for scenario in rehearsed if scenario.kind == "switchover"]
    if any(scenario.outcome == "PASS" for scenario in forward):
        return None
    others = [s for s in rehearsed if s.kind == "rollback" and s.outcome == "PASS"]
    alone = f" ({words.plural(len(others), 'rollback')} passed, which proves nothing about going)" if others else ""
    if all(scenario.outcome == NOT_REHEARSED for scenario in forward):
        return f"no switchover was rehearsed{alone}"
    return f"no switchover passed: {words.listed(_names(forward))}{alone}"


def _risk(
    identity: str,
    title: str,
    occurred: Sequence[Scenario],
    runs: int,
    *,
    blocks: bool,
    condition: bool,
    measured: str,
    threshold: str,
    lowered_by: str,
) -> Risk:
    return Risk(
        id=identity,
        title=title,
        likelihood=likelihood(len(occurred), runs),
        occurred=len(occurred),
        runs=runs,
        at_most=upper_bound(len(occurred), runs),
        impact="beyond limits" if blocks else "unknown" if condition else "none",
        measured=measured,
        threshold=threshold,
        level="blocks" if blocks else "condition" if condition else "clear",
        lowered_by=lowered_by,
        evidence=[scenario.id for scenario in occurred][:5],
    )


def _paths(rehearsed: Sequence[Scenario], policy: Policy) -> Risk:
    """Judge whether the paths themselves hold: none failed, none is unproved, and a switchover passed at all."""
    failed = [scenario for scenario in rehearsed if scenario.outcome == "FAIL"]
    unproved = [scenario for scenario in rehearsed if scenario.outcome == "INCONCLUSIVE"]
    absent = [scenario for scenario in rehearsed if scenario.outcome == NOT_REHEARSED]
    forward = _no_switchover(rehearsed)
    conclusive = Counter(scenario.name for scenario in rehearsed if scenario.conclusive)
    thin = [name for name, number in conclusive.items() if number < policy.evidence.runs]
    if failed:
        measured = f"{words.plural(len(failed), 'path')} failed: {words.listed(_names(failed))}"
    elif forward:
        measured = forward
    elif unproved:
        measured = f"{words.plural(len(unproved), 'path')} inconclusive: {words.listed(_names(unproved))}"
    elif absent:
        measured = f"{words.plural(len(absent), 'path')} requested but not rehearsed: {words.listed(_names(absent))}"
    elif thin:
        measured = f"too few conclusive runs of {words.listed(thin)}"
    else:
        measured = f"{words.plural(len(rehearsed), 'run')} passed"
    return _risk(
        "paths",
        "A path does not do what it promises",
        failed,
        sum(conclusive.values()),
        blocks=bool(failed),
        condition=bool(forward or unproved or absent or thin),
        measured=measured,
        threshold=f"every path passes, {words.plural(policy.evidence.runs, 'conclusive run')} each",
        lowered_by="Read the reasons of these scenarios below, remove the cause, and rehearse again.",
    )


def _way_back(rollbacks: Sequence[RollbackCard], reversible: Sequence[int]) -> Risk:
    wanted = [card for card in rollbacks if card.stage in reversible]
    failed = [card.stage for card in wanted if card.outcome == "FAIL"]
    unproved = [card.stage for card in wanted if card.outcome not in ("PASS", "FAIL")]
    measured = (
        f"rollback failed at {words.stages(failed)}"
        if failed
        else f"not proved at {words.stages(unproved)}"
        if unproved
        else f"proved at {words.stages([card.stage for card in wanted])}"
        if wanted
        else "not required"
    )
    return Risk(
        id="way-back",
        title="A rollback that is needed does not work",
        likelihood="unknown" if unproved and not failed else likelihood(len(failed), len(wanted) - len(unproved)),
        occurred=len(failed),
        runs=len(wanted) - len(unproved),
        at_most=None,
        impact="beyond limits" if failed else "unknown" if unproved else "none",
        measured=measured,
        threshold=f"{words.stages(reversible)} reversible" if reversible else "no stage has to be reversible",
        level="blocks" if failed else "condition" if unproved else "clear",
        lowered_by="Rehearse the rollback from there, or drop the stage from evidence.reversible in the policy.",
        evidence=[name for card in wanted if card.stage in failed for name in card.scenarios][:5],
    )


def _faults(rehearsed: Sequence[Scenario], policy: Policy) -> list[Risk]:
    faulted = [scenario for scenario in rehearsed if scenario.faults]
    wanted = policy.evidence.faults
    if not faulted and not wanted:
        return []
    failed = [scenario for scenario in faulted if scenario.outcome == "FAIL"]
    survived = {fault for scenario in faulted if scenario.outcome == "PASS" for fault in scenario.faults}
    absent = [fault for fault in wanted if fault not in survived]
    conclusive = sum(scenario.conclusive for scenario in faulted)
    measured = (
        f"not survived: {words.listed(_names(failed))}"
        if failed
        else f"not shown to survive {words.listed(absent)}"
        if absent
        else f"survived {words.listed(sorted(survived), 6)}"
        if survived
        else "every faulted run was inconclusive"
    )
    return [
        _risk(
            "faults",
            "A fault during the cutover does damage",
            failed,
            conclusive,
            blocks=bool(failed),
            condition=bool(absent) or not conclusive,
            measured=measured,
            threshold=f"survived: {words.listed(list(wanted), 6)}" if wanted else "every injected fault survived",
            lowered_by="Let gate deadlines and delivery.timeout.ms outlast the recovery; rehearse what is missing.",
        )
    ]


def _clients(survival: Sequence[Survival]) -> Risk:
    # A setting of some clients alone is for a person to judge: a rehearsal cannot show whether production has them.
    lost = [row for row in survival if row.outcome == "gives up" and row.only_if == ALWAYS]
    tight = [row for row in survival if row.outcome in ("tight", "gives up") and row not in lost]
    known = [row for row in survival if row.used is not None]
    worst = max(known, key=lambda row: row.used or 0, default=None)
    measured = (
        "no blackout was measured"
        if worst is None
        else f"at most {100 * (worst.used or 0):.0f} % of {worst.setting} ({worst.client}"
        f"{'' if worst.only_if == ALWAYS else f'; only {worst.only_if}'})"
    )
    return Risk(
        id="clients",
        title="A client gives up during the blackout",
        likelihood="unknown" if not known else "likely" if lost else "possible" if tight else "unlikely",
        occurred=len(lost),
        runs=len(known),
        at_most=None,
        impact="unknown" if not known else "beyond limits" if lost else "within limits" if tight else "none",
        measured=measured,
        threshold="under half of each setting",
        level="blocks" if lost else "condition" if tight or not known else "clear",
        lowered_by="Raise delivery.timeout.ms and the buffers first, or shorten the blackout.",
        evidence=list(dict.fromkeys(row.scenario for row in lost + tight if row.scenario))[:5],
    )


def _controls(controls: Sequence[Scenario], policy: Policy) -> Risk:
    missed = [scenario for scenario in controls if scenario.outcome == "FAIL" or scenario.caught is False]
    caught = [scenario for scenario in controls if scenario.caught is True and scenario.outcome == "PASS"]
    wanted = policy.evidence.negative_controls
    few = len(caught) < wanted
    return _risk(
        "controls",
        "The rehearsal does not notice damage",
        missed,
        len(missed) + len(caught),
        blocks=bool(missed),
        condition=few,
        measured=f"missed: {words.listed(_names(missed))}"
        if missed
        else f"{words.plural(len(caught), 'negative control')} caught",
        threshold=f"at least {wanted} caught",
        lowered_by="Rehearse a negative control: a path that has to fail, and for the stated reason.",
    )


def _stand_in(runs: Sequence[Run], scenarios: Sequence[Scenario]) -> list[Risk]:
    """Return the risk that a stand-in leaves: no run on one can carry an unconditional GO."""
    used = {scenario.run for scenario in scenarios}
    on_stand_in = [runs[index] for index in sorted(used) if runs[index].target_kind != "AutoMQ"]
    if not on_stand_in:
        return []
    return [
        Risk(
            id="stand-in",
            title="AutoMQ behaves differently from the stand-in",
            likelihood="unknown",
            occurred=0,
            runs=0,
            at_most=None,
            impact="unknown",
            measured=f"{words.plural(len(on_stand_in), 'run')} of {len(used)} on a stand-in target",
            threshold="rehearsed on AutoMQ",
            level="condition",
            lowered_by="Rehearse once on AutoMQ itself before the cutover.",
            evidence=[],
        )
    ]


def _names(scenarios: Sequence[Scenario]) -> list[str]:
    return list(dict.fromkeys(scenario.name for scenario in scenarios))
