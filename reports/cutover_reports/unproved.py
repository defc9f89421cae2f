"""The section "Not rehearsed": gaps of these runs, and what is unknown because of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cutover_harness.faults.union import leaves_open
from cutover_harness.judge.totals import NOT_REHEARSED
from cutover_harness.procedure.state import STAGES

from cutover_reports import words
from cutover_reports.model import Run, Scenario, Unproved
from cutover_reports.plans import left_out


def unproved(runs: Sequence[Run], scenarios: Sequence[Scenario]) -> list[Unproved]:
    """Return the gaps of these runs, the most important first."""
    conclusive = [scenario for scenario in scenarios if scenario.conclusive]
    return [
        *_target(runs),
        *left_out(runs, scenarios),
        *_inconclusive(runs, scenarios),
        *_rollbacks(conclusive),
        *_faults(conclusive),
        *_controls(conclusive),
        *_conditions(runs, conclusive),
    ]


def _target(runs: Sequence[Run]) -> Iterable[Unproved]:
    if all(run.target_kind == "AutoMQ" for run in runs) and runs:
        return
    yield Unproved(
        what="AutoMQ itself: the target was a stand-in",
        leaves_open="acknowledgement time (about 250 ms per write, not under 1 ms), mirror throughput and recovery "
        "after a kill are those of Apache Kafka, so every blackout and lag here is too short",
        how="rehearse on AutoMQ itself",
    )


def _inconclusive(runs: Sequence[Run], scenarios: Sequence[Scenario]) -> Iterable[Unproved]:
    for scenario in scenarios:
        if not scenario.conclusive:
            plan = runs[scenario.run].plan
            asked = (
                "requested, but not rehearsed" if scenario.outcome == NOT_REHEARSED else "rehearsed, but inconclusive"
            )
            yield Unproved(
                what=f"{scenario.name}: {asked}",
                leaves_open=scenario.reasons[0] if scenario.reasons else "the run proved nothing",
                how=f"kafka-cutover rehearse {scenario.name}" if plan is None else f"rehearse {plan.file} again",
            )


def _rollbacks(scenarios: Sequence[Scenario]) -> Iterable[Unproved]:
    for route in dict.fromkeys(scenario.route for scenario in scenarios):
        done = {s.rollback_stage for s in scenarios if s.kind == "rollback" and s.route == route}
        absent = [stage for stage in range(1, 7) if stage not in done]
        if absent:
            yield Unproved(
                what=f"Route {route}: the rollback from {words.stages(absent)}",
                leaves_open="whether a rollback works there, and what it costs: "
                + "; ".join(f"{n} {STAGES[n]}" for n in absent),
                how="kafka-cutover rehearse with the rollback scenarios of `kafka-cutover scenarios list`",
            )


def _faults(scenarios: Sequence[Scenario]) -> Iterable[Unproved]:
    hit = {fault.split()[-1] for scenario in scenarios for fault in scenario.faults if fault}
    absent = {victim: text for victim, text in leaves_open().items() if victim not in hit}
    if absent:
        yield Unproved(
            what=f"Faults of {words.listed(list(absent), len(absent))}",
            leaves_open="; ".join(absent.values()),
            how="kafka-cutover rehearse with scenarios that inject faults",
        )


def _controls(scenarios: Sequence[Scenario]) -> Iterable[Unproved]:
    if not any(scenario.kind == "control" for scenario in scenarios):
        yield Unproved(
            what="A negative control",
            leaves_open="whether this set-up notices lost, duplicated or reordered records at all",
            how="kafka-cutover rehearse with a scenario that has to fail",
        )


def _conditions(runs: Sequence[Run], scenarios: Sequence[Scenario]) -> Iterable[Unproved]:
    fast = sorted({scenario.speed for scenario in scenarios if scenario.speed != 1})
    if fast:
        factors = words.listed([words.factor(speed) for speed in fast])
        yield Unproved(
            what=f"The capture's own rhythm: it was replayed at {factors} times its speed",
            leaves_open="blackouts and lag are those of that rate, not of production's",
            how="kafka-cutover rehearse --speed 1",
        )
    seeds = {run.seed for run in runs if run.seed is not None}
    if len(seeds) < 2 and len(runs) < 2:
        yield Unproved(
            what="Repetition: each path ran once",
            leaves_open="races that occur now and then: after one clean run, "
            "a failure may still have a probability of up to 95 %",
            how="repeat with other seeds, then kafka-cutover report DIR DIR …",
        )
    yield Unproved(
        what="Your production clusters: broker count, disks, network, TLS and SASL, quotas and ACLs",
        leaves_open="absolute figures there; order, loss and duplicates do not depend on them, blackouts do",
        how="compare the settings with those of production, and rehearse in staging",
    )
