"""The content of a report, as data: `report.json` is this model, the HTML and Markdown pages are drawn from it.

Times of a scenario are seconds since it started; dates are ISO 8601 in UTC. Nothing in here depends on when the report
was written, so the same run folder always gives the same JSON.
"""

from __future__ import annotations

from typing import Literal

from cutover_harness.judge.totals import Outcome
from pydantic import Field

from cutover_reports.model_explored import Explored
from cutover_reports.model_parts import (
    Blackout,
    Drain,
    GroupFigures,
    Measured,
    ModelPart,
    PlanReference,
    Precondition,
    RecordShown,
    TimeMark,
    Unproved,
)

__all__ = [
    "Blackout",
    "Cell",
    "Decision",
    "Drain",
    "Explored",
    "GroupFigures",
    "KeyFigure",
    "Matrix",
    "Measured",
    "PathReport",
    "PlanReference",
    "Precondition",
    "ReachedBy",
    "RecordShown",
    "Report",
    "Risk",
    "RollbackCard",
    "RouteReport",
    "Run",
    "Scenario",
    "Survival",
    "TimeMark",
    "TrendPoint",
    "Unproved",
]

Decision = Literal["GO", "GO WITH CONDITIONS", "INCONCLUSIVE", "NO-GO"]


class Scenario(Measured):
    """One rehearsed path; figures of all groups together."""

    id: str = Field(description="Unique in the report; the anchor of its section.")
    run: int = Field(description="Index into `runs`.")
    name: str
    title: str
    route: str
    kind: Literal["switchover", "rollback", "control"]
    path: list[str] = Field(
        description="The steps that were taken; with several batches those of the first one that turned back or did "
        "not end on the target, otherwise those of the last one."
    )
    of_path: str | None = Field(
        description="The path that it belongs to, by its steps: the scenario of the catalogue with the same steps and "
        "no fault. None for a negative control and for a rollback without a fault, which concern several paths."
    )
    asked_path: list[str] = Field(description="The steps that were requested; `path` has those that were run.")
    rollback_stage: int | None = Field(description="The stage it turned back from; None for a switchover.")
    faults: list[str]
    taken: bool = Field(
        description="Whether the policy counts it: a path that the cutover does not take is only shown."
    )
    outcome: Outcome
    caught: bool | None = Field(description="For a negative control: whether it failed for its stated reason.")
    must_fail: list[str]
    reasons: list[str]
    preconditions: list[Precondition]
    drain: list[Drain]
    failure: str | None
    documented: str
    groups: list[GroupFigures]
    sent: int
    duplicated: dict[str, int] = Field(description="Duplicate deliveries by cause, all groups together.")
    duplicated_total: int
    blackouts: list[Blackout]
    producer_blackout_ms: float | None
    consumer_blackout_ms: float | None
    recovery_ms: float | None
    worst_lag_records: int | None = Field(description="From stage 2 to the end of the path.")
    worst_lag_ms: float | None
    backlog_records: int | None = Field(
        description="The largest lag before stage 2, while the mirror copied what was there; not in the worst lag."
    )
    on_target_s: float | None = Field(
        description="Seconds for which groups consumed on the target until they were taken back; None: they were not."
    )
    consumed_per_hour: float | None = Field(
        description="Deliveries of all groups in an hour at the recorded speed: the rehearsed rate divided by `speed`."
    )
    produced_per_hour: float | None = Field(description="Acknowledged records in an hour, in the same way.")
    peak_acks_per_second: float | None = Field(
        description="In normal operation: what is released after a blackout or a fault comes faster, and is left out."
    )
    seconds: float | None
    speed: float
    seed: int
    marks: list[TimeMark]
    offenders: list[RecordShown] = Field(description="First records that violate the scenario's limits.")
    examples: list[RecordShown] = Field(
        description="First records behind figures that the scenario allows, or that the control has to show."
    )
    folder: str
    plan: str | None = Field(description="Hash of the plan that it was generated from; None without a plan.")
    traffic: list[str] = Field(description="Figures of the plan's traffic: which were measured, which assumed.")
    left_out: list[Unproved] = Field(description="Parts of the plan's batches that it did not rehearse.")
    notes: list[str]
    missing: list[str] = Field(description="Files of its folder that could not be read, in words.")

    @property
    def conclusive(self) -> bool:
        """Whether it proves anything: it was rehearsed, and PASSes or FAILs."""
        return self.outcome in ("PASS", "FAIL")


