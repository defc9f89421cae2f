"""Figures of one scenario, from its facts, its judgement and its verdict."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from cutover_harness.judge.measures import BY_NAME, CAUSES
from cutover_harness.judge.model import Expectation, GroupMeasures, Judgement, Mark, RunFacts, Verdict
from cutover_harness.judge.totals import NOT_REHEARSED, blackout_ms, longest, total, totals

from cutover_reports.model import (
    Blackout,
    Drain,
    GroupFigures,
    Measured,
    Precondition,
    RecordShown,
    Scenario,
    TimeMark,
    Unproved,
)
from cutover_reports.paths import deciding, path_of, rollback_stage
from cutover_reports.reading import ScenarioFolder

UNNAMED_ROUTE = "unnamed route"
SYNCHRONISING = 2
"""The stage from which on the mirror lag counts: before it, the mirror copies what was there already."""


def figures(scenario: ScenarioFolder, run: int, ids: set[str], not_taken: Iterable[str] = ()) -> Scenario:
    """Return the figures of one scenario; `ids` holds the ids in use and gets this one's."""
    facts = scenario.facts or _announced(scenario)
    judgement = scenario.judgement or Judgement(run=facts.run)
    verdict = _of_what_is_known(scenario.verdict or _no_verdict(scenario), scenario)
    groups = [_group(measures) for measures in judgement.groups]
    blackouts = _blackouts(judgement, facts.started_ns)
    found = totals(judgement)
    measured: dict[str, Any] = {name: total(judgement.groups, name) for name in Measured.model_fields}
    must_fail = list(facts.expectation.must_fail)
    path = deciding(facts.path, facts.paths)
    back = rollback_stage(path)
    records = _records(judgement, facts, scenario.name)
    rates = _per_hour(scenario, facts, judgement)
    return Scenario(
        id=_unique_id(run, scenario.name, ids),
        run=run,
        name=scenario.name,
        title=facts.title or scenario.name,
        route=facts.route or UNNAMED_ROUTE,
        kind="control" if verdict.control or must_fail else "switchover" if back is None else "rollback",
        path=path,
        of_path=None,  # known once all scenarios of the route are
        asked_path=scenario.path or facts.path,
        rollback_stage=back,
        faults=list(dict.fromkeys(mark.name for mark in facts.marks if mark.kind == "fault")) or scenario.faults,
        taken=not any(fnmatchcase(scenario.name, pattern) for pattern in not_taken),
        outcome=verdict.outcome if scenario.absent is None else NOT_REHEARSED,
        caught=verdict.caught,
        must_fail=must_fail,
        reasons=verdict.reasons,
        preconditions=[
            Precondition(name=each.name, held=each.held, evidence=each.evidence)
            for each in verdict.preconditions or facts.preconditions
        ],
        drain=[Drain(group=proof.group, held=proof.held, evidence=proof.evidence) for proof in facts.drain],
        failure=facts.failure,
        documented=facts.expectation.documented,
        groups=groups,
        sent=found.sent,
        duplicated=found.duplicated,
        duplicated_total=found.duplicated_total,
        blackouts=blackouts,
        producer_blackout_ms=found.producer_blackout_ms,
        consumer_blackout_ms=found.consumer_blackout_ms,
        recovery_ms=longest(each.recovery_ms for each in blackouts),
        worst_lag_records=judgement.worst_lag_records,
        worst_lag_ms=judgement.worst_lag_ms,
        backlog_records=_backlog(scenario, facts),
        on_target_s=_on_target_s(facts) if back is not None else None,
        consumed_per_hour=rates[0],
        produced_per_hour=rates[1],
        peak_acks_per_second=_peak(scenario, _disturbed(blackouts, facts)),
        seconds=round((facts.finished_ns - facts.started_ns) / 1e9, 1) if facts.finished_ns else None,
        speed=facts.speed,
        seed=facts.seed,
        marks=[_mark(mark, facts.started_ns) for mark in sorted(facts.marks, key=lambda mark: mark.time_ns)],
        offenders=[record for record in records if record.counts_as == "violation"],
        examples=[record for record in records if record.counts_as != "violation"],
        folder=scenario.name,
        plan=None if facts.plan is None else facts.plan.sha256,
        traffic=[] if facts.plan is None else facts.plan.traffic,
        left_out=[Unproved(**part.to_json()) for part in ([] if facts.plan is None else facts.plan.not_rehearsed)],
        notes=judgement.notes,
        missing=scenario.missing,
        **measured,
    )


