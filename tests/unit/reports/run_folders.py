"""Run folders as a rehearsal leaves them, built through the judge's own dataclasses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cutover_harness.judge.model import (
    Arrival,
    Blackout,
    Cut,
    DrainProof,
    Duplicated,
    Expectation,
    GroupMeasures,
    Judgement,
    LagSample,
    LogMeasures,
    Mark,
    Offender,
    Precondition,
    Reach,
    Report,
    RunFacts,
    SecondSeries,
    Series,
    Verdict,
)
from cutover_harness.judge.spread import spread
from cutover_harness.procedure.path import states_after
from cutover_harness.procedure.steps import step_of

START_NS = 1_795_000_000 * 10**9
FORWARD = [
    "create-task",
    "synchronise",
    "stop-consumers",
    "consumers-to-target",
    "stop-producers",
    "producers-to-target",
    "delete-task",
]
BACK: dict[int, list[str]] = {
    1: [*FORWARD[:1], "delete-task"],
    2: [*FORWARD[:2], "delete-task"],
    3: [*FORWARD[:3], "consumers-to-source", "delete-task"],
    4: [*FORWARD[:4], "stop-consumers", "consumers-to-source", "delete-task"],
    5: [*FORWARD[:5], "producers-to-source", "stop-consumers", "consumers-to-source", "delete-task"],
    6: [*FORWARD[:6], "stop-producers", "producers-to-source", "stop-consumers", "consumers-to-source", "delete-task"],
}
PRODUCERS_FIRST = ["create-task", "synchronise", "producers-to-target", "consumers-to-target", "delete-task"]


@dataclass(frozen=True)
class Shape:
    """What a made-up scenario shows."""

    name: str
    title: str
    path: Sequence[str]
    outcome: Any = "PASS"
    reasons: Sequence[str] = ()
    lost: int | None = 0
    across: int = 0
    reordered: int = 0
    stranded: int | None = 0
    fault: str | None = None
    must_fail: tuple[str, ...] = ()
    caught: bool | None = None
    documented: str = ""
    route: str = "flights"
    groups: Sequence[str] = ("audit", "billing")
    topics: Sequence[str] = ("flights",)
    key: str = "UA1545"
    preconditions: Sequence[Precondition] = (
        Precondition("producers moved from source to target mid-traffic", True, "1243 acks before, 1199 after"),
    )
    offenders: Sequence[str] = ()
    act_s: float = 6.0
    rate: int = 240
    seconds: int = 0
    blackout_s: float = 1.4
    extra_marks: Sequence[Mark] = field(default=())
    reach: Reach | None = None


def _at(seconds: float) -> int:
    return START_NS + round(seconds * 1e9)


def reach(
    *late_ms: float, channel: str = "file", most_s: float | None = None, never: Sequence[str] = (), of: str = "file"
) -> Reach:
    """Return how generations reached clients: each by `channel` after so many ms, carried out 10 ms later."""
    arrivals = [
        Arrival(2, f"audit-{n}", "consumer", START_NS, channel, _at(ms / 1000), _at((ms + 10) / 1000))
        for n, ms in enumerate(late_ms)
    ]
    arrivals += [Arrival(2, instance, "consumer", START_NS) for instance in never]
    least_s = None if most_s is None else most_s - 1
    return Reach(of, least_s, most_s, arrivals, spread(arrivals))


SHAPES = (
    Shape(
        "stop-first",
        "Documented switchover: consumers stop, then producers",
        FORWARD,
        documented="consumption pauses at stage 3, production at stage 5",
        reach=reach(118, 40, 203),
    ),
    *(
        Shape(
            f"rollback-{stage}",
            f"Turn back from stage {stage}",
            path,
            across=0 if stage < 4 else 40 * stage,
            stranded=312 if stage == 6 else 0,
        )
        for stage, path in BACK.items()
        if stage != 5
    ),
    Shape(
        "rollback-5",
        "Turn back from stage 5",
        BACK[5],
        outcome="INCONCLUSIVE",
        lost=None,
        reasons=("precondition not held: audit drained",),
        preconditions=(Precondition("audit drained", False, "3 records behind after 60 s"),),
    ),
    Shape(
        "stop-first-connect-killed",
        "The Connect worker is killed while producers stop",
        FORWARD,
        fault="kill connect",
        blackout_s=6.2,
    ),
    Shape(
        "producers-first",
        "Negative control: producers move before consumers",
        PRODUCERS_FIRST,
        reordered=57,
        must_fail=("reordered",),
        caught=True,
        reasons=("reordered: 57, as the control has to show",),
        offenders=("reordered",) * 3,
    ),
)


def write_run(
    out: Path,
    shapes: Sequence[Shape] = SHAPES,
    *,
    target_kind: str = "stand-in",
    seed: int = 1,
    day: int = 24,
    finished: bool = True,
) -> Path:
    """Write a whole run folder and return it."""
    out.mkdir(parents=True, exist_ok=True)
    for shape in shapes:
        write_scenario(out, shape, seed)
    (out / "rehearsal.json").write_text(
        json.dumps(
            rehearsal([shape.name for shape in shapes], target_kind=target_kind, seed=seed, day=day, finished=finished),
            indent=1,
        ),
        "utf-8",
    )
    return out


def rehearsal(names: list[str], *, target_kind: str, seed: int, day: int, finished: bool) -> dict[str, Any]:
    target = "AutoMQ 1.7.3 (Kafka 3.9.1)" if target_kind == "AutoMQ" else "Apache Kafka 3.9.1 standing in for AutoMQ"
    return {
        "format": 1,
        "started": f"2026-11-{day}T10:00:00+00:00",
        "finished": f"2026-11-{day}T10:09:30+00:00" if finished else None,
        "command": f"kafka-cutover rehearse --seed {seed} --out cutover-out",
        "seed": seed,
        "versions": {"kafka-cutover": "0.1.0", "confluent-kafka": "2.16.1"},
        "environment": {
            "source": "Apache Kafka 3.9.2",
            "target": target,
            "connect": "Apache Kafka Connect 3.9.2, MirrorMaker 2",
            "host": "2 cores, 24 GiB",
        },
        "target_kind": target_kind,
        "capture": {
            "name": "flights-2013-01-week1",
            "records": 6099,
            "topics": {"flights": {"partitions": 3}},
            "span_s": 604800,
        },
        "scenarios": names,
    }


def write_scenario(out: Path, shape: Shape, seed: int = 1) -> None:
    """Write one scenario folder: run.json and verdict.json, and an empty ledger."""
    home = out / shape.name
    (home / "ledger").mkdir(parents=True, exist_ok=True)
    facts, judgement = facts_of(shape, seed), judgement_of(shape, seed)
    facts.save(home / "run.json")
    verdict = Verdict(
        shape.outcome, bool(shape.must_fail), shape.caught, list(shape.reasons), list(shape.preconditions)
    )
    Report(verdict, judgement).save(home / "verdict.json")


def facts_of(shape: Shape, seed: int = 1) -> RunFacts:
    marks, cuts = _timeline(shape)
    seconds = _length(shape)
    return RunFacts(
        run=seed,
        scenario=shape.name,
        title=shape.title,
        path=list(shape.path),
        route=shape.route,
        groups={group: list(shape.topics) for group in shape.groups},
        started_ns=START_NS,
        finished_ns=START_NS + seconds * 10**9,
        marks=marks,
        lag=[LagSample(_at(s), _lag(shape, s, seed)) for s in range(seconds)],
        drain=[
            DrainProof(group, shape.lost is not None, "read to the end of all partitions") for group in shape.groups
        ],
        preconditions=list(shape.preconditions),
        expectation=Expectation(must_fail=shape.must_fail, documented=shape.documented),
        testbed={"source": "Apache Kafka 3.9.2"},
        capture={"name": "flights-2013-01-week1"},
        speed=1200.0,
        seed=seed,
        cuts=cuts,
        cluster_left=["source"],
        reach=shape.reach,
    )


def judgement_of(shape: Shape, seed: int = 1) -> Judgement:
    seconds = _length(shape)
    acked = shape.rate * seconds
    _, cuts = _timeline(shape)

    def rates(noise: int, role: str) -> list[int]:
        return [_rate(shape, second, noise, cuts, role) for second in range(seconds)]

    return Judgement(
        run=seed,
        groups=[
            GroupMeasures(
                group,
                list(shape.topics),
                [f"{group}-1"],
                sent=acked,
                acked=acked,
                delivered=acked + shape.across,
                distinct=acked,
                missing=shape.lost or 0,
                lost=shape.lost,
                duplicated=Duplicated(re_read_across=shape.across),
                reordered=shape.reordered,
                stranded=shape.stranded,
                drained=shape.lost is not None,
            )
            for group in shape.groups
        ],
        logs=[LogMeasures(shape.topics[0], 0, sent=acked, acked=acked)],
        series=Series(
            start_ns=START_NS,
            seconds=[
                SecondSeries("acks", None, "source", rates(seed, "producer")),
                *(
                    SecondSeries("deliveries", group, "source", rates(seed + n, "consumer"))
                    for n, group in enumerate(shape.groups)
                ),
            ],
        ),
        blackouts=[
            Blackout(
                cut.role,
                cut.group,
                cut.from_cluster,
                cut.to_cluster,
                cut.time_ns_from,
                cut.time_ns_to,
                longest_ms=(cut.time_ns_to - cut.time_ns_from) / 1e6 + 110.0,
                gap_from_ns=cut.time_ns_from,
                gap_to_ns=cut.time_ns_to,
                normal_ms=24.0,
                recovery_ms=850.0,
            )
            for cut in cuts
        ],
        offenders=[
            Offender(
                kind,
                shape.groups[0],
                shape.topics[0],
                1,
                1180 + n,
                "target",
                7,
                40 + n,
                _at(21.5 + n),
                shape.key,
                [f"{shape.groups[0]}-1"],
                f"sequence {40 + n} was first delivered after {44 + n}",
            )
            for n, kind in enumerate(shape.offenders)
        ],
        worst_lag_records=max(_lag(shape, s, seed) for s in range(seconds)),
    )


def half_written(out: Path) -> Path:
    """Write what an interruption leaves: a whole scenario, a torn one, one without a verdict, one not begun."""
    shapes = {shape.name: shape for shape in SHAPES}
    write_run(out, [shapes["stop-first"], shapes["rollback-4"], shapes["rollback-3"]], finished=False)
    torn = out / "rollback-4" / "verdict.json"
    torn.write_text(torn.read_text("utf-8")[:200], "utf-8")
    (out / "rollback-3" / "verdict.json").unlink()
    facts = replace(
        facts_of(shapes["rollback-3"]), completed=False, failure="gate attested: billing-2 is missing", finished_ns=0
    )
    facts.save(out / "rollback-3" / "run.json")
    about = json.loads((out / "rehearsal.json").read_text("utf-8"))
    about["scenarios"].append("rollback-6")
    (out / "rehearsal.json").write_text(json.dumps(about), "utf-8")
    return out


def _length(shape: Shape) -> int:
    return shape.seconds or round(4 + shape.act_s * len(shape.path) + 6)


def _timeline(shape: Shape) -> tuple[list[Mark], list[Cut]]:
    """Space the steps evenly; a switch lasts from the hold of its clients to the release."""
    marks: list[Mark] = list(shape.extra_marks)
    cuts: list[Cut] = []
    step = (_length(shape) - 10) / len(shape.path)
    stage, held = 0, {}
    states = states_after(shape.path)
    place = {"consumers": "source", "producers": "source"}
    for number, (act, state) in enumerate(zip(shape.path, states, strict=True)):
        begin = 4 + step * number
        end = begin + shape.blackout_s
        marks.append(Mark(_at(begin), "step", act, state.stage, "", _at(begin + 0.4)))
        marks.append(
            Mark(
                _at(begin + 0.4),
                "gate",
                "attested" if step_of(act).moves else "lag",
                state.stage,
                "all there",
                _at(end),
            )
        )
        if state.stage != stage:
            stage = state.stage
            marks.append(Mark(_at(begin + 0.4), "stage", f"stage {stage}", stage, act))
        who = step_of(act).moves
        if who is None:
            continue
        there = str(step_of(act).destination)
        if there == "hold":
            held[who] = begin
            continue
        for group in shape.groups if who == "consumers" else [None]:
            role: Any = who.removesuffix("s")
            cuts.append(Cut(_at(held.get(who, begin)), _at(end), role, group, place[who], there))
        held.pop(who, None)
        place[who] = there
    if shape.fault:
        begin = 4 + step * 4.2
        marks.append(Mark(_at(begin), "fault", shape.fault, None, "at stop-producers", _at(begin + 3)))
    return marks, cuts


def _noise(second: int, seed: int) -> float:
    """Return a fixed pseudo-random number from -1 to 1."""
    return ((second * 7919 + seed * 104729) * 2654435761 % 2**32) / 2**31 - 1


def _lag(shape: Shape, second: int, seed: int) -> int:
    start = 900 * max(0.0, 1 - second / 9) if second > 2 else 0
    return max(0, round(start + 25 + 22 * _noise(second, seed)))


def _rate(shape: Shape, second: int, seed: int, cuts: Sequence[Cut], role: str) -> int:
    for cut in cuts:
        if cut.role == role and cut.time_ns_from <= _at(second) < cut.time_ns_to:
            return 0
    return max(0, round(shape.rate * (1 + 0.18 * _noise(second, seed))))