class Run(ModelPart):
    """One run folder."""

    folder: str
    started: str | None
    finished: str | None
    command: str = Field(description="Repeats the run, with its seed; `not recorded` if it was not recorded.")
    seed: int | None
    target_kind: str
    environment: dict[str, str]
    versions: dict[str, str]
    capture: dict[str, str]
    plan: PlanReference | None
    scenarios: int
    missing: list[str]


class Risk(ModelPart):
    """One risk of a route as a question, with the answer, and likelihood and impact from measured figures."""

    id: str
    title: str = Field(description="The question.")
    answer: str = Field(description="The answer in a sentence, with the figure.")
    likelihood: Literal["likely", "possible", "unlikely", "unknown"]
    occurred: int = Field(description="Conclusive runs in which it showed.")
    runs: int = Field(description="Conclusive runs that could have shown it.")
    at_most: float | None = Field(
        description="Upper bound of its probability in one cutover (Clopper-Pearson, 95 %); None without runs."
    )
    impact: Literal["none", "within limits", "beyond limits", "unknown"]
    measured: str
    threshold: str
    level: Literal["blocks", "condition", "accepted", "clear"]
    lowered_by: str
    command: str = Field(description="The command that removes a condition or a block; empty for other levels.")
    evidence: list[str] = Field(description="Ids of the scenarios that show it worst.")


class KeyFigure(ModelPart):
    """A figure of the first screen, in words, with the limit of the policy."""

    id: str
    title: str
    value: str
    limit: str
    state: Literal["within", "beyond", "no limit", "unknown"]
    note: str = Field(default="", description="Where it comes from, or what makes it known.")


class PathReport(ModelPart):
    """The verdict on one path that was walked, and its measured cost: the worst of its runs without a fault.

    If it has only runs with a fault, the cost is theirs, and `only_with` names the faults.
    """

    name: str
    rank: int = Field(description="1: the best decision; of equal ones the least cost.")
    decision: Decision
    decides: bool = Field(description="Whether the route's verdict counts it.")
    recommended: bool
    passed: int
    runs: int = Field(
        description="Requested runs along it, with and without a fault, and rollbacks and controls apart."
    )
    only_with: list[str] = Field(
        default=[], description="Faults of the runs that the figures are of, if none was without a fault."
    )
    lost: int | None = Field(description="None, as the other figures: not measured.")
    reordered: int | None
    stranded: int | None
    duplicated: int | None
    producer_blackout_ms: float | None
    consumer_blackout_ms: float | None
    worst_lag_records: int | None
    reasons: list[str] = Field(description="What blocks it, or why it is inconclusive.")
    open: list[str] = Field(description="Questions that are open for it alone, in words.")
    scenarios: list[str] = Field(description="Ids of its scenarios.")


class RouteReport(ModelPart):
    """The decision on one route, with its grounds."""

    name: str
    decision: Decision
    path: str | None = Field(description="The path whose verdict this is; None: no path is named, and each one counts.")
    path_from: str = Field(description="What names the path, or why none is named.")
    recommendation: str
    paths: list[PathReport] = Field(description="All paths that were walked, the best first.")
    figures: list[KeyFigure]
    reasons: list[str] = Field(description="Risks that block it, or for INCONCLUSIVE what is not proved.")
    conditions: list[str] = Field(description="Conditions to meet or accept before the cutover.")
    risks: list[Risk]
    passed: int
    failed: int
    inconclusive: int
    not_rehearsed: int
    not_counted: list[str] = Field(description="Scenarios that did not pass and decide nothing, and why.")
    controls_caught: int
    controls: int
    retention: str = Field(description="Which retention sets the deadlines of its rollback cards, and its source.")


