"""Risks that follow from what was rehearsed: paths, ways back, faults, clients, controls, and the stand-in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache

from cutover_harness.judge.totals import NOT_REHEARSED
from cutover_harness.plan.load import load_all
from cutover_harness.plan.scenario import Scenario as Planned

from cutover_reports import words
from cutover_reports.commands import Commands
from cutover_reports.model import Risk, RollbackCard, Run, Scenario, Survival
from cutover_reports.paths import arrives
from cutover_reports.policy import Policy
from cutover_reports.risk import Level, answer, likelihood, unmeasured, upper_bound
from cutover_reports.survival import ALWAYS

#: A negative control of the catalogue that any set-up has to catch.
CONTROL = "producers-first"
#: The catalogue's rollbacks by stage, and those that turn back from an overlap.
_ROLLBACKS = {**{stage: f"rollback-from-{stage}" for stage in range(1, 6)}, 6: "rollback-from-6-reverse"}
_ROLLBACKS_OF_OVERLAP = {3: "overlap-rollback-from-3", 4: "overlap-rollback-from-4"}


def _risk(
    identity: str,
    title: str,
    occurred: Sequence[Scenario],
    runs: int,
    *,
    level: Level,
    measured: str,
    threshold: str,
    lowered_by: str,
    command: str,
) -> Risk:
    return Risk(
        id=identity,
        title=title,
        answer=answer(level, measured),
        likelihood=likelihood(len(occurred), runs),
        occurred=len(occurred),
        runs=runs,
        at_most=upper_bound(len(occurred), runs),
        impact="beyond limits" if level == "blocks" else "unknown" if level == "condition" else "none",
        measured=measured,
        threshold=threshold,
        level=level,
        lowered_by=lowered_by,
        command=command,
        evidence=[scenario.id for scenario in occurred][:5],
    )


def no_switchover(rehearsed: Sequence[Scenario]) -> str | None:
    """Return why going is not proved, None if a switchover passed that ended with all clients on the target."""
    forward = [scenario for scenario in rehearsed if scenario.kind == "switchover"]
    passed = [scenario for scenario in forward if scenario.outcome == "PASS"]
    if any(arrives(scenario.path) for scenario in passed):
        return None
    if passed:
        return (
            f"no switchover that passed ended with consumers and producers on the target: {words.listed(names(passed))}"
        )
    others = [s for s in rehearsed if s.kind == "rollback" and s.outcome == "PASS"]
    alone = f" ({words.plural(len(others), 'rollback')} passed, which proves nothing about going)" if others else ""
    if all(scenario.outcome == NOT_REHEARSED for scenario in forward):
        return f"no switchover was rehearsed{alone}"
    return f"no switchover passed: {words.listed(names(forward))}{alone}"


def paths(rehearsed: Sequence[Scenario], policy: Policy, commands: Commands) -> Risk:
    """Judge whether the runs themselves hold: none failed, none is unproved, and a switchover passed at all."""
    failed = [scenario for scenario in rehearsed if scenario.outcome == "FAIL"]
    unproved = [scenario for scenario in rehearsed if scenario.outcome == "INCONCLUSIVE"]
    absent = [scenario for scenario in rehearsed if scenario.outcome == NOT_REHEARSED]
    forward = no_switchover(rehearsed)
    conclusive = Counter(scenario.name for scenario in rehearsed if scenario.conclusive)
    thin = [name for name, number in conclusive.items() if number < policy.evidence.runs]
    again = failed or unproved or absent or [s for s in rehearsed if s.name in thin]
    if failed:
        measured = f"{words.plural(len(failed), 'scenario')} failed: {words.listed(names(failed))}"
    elif forward:
        measured = forward
    elif unproved:
        measured = f"{words.plural(len(unproved), 'scenario')} inconclusive: {words.listed(names(unproved))}"
    elif absent:
        measured = f"{words.plural(len(absent), 'scenario')} requested but not rehearsed: {words.listed(names(absent))}"
    elif thin:
        measured = f"too few conclusive runs of {words.listed(thin)}"
    else:
        measured = f"{words.plural(len(rehearsed), 'run')} passed"
    level: Level = "blocks" if failed else "condition" if forward or unproved or absent or thin else "clear"
    return _risk(
        "paths",
        "Does a rehearsed path fail?",
        failed,
        sum(conclusive.values()),
        level=level,
        measured=measured,
        threshold=f"every scenario passes, {words.plural(policy.evidence.runs, 'conclusive run')} each",
        lowered_by="Read the reasons of these scenarios below, remove the cause, and rehearse again.",
        command="" if level == "clear" else commands.rehearse(again, "again"),
    )


def way_back(
    rollbacks: Sequence[RollbackCard],
    reversible: Sequence[int],
    path: str | None,
    commands: Commands,
) -> Risk:
    """Judge whether each stage that has to be reversible is: by a rollback that was rehearsed from there."""
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
    level: Level = "blocks" if failed else "condition" if unproved else "clear"
    stages = failed or unproved
    return Risk(
        id="way-back",
        title="Does a rollback that is needed fail?",
        answer=answer(level, measured),
        likelihood="unknown" if unproved and not failed else likelihood(len(failed), len(wanted) - len(unproved)),
        occurred=len(failed),
        runs=len(wanted) - len(unproved),
        at_most=None,
        impact="beyond limits" if failed else "unknown" if unproved else "none",
        measured=measured,
        threshold=f"{words.stages(reversible)} reversible" if reversible else "no stage has to be reversible",
        level=level,
        lowered_by="Rehearse the rollback from there, or drop the stage from evidence.reversible in the policy.",
        command="" if level == "clear" else _rollbacks(stages, path, commands),
        evidence=[name for card in wanted if card.stage in failed for name in card.scenarios][:5],
    )


def _rollbacks(stages: Sequence[int], path: str | None, commands: Commands) -> str:
    """Return the command that rehearses the rollbacks from `stages`."""
    names = [
        _ROLLBACKS_OF_OVERLAP.get(stage, _ROLLBACKS[stage]) if path == "overlap" else _ROLLBACKS[stage]
        for stage in stages
    ]
    plan = None if commands.run is None else commands.run.plan
    if plan is None:
        return commands.named(names, "way-back")
    if commands.route not in plan.all_batches:
        # Of all batches in their order there are no rollbacks: those of each batch are rehearsed.
        return commands.policy(f"routes/{commands.route}", "reversible", "[]")
    return commands.named(names, "way-back", batches=[commands.route])


def faults(
    rehearsed: Sequence[Scenario], others: Sequence[Scenario], policy: Policy, path: str | None, commands: Commands
) -> list[Risk]:
    """Judge whether injected faults were survived. others: runs with a fault along paths that do not decide."""
    faulted = [scenario for scenario in rehearsed if scenario.faults]
    elsewhere = [scenario for scenario in others if scenario.faults and scenario.outcome == "FAIL"]
    wanted = policy.evidence.faults
    if not faulted and not wanted and not elsewhere:
        return []
    failed = [scenario for scenario in faulted if scenario.outcome == "FAIL"]
    survived = {fault for scenario in faulted if scenario.outcome == "PASS" for fault in scenario.faults}
    absent = [fault for fault in wanted if fault not in survived]
    # What did damage on another path, and was not injected on this one, is open here.
    beside = [s for s in elsewhere if not set(s.faults) <= survived]
    conclusive = sum(scenario.conclusive for scenario in faulted)
    measured = (
        f"not survived: {words.listed(names(failed))}"
        if failed
        else f"not shown to survive {words.listed(absent)}"
        if absent
        else f"{words.listed(names(beside))} failed on another path, and this one was not rehearsed with that fault"
        if beside
        else f"survived {words.listed(sorted(survived), 6)}"
        if survived
        else "every faulted run was inconclusive"
    )
    level: Level = "blocks" if failed else "condition" if absent or beside or not conclusive else "clear"
    command = ""
    if failed or (level == "condition" and not absent and not beside):
        command = commands.rehearse(failed or faulted, "faults")
    elif absent or beside:
        command = commands.named(injecting(absent or [f for s in beside for f in s.faults], path), "faults")
    return [
        _risk(
            "faults",
            "Does a fault during the cutover do damage?",
            failed,
            conclusive,
            level=level,
            measured=measured,
            threshold=f"survived: {words.listed(list(wanted), 6)}" if wanted else "every injected fault survived",
            lowered_by="Let gate deadlines and delivery.timeout.ms outlast the recovery; rehearse what is missing.",
            command=command,
        )
    ]


def injecting(wanted: Iterable[str], path: str | None) -> list[str]:
    """Return scenarios of the catalogue that inject these faults, along `path` if there is one."""
    found: list[str] = []
    known = _catalogue()
    steps = {scenario.name: [step.step for step in scenario.path] for scenario in known}
    for fault in dict.fromkeys(wanted):
        candidates = [s for s in known if not s.expect.must_fail and fault in [each.name for each in s.faults]]
        own = [s for s in candidates if path in steps and steps[s.name] == steps[str(path)]]
        found += [scenario.name for scenario in (own or candidates)[:1]]
    return list(dict.fromkeys(found))


@cache
def _catalogue() -> list[Planned]:
    return load_all()


def clients(survival: Sequence[Survival], commands: Commands) -> Risk:
    """Judge whether a client gives up.

    A setting of some clients alone is for a person to judge: a rehearsal cannot show whether production has them.
    """
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
    level: Level = "blocks" if lost else "condition" if tight or not known else "clear"
    row = next(iter(lost + tight), None)
    return Risk(
        id="clients",
        title="Does a client give up during the blackout?",
        answer=f"Possibly: {measured}" if level == "condition" and known else answer(level, measured),
        likelihood="unknown" if not known else "likely" if lost else "possible" if tight else "unlikely",
        occurred=len(lost),
        runs=len(known),
        at_most=None,
        impact="unknown" if not known else "beyond limits" if lost else "within limits" if tight else "none",
        measured=measured,
        threshold="under half of each setting",
        level=level,
        lowered_by="Raise delivery.timeout.ms and the buffers first, or shorten the blackout; then name your clients' "
        "own settings in the policy.",
        command=""
        if level == "clear"
        # Twice what was used, and a little more: under half of the setting.
        else commands.policy("clients/NAME", f'"{row.setting}"', f"{2.1 * (row.rehearsed or row.value):.0f}")
        if row is not None
        else commands.named([], "again"),
        evidence=list(dict.fromkeys(row.scenario for row in lost + tight if row.scenario))[:5],
    )


def controls(rehearsed: Sequence[Scenario], policy: Policy, commands: Commands) -> Risk:
    """Judge whether the rehearsal notices damage: enough negative controls were caught, and none was missed."""
    missed = [scenario for scenario in rehearsed if scenario.outcome == "FAIL" or scenario.caught is False]
    caught = [scenario for scenario in rehearsed if scenario.caught is True and scenario.outcome == "PASS"]
    wanted = policy.evidence.negative_controls
    level: Level = "blocks" if missed else "condition" if len(caught) < wanted else "clear"
    measured = (
        f"not caught: {words.listed(names(missed))}"
        if missed
        else f"{words.plural(len(caught), 'negative control')} caught"
    )
    again = commands.rehearse(missed, "controls") if missed else commands.named([CONTROL], "controls")
    return _risk(
        "controls",
        "Could damage go unnoticed?",
        missed,
        len(missed) + len(caught),
        level=level,
        measured=measured,
        threshold=f"at least {wanted} caught",
        lowered_by="Rehearse a negative control: a path that has to fail, and for the stated reason.",
        command="" if level == "clear" else again,
    )


def stand_in(runs: Sequence[Run], scenarios: Sequence[Scenario], commands: Commands) -> list[Risk]:
    """Return the risk that a stand-in leaves: no run on one can carry an unconditional GO."""
    used = {scenario.run for scenario in scenarios}
    on_stand_in = [runs[index] for index in sorted(used) if runs[index].target_kind != "AutoMQ"]
    if not on_stand_in:
        return []
    measured = f"{words.plural(len(on_stand_in), 'run')} of {len(used)} had a stand-in as target"
    return [
        unmeasured(
            "stand-in",
            "Does AutoMQ behave differently from the stand-in?",
            answer=f"Not known: {measured}",
            measured=measured,
            threshold="rehearsed on AutoMQ",
            lowered_by="Rehearse on AutoMQ itself before the cutover; that run has a report of its own.",
            command=commands.on("docker"),
        )
    ]


def unnamed_path(walked: Sequence[str], best: str | None, commands: Commands) -> Risk:
    """Return the condition that no path is named although several were walked."""
    measured = f"{words.plural(len(walked), 'path')} rehearsed, and none is named: {words.listed(list(walked))}"
    chosen = best or walked[0]
    return unmeasured(
        "path",
        "Is it open which path the cutover takes?",
        answer=f"Yes, so every path counts: {measured}",
        measured=measured,
        threshold="one path, named by the plan or the policy",
        lowered_by="Name the path: its verdict is then that of the route.",
        command=commands.policy(f"routes/{commands.route}", "path", f'"{chosen}"'),
    )


def names(scenarios: Sequence[Scenario]) -> list[str]:
    """Return the names of scenarios, each once."""
    return list(dict.fromkeys(scenario.name for scenario in scenarios))
