"""The content of a cutover's report: its `report.json` is this model, the HTML and Markdown pages are drawn from it.

Times are ISO 8601 in UTC, durations seconds; null is what the run folder does not show.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal[
    "complete and verified",
    "complete, accepted unproved",
    "complete, not verified",
    "complete, not read back",
    "unfinished",
    "rolled back",
    "not begun",
    "contradicted",
    "inconclusive",
]
Verdict = Literal[
    "COMPLETE AND VERIFIED",
    "COMPLETE, ACCEPTED UNPROVED",
    "COMPLETE, NOT PROVED",
    "UNFINISHED",
    "ROLLED BACK",
    "CONTRADICTED",
    "INCONCLUSIVE",
]


class Part(BaseModel):
    """Base of all parts."""

    model_config = ConfigDict(extra="forbid")


class Approval(Part):
    """One request for the approval of a step."""

    asked: str
    answered: str | None = Field(description="null: no answer, and the conductor asked again later, or it still waits.")
    waited_s: float | None
    approved: bool | None
    by: str | None
    how: str | None = Field(description="terminal of the run, kafka-cutover advance, webhook, or --yes-until.")
    shown: list[str] = Field(description="Figures that were shown with the request.")


class GateRecord(Part):
    """One reading of a gate to its end. A gate that is asked again after a resume has several."""

    name: str
    state: Literal["passed", "missed", "waiting"]
    evidence: str = Field(description="What opened it; why it was missed; what it waits for.")
    waited_for: str | None = Field(description="What it waited for last before it opened, if it waited.")
    begun: str | None
    ended: str | None
    wait_s: float | None
    again: bool = Field(description="Whether an earlier conductor, or attempt, has passed or missed it before.")


class Command(Part):
    """A command of the plan that stops or starts a client without the shim."""

    client: str
    argv: list[str]
    location: str | None
    begun: str
    ended: str | None
    seconds: float | None
    exit_code: int | None = Field(description="null: it was killed at its time limit, or has no end.")
    output: str = Field(description="The last lines.")


class Step(Part):
    """One step of the path, or of the way back."""

    number: int
    name: str
    back: bool = Field(description="Whether it belongs to the way back.")
    state: Literal["done", "in progress", "stopped", "left", "dropped"]
    begun: str | None
    done: str | None
    seconds: float | None = Field(description="From the moment when its gates were open to its end.")
    approvals: list[Approval]
    gates: list[GateRecord]
    commands: list[Command]


class ClientBlackout(Part):
    """How long one client was without an acknowledgement or a delivery around a change of cluster."""

    client: str
    role: Literal["producer", "consumer"]
    group: str | None
    to_cluster: str | None
    last: str | None = Field(
        description="The last acknowledgement or delivery before it, or the beginning of the bound."
    )
    first: str | None = Field(description="The first one after it, or the end of the bound.")
    seconds: float | None
    bound: Literal["exact", "at most", "at least"]
    note: str


class ReadAgain(Part):
    """How many records a group has read a second time because of a move."""

    group: str
    cluster: Literal["source", "target"]
    partitions: int
    proved: int = Field(description="Partitions of which the offset was set to the very record.")
    at_most: int | None = Field(description="null: not known.")
    note: str


class VerifiedPartition(Part):
    """What `verify` found in one partition."""

    topic: str
    partition: int
    compared: int
    missing: int
    extra: int
    reordered: int
    altered: int
    twice: int
    outcome: Literal["equal", "different", "unproved"]
    note: str


class Verified(Part):
    """The comparison of a batch before its mirror was deleted."""

    outcome: Literal["equal", "different", "unproved"]
    accepted: bool = Field(description="Whether a person has accepted what is not proved.")
    began: str
    seconds: float
    compared: int
    reasons: list[str]
    partitions: list[VerifiedPartition]


class ReadBack(Part):
    """What clients, document and mirror confirmed at the end."""

    at: str
    proved: list[str]
    wrong: list[str]
    unknown: list[str]


class Limit(Part):
    """A moment after which going back is worse, or impossible."""

    at: str
    what: str


class GoingBack(Part):
    """What going back to the source costs, as recorded last."""

    recorded: str | None
    possible: bool
    costs: list[str]
    limits: list[Limit]
    problem: str | None


class Bypass(Part):
    """A client that worked on the wrong cluster."""

    at: str
    words: str


class Compared(Part):
    """One figure of the rehearsal beside that of the cutover."""

    what: str
    rehearsed: str
    happened: str
    more: bool = Field(description="Whether the cutover's figure is larger than the rehearsed one.")


class Beside(Part):
    """The rehearsal of one batch beside its cutover."""

    scenario: str
    outcome: str
    rows: list[Compared]


class LagPoint(Part):
    """A reading of the mirror lag."""

    at: str
    records: int


class Batch(Part):
    """One batch, or an earlier attempt of it."""

    name: str
    attempt: str | None = Field(description="The folder of an earlier attempt; null: the last attempt, which counts.")
    state: State
    reasons: list[str]
    plan: str | None = Field(description="SHA-256 of the plan that moved it.")
    stage: int | None
    stage_name: str | None
    producers: str | None
    consumers: str | None
    begun: str | None
    ended: str | None
    steps: list[Step]
    blackouts: list[ClientBlackout]
    read_again: list[ReadAgain]
    lag: list[LagPoint]
    verified: Verified | None
    read_back: ReadBack | None
    going_back: GoingBack | None
    bypass: list[Bypass]
    beside: Beside | None
    not_beside: str | None = Field(description="Why no rehearsal is shown beside it.")
    missing: list[str]
    notes: list[str]


class CommandLine(Part):
    """One command that worked on the run, by the audit log."""

    at: str
    who: str
    command: str
    batch: str | None
    event: str
    detail: str


class Plan(Part):
    """The plan of the run."""

    name: str
    sha256: str


class Rehearsal(Part):
    """The rehearsal beside the run. counts: whether it is of the same plan."""

    folder: str
    plan: str | None
    started: str | None
    counts: bool
    note: str


class CutoverReport(Part):
    """A whole report."""

    format: Literal[1] = 1
    kind: Literal["cutover"] = "cutover"
    verdict: Verdict
    headline: str
    folder: str
    plan: Plan | None
    begun: str | None
    ended: str | None
    batches: list[Batch]
    earlier: list[Batch] = Field(description="Earlier attempts of batches that came back to the source.")
    rehearsals: list[Rehearsal]
    people: list[CommandLine]
    missing: list[str] = Field(description="Files of the run folder that could not be read or contradict each other.")
    notes: list[str]