class Cell(ModelPart):
    """One cell of the path matrix."""

    path: str
    fault: str
    outcome: Outcome
    lost: int | None
    destroyed: int
    duplicated: dict[str, int]
    reordered: int
    blackout_ms: float | None
    worst_lag_records: int | None
    scenarios: list[str]


class Matrix(ModelPart):
    """Faults as rows, and a column for each path that was walked. Rollbacks without a fault and controls are apart."""

    paths: list[str]
    faults: list[str]
    cells: list[Cell]


class RollbackCard(ModelPart):
    """The cost of a rollback at one stage of one route, and until when it is possible."""

    route: str
    stage: int
    title: str
    documented: str
    outcome: Outcome | None = Field(description="None if it was not rehearsed.")
    measured: list[str]
    grows: str = Field(description="What the cost grows by in each hour, in words.")
    per_hour: float | None = Field(description="The same in records; None: it does not grow, or is not known.")
    possible_until: str
    deadline_hours: float | None = Field(description="None: no deadline, or not known.")
    scenarios: list[str]


class ReachedBy(ModelPart):
    """How long generations of the cutover file took to arrive by one channel, over all scenarios that used it.

    Times count from the moment at which a generation was written: until a client saw it, and until it had carried it
    out (drained and held, or working on the other cluster).
    """

    channel: str = Field(description="`file`, or the channel as in statuses, such as kafka:cutover-control@source.")
    title: str
    least_s: float | None = Field(description="How late the clients' copies of the file were; None if on a local disk.")
    most_s: float | None
    arrivals: int = Field(description="Pairs of a generation and a client.")
    seen_p50_ms: float | None
    seen_p99_ms: float | None
    seen_max_ms: float | None
    applied_p50_ms: float | None
    applied_p99_ms: float | None
    applied_max_ms: float | None
    never: list[str] = Field(description="Clients that never saw a generation, and in which scenarios.")
    producer_blackout_ms: float | None = Field(description="The longest in its scenarios without a fault.")
    consumer_blackout_ms: float | None = Field(description="The longest in its scenarios without a fault.")
    scenarios: list[str] = Field(description="Ids of the scenarios.")


class Survival(ModelPart):
    """One client setting against what the rehearsals used up of it."""

    client: str
    setting: str
    role: Literal["producer", "consumer"]
    value: float
    unit: str
    rehearsed: float | None
    used: float | None = Field(description="Rehearsed divided by the setting; at 1 or more the client gives up.")
    outcome: Literal["survives", "tight", "gives up", "unknown"]
    only_if: str = Field(description='On which clients it acts at all: "always", or in words.')
    consequence: str
    scenario: str | None


class TrendPoint(ModelPart):
    """One scenario of one run, for the trend over runs."""

    run: int
    scenario: str
    started: str | None
    seed: int | None
    outcome: Outcome
    lost: int | None
    duplicated: int
    reordered: int
    blackout_ms: float | None
    worst_lag_records: int | None


class Report(ModelPart):
    """A whole report."""

    format: Literal[3] = 3
    decision: Decision
    headline: str
    figures: list[KeyFigure] = Field(description="The figures of the first screen: the worst of all routes.")
    then: str = Field(description="The command that joins the runs of all conditions' commands; empty without any.")
    policy: str
    runs: list[Run]
    routes: list[RouteReport]
    scenarios: list[Scenario]
    matrix: Matrix
    rollbacks: list[RollbackCard]
    reach: list[ReachedBy] = Field(description="How the endpoint change reaches the clients; empty if not recorded.")
    reach_notes: list[str] = Field(description="How these times apply to production.")
    survival: list[Survival]
    unproved: list[Unproved]
    trend: list[TrendPoint]
    explored: Explored = Field(description="What an exhaustive search of a small world found on the rehearsed paths.")
    missing: list[str] = Field(
        description="Files of the run folders that could not be read, and tables of the policy that are of no route."
    )