def with_paths(scenarios: list[Scenario], named: Mapping[str, str]) -> list[Scenario]:
    """Return the scenarios, each with the path that it belongs to, among those of its route.

    named: the path that the plan names for each batch, which is that of the scenario with the batch's name.
    """

    def base(scenario: Scenario) -> str:
        return scenario.name.removeprefix(f"{scenario.route}.")

    found = []
    for scenario in scenarios:
        plain = {
            base(other): other.asked_path
            for other in scenarios
            if other.route == scenario.route and other.kind == "switchover" and not other.faults and other.asked_path
        }
        if scenario.kind == "control" or (scenario.kind == "rollback" and not scenario.faults):
            path = None
        elif scenario.name == scenario.route and scenario.route in named:
            path = named[scenario.route]
        else:
            path = path_of(base(scenario), scenario.asked_path, plain) if scenario.asked_path else base(scenario)
        found.append(scenario.model_copy(update={"of_path": path}))
    return found


def _announced(scenario: ScenarioFolder) -> RunFacts:
    """Return the facts of a scenario that has none: its request in rehearsal.json."""
    return RunFacts(
        run=0,
        scenario=scenario.name,
        title=scenario.title,
        path=scenario.path,
        expectation=Expectation(must_fail=tuple(scenario.must_fail)),
        completed=False,
    )


def _of_what_is_known(verdict: Verdict, scenario: ScenarioFolder) -> Verdict:
    """Return the verdict; a PASS needs the path, the testbed and the measures, and none that contradicts it."""
    if verdict.outcome != "PASS":
        return verdict
    facts, judgement = scenario.facts, scenario.judgement
    if facts is None or judgement is None or not judgement.groups:
        lacking = "run.json" if facts is None else "its measures"
        why = f"it passed, but without {lacking} it is unknown what passed"
    elif (found := _contradiction(verdict, facts, judgement)) is not None:
        why = f"it passed, but {found}"
    else:
        return verdict
    return replace(verdict, outcome="INCONCLUSIVE", reasons=[why])


def _contradiction(verdict: Verdict, facts: RunFacts, judgement: Judgement) -> str | None:
    """Return what no run that passed has, as when files of two runs came together; None if there is nothing."""
    if judgement.run != facts.run:
        return f"verdict.json is of run {judgement.run}, and run.json of run {facts.run}"
    if not facts.completed:
        return f"run.json says that the path was not completed: {facts.failure or 'no reason given'}"
    unmet = [each.name for each in (*verdict.preconditions, *facts.preconditions) if not each.held]
    if unmet:
        return f"a precondition does not hold: {unmet[0]}"
    return f"what it rests on is in doubt: {judgement.doubts[0]}" if judgement.doubts else None


def _no_verdict(scenario: ScenarioFolder) -> Verdict:
    if scenario.absent is not None:
        return Verdict(outcome="INCONCLUSIVE", reasons=[scenario.absent])
    failure = scenario.facts.failure if scenario.facts else None
    reason = f"stopped before it was judged: {failure}" if failure else "no verdict in its folder, so nothing is proved"
    return Verdict(outcome="INCONCLUSIVE", reasons=[reason])


def _group(measures: GroupMeasures) -> GroupFigures:
    return GroupFigures(
        group=measures.group,
        sent=measures.sent,
        acked=measures.acked,
        delivered=measures.delivered,
        missing=measures.missing,
        duplicated={cause: getattr(measures.duplicated, cause) for cause in CAUSES},
        **{name: getattr(measures, name) for name in Measured.model_fields},
    )


def _blackouts(judgement: Judgement, started_ns: int) -> list[Blackout]:
    return [
        Blackout(
            role=blackout.role,
            group=blackout.group,
            from_cluster=blackout.from_cluster,
            to_cluster=blackout.to_cluster,
            from_s=_seconds(blackout.gap_from_ns or blackout.time_ns_from, started_ns),
            to_s=_seconds(blackout.gap_to_ns or blackout.time_ns_to, started_ns),
            longest_ms=blackout_ms(blackout),
            normal_ms=blackout.normal_ms,
            worst_instance=blackout.worst_instance,
            recovery_ms=blackout.recovery_ms,
        )
        for blackout in judgement.blackouts
    ]


def _counts_as(kind: str, expected: Expectation) -> Literal["violation", "allowed", "shown by the control"]:
    """Return whether records of a kind violate the limits of a scenario."""
    measure = "lost" if kind == "missing" else kind
    if measure in expected.must_fail:
        return "shown by the control"
    return "allowed" if measure in BY_NAME and expected.limit(measure) is None else "violation"


