"""What a report says, as data: `report.json` is this model, the HTML and Markdown pages are drawn from it.

Times of a scenario are seconds since it started; dates are ISO 8601 in UTC. Nothing in here depends on when the report
was written, so the same run folder always gives the same JSON.
"""

from __future__ import annotations

from typing import Literal

from cutover_harness.judge.totals import Outcome
from pydantic import BaseModel, ConfigDict, Field

Decision = Literal["GO", "GO WITH CONDITIONS", "INCONCLUSIVE", "NO-GO"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Guard(_Model):
    """A condition without which a run proves nothing."""

    name: str
    held: bool
    evidence: str


class Drain(_Model):
    """Whether a group was proved to have been given everything before it was judged."""

    group: str
    held: bool
    evidence: str


class GroupFigures(_Model):
    """What one consumer group saw. `lost` and `stranded` are None where the run could not prove them."""

    group: str
    sent: int
    acked: int
    delivered: int
    lost: int | None
    destroyed: int = Field(description="What a fault destroyed on purpose: neither missing nor lost.")
    missing: int
    phantom: int
    aborted_read: int
    duplicated: dict[str, int] = Field(description="Duplicate deliveries by cause.")
    disordered: int
    log_order: int
    stranded: int | None
    offset_regression: int


class Pause(_Model):
    """The longest silence around one switch, against the longest in the normal rhythm."""

    role: Literal["producer", "consumer"]
    group: str | None
    from_cluster: str
    to_cluster: str
    from_s: float
    to_s: float
    longest_ms: float | None = Field(
        description="Of the whole fleet or group, or of its worst process where that is longer."
    )
    normal_ms: float | None
    worst_instance: str | None
    recovery_ms: float | None


class Offender(_Model):
    """One of the first offending records of a kind, and where the ledger holds it."""

    kind: str
    group: str | None
    topic: str
    partition: int
    offset: int
    cluster: str
    key: str | None
    sequence: int
    at_s: float | None
    detail: str
    counts_as: Literal["violation", "allowed", "shown by the control"] = Field(
        description="Whether the scenario allows it, or as a negative control has to show it."
    )
    ledgers: list[str] = Field(description="The ledger folders of who logged it, relative to the run folder.")


class TimeMark(_Model):
    """A stage, gate, act, fault or phase on the time line."""

    kind: Literal["stage", "gate", "act", "fault", "phase"]
    name: str
    stage: int | None
    detail: str
    from_s: float
    to_s: float | None


class Scenario(_Model):
    """One rehearsed path."""

    id: str = Field(description="Unique in the report; the anchor of its section.")
    run: int = Field(description="Index into `runs`.")
    name: str
    title: str
    route: str
    kind: Literal["switchover", "rollback", "control"]
    path: list[str]
    rollback_stage: int | None = Field(description="The stage it turned back from; None for a switchover.")
    faults: list[str]
    taken: bool = Field(
        description="Whether the policy counts it: a path that the cutover does not take is only shown."
    )
    outcome: Outcome
    caught: bool | None = Field(description="For a negative control: whether it failed for its stated reason.")
    must_fail: list[str]
    reasons: list[str]
    guards: list[Guard]
    drain: list[Drain]
    failure: str | None
    documented: str
    groups: list[GroupFigures]
    sent: int
    lost: int | None
    destroyed: int = Field(description="What a fault destroyed on purpose, all groups together: not lost.")
    phantom: int
    stranded: int | None
    disordered: int
    log_order: int
    duplicated: dict[str, int] = Field(description="By cause, all groups together.")
    duplicated_total: int
    pauses: list[Pause]
    producer_pause_ms: float | None
    consumer_pause_ms: float | None
    recovery_ms: float | None
    worst_lag_records: int | None
    worst_lag_ms: float | None
    peak_acks_per_second: float | None = Field(
        description="In normal operation: what is released after a pause or a fault comes faster, and is left out."
    )
    seconds: float | None
    speed: float
    seed: int
    marks: list[TimeMark]
    offenders: list[Offender]
    folder: str
    notes: list[str]
    missing: list[str] = Field(description="What could not be read of its folder, in words.")

    @property
    def conclusive(self) -> bool:
        """Whether it proves anything: it was rehearsed, and PASSes or FAILs."""
        return self.outcome in ("PASS", "FAIL")


class Run(_Model):
    """One run folder."""

    folder: str
    started: str | None
    finished: str | None
    command: str
    seed: int | None
    target_kind: str
    environment: dict[str, str]
    versions: dict[str, str]
    capture: dict[str, str]
    scenarios: int
    missing: list[str]


class Risk(_Model):
    """One risk of a route, with likelihood and impact from measured figures."""

    id: str
    title: str
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
    evidence: list[str] = Field(description="Ids of the scenarios that show it worst.")


class Route(_Model):
    """What the report says about one route."""

    name: str
    decision: Decision
    reasons: list[str] = Field(description="What blocks it, or for INCONCLUSIVE what nothing proves.")
    conditions: list[str] = Field(description="What has to be done or accepted before going.")
    risks: list[Risk]
    passed: int
    failed: int
    inconclusive: int
    not_rehearsed: int
    not_counted: list[str] = Field(description="Scenarios that did not pass and decide nothing, and why.")
    controls_caught: int
    controls: int
    retention: str = Field(
        description="Which retention sets the deadlines of its rollback cards, and where it is known from."
    )


class Cell(_Model):
    """One cell of the path matrix."""

    path: str
    fault: str
    outcome: Outcome
    lost: int | None
    destroyed: int
    duplicated: dict[str, int]
    disordered: int
    pause_ms: float | None
    worst_lag_records: int | None
    control: bool
    caught: bool | None
    scenarios: list[str]


class Matrix(_Model):
    """Path by fault."""

    paths: list[str]
    faults: list[str]
    cells: list[Cell]


class RollbackCard(_Model):
    """What turning back costs at one stage of one route, and until when it is possible."""

    route: str
    stage: int
    title: str
    documented: str
    outcome: Outcome | None = Field(description="None where it was not rehearsed.")
    measured: list[str]
    possible_until: str
    deadline_hours: float | None
    scenarios: list[str]


class Survival(_Model):
    """One client setting against what the rehearsals used up of it."""

    client: str
    setting: str
    role: Literal["producer", "consumer"]
    value: float
    unit: str
    rehearsed: float | None
    used: float | None = Field(
        description="Rehearsed divided by the setting; 1 or more means that the client gives up."
    )
    outcome: Literal["survives", "tight", "gives up", "unknown"]
    only_if: str = Field(description='On which clients it acts at all: "always", or in words.')
    consequence: str
    scenario: str | None


class Unproved(_Model):
    """Something that was not rehearsed, and what that leaves open."""

    what: str
    leaves_open: str
    how: str


class TrendPoint(_Model):
    """One scenario of one run, for the trend over runs."""

    run: int
    scenario: str
    started: str | None
    seed: int | None
    outcome: Outcome
    lost: int | None
    duplicated: int
    disordered: int
    pause_ms: float | None
    worst_lag_records: int | None


class Report(_Model):
    """Everything a report says."""

    format: Literal[1] = 1
    decision: Decision
    headline: str
    policy: str
    runs: list[Run]
    routes: list[Route]
    scenarios: list[Scenario]
    matrix: Matrix
    rollbacks: list[RollbackCard]
    survival: list[Survival]
    unproved: list[Unproved]
    trend: list[TrendPoint]
    missing: list[str] = Field(description="What could not be read of the run folders, in words.")
