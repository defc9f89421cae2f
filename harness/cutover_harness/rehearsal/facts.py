"""The facts of a run, from journals, lab and judgement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cutover_harness.conductor.timeline import Timeline
from cutover_harness.judge.model import (
    Copied,
    Destroyed,
    DrainProof,
    Judgement,
    LagSample,
    Mark,
    Precondition,
    Reach,
    RunFacts,
)
from cutover_harness.judge.planned import Planned
from cutover_harness.plan.batch import WHOLE, ResolvedBatch
from cutover_harness.plan.scenario import Scenario
from cutover_harness.rehearsal import preconditions
from cutover_harness.rehearsal.expected import expectation
from cutover_harness.rehearsal.growth import Grown


@dataclass(frozen=True)
class RouteEvidence:
    """Evidence of the run of one batch.

    timeline: from its conductor's journal; None if it was never started. topics: also those that appeared on the way.
    left: clusters that its producers finally left.
    """

    batch: ResolvedBatch
    timeline: Timeline | None
    topics: Sequence[str]
    left: Sequence[str]


@dataclass(frozen=True)
class Evidence:
    """Evidence of a run, apart from the ledgers.

    number: marks its records. testbed: its description. capture: its description.
    around_s: how long before a move traffic counts as being in the middle of it.
    routes: of the batches that move, in their order; stays: the other one.
    marks: of faults and growth. fault_proofs: what proves that faults hit. grown: what appeared while the path ran.
    reach: how the cutover file reached the fleet, None if it follows none.
    failure: why the path did not end as expected, None if it did.
    planned: the part of a plan that it rehearsed, None without a plan.
    """

    scenario: Scenario
    number: int
    seed: int
    speed: float
    testbed: Mapping[str, str]
    capture: Mapping[str, Any]
    around_s: float
    started_ns: int
    finished_ns: int
    routes: Sequence[RouteEvidence]
    stays: ResolvedBatch | None
    marks: Sequence[Mark]
    fault_proofs: Sequence[Precondition]
    grown: Grown | None
    lag: Sequence[LagSample]
    drain: Sequence[DrainProof]
    copied: Sequence[Copied]
    destroyed: Sequence[Destroyed]
    reach: Reach | None
    failure: str | None
    planned: Planned | None = None


def run_facts(evidence: Evidence, judgement: Judgement | None = None) -> RunFacts:
    """Return the facts; with the judgement also what it proves or disproves about the run itself."""
    scenario, routes = evidence.scenario, evidence.routes
    timelines = [route.timeline for route in routes if route.timeline is not None]
    marks = [mark for timeline in timelines for mark in timeline.marks]
    several = len(routes) + (evidence.stays is not None) > 1
    planned = evidence.planned
    facts = RunFacts(
        run=evidence.number,
        scenario=scenario.name,
        title=scenario.title,
        path=_path(scenario, timelines),
        paths=_paths(routes) if len(routes) > 1 else {},
        route=WHOLE if planned is None else planned.route,
        groups=_topics_of_groups(evidence),
        started_ns=evidence.started_ns,
        finished_ns=evidence.finished_ns,
        expectation=expectation(scenario),
        testbed=dict(evidence.testbed),
        capture=dict(evidence.capture),
        speed=evidence.speed,
        seed=evidence.seed,
        marks=sorted([*marks, *evidence.marks], key=lambda mark: mark.time_ns),
        cuts=[cut for timeline in timelines for cut in timeline.cuts],
        lag=list(evidence.lag),
        drain=list(evidence.drain),
        copied=[*(copied for timeline in timelines for copied in timeline.copied), *evidence.copied],
        destroyed=list(evidence.destroyed),
        reach=evidence.reach,
        plan=planned,
        routes={route.batch.name: list(route.topics) for route in routes} if several else {},
        cluster_left=list(routes[0].left),
        topic_left=_topics_left(evidence) if several else {},
        preconditions=[
            *(
                each
                for timeline in timelines
                for each in preconditions.awaited(timeline.preconditions, scenario.preconditions)
            ),
            *preconditions.faults_hit(scenario.faults, evidence.fault_proofs),
        ],
        completed=evidence.failure is None,
        failure=evidence.failure,
    )
    if judgement is not None:
        facts.preconditions.extend(_judged(evidence, facts, judgement))
    return facts


def _judged(evidence: Evidence, facts: RunFacts, judgement: Judgement) -> list[Precondition]:
    """Return what only the ledgers prove about the run."""
    scenario = evidence.scenario
    found = preconditions.mid_traffic(judgement, facts.cuts, facts.marks, around_s=evidence.around_s)
    found += preconditions.groups_behind(judgement, facts.marks, scenario.behind_at)
    if scenario.fleet.transactions is not None and scenario.fleet.transactions.abort_every:
        found.append(preconditions.aborted(judgement))
    if evidence.grown is not None:
        found += evidence.grown.preconditions(judgement)
    return found


def _path(scenario: Scenario, timelines: Sequence[Timeline]) -> list[str]:
    """Return the steps that the last batch took, or those of the scenario if no batch took any."""
    taken = [str(step) for step in timelines[-1].steps] if timelines else []
    return taken or [str(step.step) for step in scenario.path]


def _paths(routes: Sequence[RouteEvidence]) -> dict[str, list[str]]:
    """Return the steps that each batch took."""
    return {
        route.batch.name: [str(step) for step in route.timeline.steps]
        for route in routes
        if route.timeline is not None and route.timeline.steps
    }


def _topics_of_groups(evidence: Evidence) -> dict[str, list[str]]:
    found = {
        group: route.batch.read_by(group, route.topics) for route in evidence.routes for group in route.batch.groups
    }
    if evidence.stays is not None:
        found |= {group: list(evidence.stays.topics) for group in evidence.stays.groups}
    return found


def _topics_left(evidence: Evidence) -> dict[str, list[str]]:
    """Return the clusters that each topic's producers left; topics of no batch left none."""
    found = {topic: list(route.left) for route in evidence.routes for topic in route.topics}
    if evidence.stays is not None:
        found |= {topic: [] for topic in evidence.stays.topics}
    return found