def _records(judgement: Judgement, facts: RunFacts, folder: str) -> list[RecordShown]:
    return [
        RecordShown(
            kind=offender.kind,
            group=offender.group,
            topic=offender.topic,
            partition=offender.partition,
            offset=offender.offset,
            cluster=offender.cluster,
            key=offender.key,
            sequence=offender.sequence,
            at_s=_seconds(offender.time_ns, facts.started_ns),
            detail=offender.detail,
            counts_as=_counts_as(offender.kind, facts.expectation),
            ledgers=[f"{folder}/ledger/{instance}" for instance in offender.seen_by],
        )
        for offender in judgement.offenders
    ]


def _mark(mark: Mark, started_ns: int) -> TimeMark:
    return TimeMark(
        kind=mark.kind,
        name=mark.name,
        stage=mark.stage,
        detail=mark.detail,
        from_s=_seconds(mark.time_ns, started_ns),
        to_s=None if mark.end_ns is None else _seconds(mark.end_ns, started_ns),
    )


def _seconds(time_ns: int, started_ns: int) -> float:
    return round((time_ns - started_ns) / 1e9, 3)


CATCHING_UP_S = 10.0
"""How long after a blackout or a fault acks may come faster than applications produce: held records are released."""


def _disturbed(blackouts: Iterable[Blackout], facts: RunFacts) -> list[tuple[float, float]]:
    """Return the times, in seconds since the start, in which the rate of acks is not that of the applications."""
    spans = [(each.from_s, each.to_s) for each in blackouts if each.role == "producer"]
    for mark in facts.marks:
        if mark.kind == "fault":
            end_ns = mark.time_ns if mark.end_ns is None else mark.end_ns
            spans.append((_seconds(mark.time_ns, facts.started_ns), _seconds(end_ns, facts.started_ns)))
    return [(begin, end + CATCHING_UP_S) for begin, end in spans]


def _peak(scenario: ScenarioFolder, disturbed: Iterable[tuple[float, float]]) -> float | None:
    """Return the most acks in a second outside of `disturbed`, None if there is no such second."""
    acks = scenario.series.get("acks")
    if acks is None:
        return None
    for begin, end in disturbed:
        acks = acks[(acks.index < begin) | (acks.index > end)]
    return None if acks.empty else float(acks.max())


def _backlog(scenario: ScenarioFolder, facts: RunFacts) -> int | None:
    """Return the largest lag before stage 2, which the worst lag leaves out; None without a sample there."""
    begin_ns = min((m.time_ns for m in facts.marks if m.kind == "stage" and m.stage == SYNCHRONISING), default=None)
    lag = scenario.series.get("lag")
    if lag is None or begin_ns is None:
        return None
    before = lag[lag.index < _seconds(begin_ns, facts.started_ns)]
    return None if before.empty else int(before.max())


def _on_target_s(facts: RunFacts) -> float | None:
    """Return for how long groups consumed on the target before they were taken back: the longest of all groups."""
    spans = []
    for group in dict.fromkeys(cut.group for cut in facts.cuts if cut.role == "consumer"):
        cuts = sorted((c for c in facts.cuts if c.role == "consumer" and c.group == group), key=lambda c: c.time_ns_to)
        there = next((cut for cut in cuts if cut.to_cluster == "target"), None)
        back = None if there is None else next((c for c in cuts if c.to_cluster == "source" and c is not there), None)
        if there is not None and back is not None and back.time_ns_from >= there.time_ns_from:
            spans.append(max(0, back.time_ns_from - there.time_ns_to) / 1e9)
    return round(max(spans), 1) if spans else None


def _per_hour(scenario: ScenarioFolder, facts: RunFacts, judgement: Judgement) -> tuple[float | None, float | None]:
    """Return what all groups consume and what producers produce in an hour at the recorded speed.

    Each group consumes what was acknowledged in its topics. The hour is that of the recorded traffic: what was
    rehearsed faster is divided by the replay's speed.
    """
    acks = scenario.series.get("acks")
    busy = None if acks is None else acks[acks > 0]
    if busy is None or len(busy) < 2 or not facts.speed:
        return None, None
    hours = float(busy.index[-1] - busy.index[0]) / 3600 * facts.speed
    groups = sum(measures.acked for measures in judgement.groups)
    return round(groups / hours, 1), round(totals(judgement).acked / hours, 1)


def _unique_id(run: int, name: str, taken: set[str]) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "scenario"
    candidate, number = f"s{run + 1}-{slug}", 2
    while candidate in taken:
        candidate, number = f"s{run + 1}-{slug}-{number}", number + 1
    taken.add(candidate)
    return candidate
