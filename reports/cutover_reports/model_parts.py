"""The smallest parts of a report: figures of a group, blackouts, records, marks, and the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cutover_harness.judge.measures import FIGURES
from pydantic import BaseModel, ConfigDict, Field, create_model


class ModelPart(BaseModel):
    """Base of all parts."""

    model_config = ConfigDict(extra="forbid")


class Precondition(ModelPart):
    """A condition without which a run proves nothing."""

    name: str
    held: bool
    evidence: str


class Drain(ModelPart):
    """Whether a group was proved to have read everything before it was judged."""

    group: str
    held: bool
    evidence: str


if TYPE_CHECKING:  # A type checker cannot read a model that is built from a table; here are the fields that code names.

    class Measured(ModelPart):
        """A figure for each measure of the judge; None if the run could not prove it."""

        lost: int | None
        destroyed: int
        phantom: int
        reordered: int
        stranded: int | None

else:
    Measured = create_model(
        "Measured",
        __base__=ModelPart,
        **{
            each.name: (
                int | None if each.unknown else int,
                Field(description=f"{each.unit.capitalize()} {each.words}."),
            )
            for each in FIGURES
            if each.name != "missing"  # A scenario's `missing` lists files that could not be read.
        },
    )


class GroupFigures(Measured):
    """Figures of one consumer group."""

    group: str
    sent: int
    acked: int
    delivered: int
    missing: int
    duplicated: dict[str, int] = Field(description="Duplicate deliveries by cause.")


class Blackout(ModelPart):
    """The longest time without an acknowledgement or delivery around one switch, against the normal one."""

    role: Literal["producer", "consumer"]
    group: str | None
    from_cluster: str
    to_cluster: str
    from_s: float
    to_s: float
    longest_ms: float | None = Field(
        description="Of the whole fleet or group, or of its worst process if that is longer."
    )
    normal_ms: float | None
    worst_instance: str | None
    recovery_ms: float | None


class RecordShown(ModelPart):
    """One of the first records behind a figure, and the ledgers that contain it."""

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


class TimeMark(ModelPart):
    """A stage, gate, step, fault or phase on the time line."""

    kind: Literal["stage", "gate", "step", "fault", "phase"]
    name: str
    stage: int | None
    detail: str
    from_s: float
    to_s: float | None


class Unproved(ModelPart):
    """Something that was not rehearsed, and what is unknown because of that."""

    what: str
    leaves_open: str
    how: str


class PlanReference(ModelPart):
    """The plan that a run rehearsed. The hashes are SHA-256 of the files' bytes."""

    name: str
    file: str
    sha256: str
    inventory: str | None = None
    inventory_sha256: str | None = None
    batches: list[str] = Field(default=[], description="The batches that were rehearsed, in the plan's order.")
    all_batches: list[str] = Field(default=[], description="All batches of the plan, in its order.")
    paths: dict[str, str] = Field(default={}, description="The path of each batch; `own steps` if it lists steps.")
    topic_retention_hours: dict[str, float | None] = Field(
        default={},
        description="Shortest retention of each batch's topics in the inventory; null: unlimited. A batch is left "
        "out if it is not known of all of its topics.",
    )
    offsets_retention_hours: float | None = Field(
        default=None, description="`offsets.retention.minutes` of the source in the inventory; null: not known there."
    )
