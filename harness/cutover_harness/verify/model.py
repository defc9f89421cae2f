"""The result of a verification; `python -m cutover_harness.verify.model` prints its JSON schema."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Outcome = Literal["equal", "different", "unproved"]


class Part(BaseModel):
    """Base of all parts."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Place(Part):
    """A record, without its content."""

    source: int | None = Field(default=None, description="Offset on the source.")
    target: int | None = Field(default=None, description="Offset on the target.")
    key: str | None = Field(default=None, description="First 12 hex digits of the SHA-256 of its key; null: no key.")


class Count(Part):
    """Records of one kind."""

    count: int = Field(default=0, ge=0)
    first: tuple[Place, ...] = Field(default=(), description="The first ten.")


class Partition(Part):
    """One partition."""

    topic: str
    partition: int
    source_begin: int = Field(description="First source offset that was compared.")
    source_end: int = Field(description="Source offset up to which was compared, exclusive.")
    target_begin: int
    target_end: int
    native_from: int | None = Field(
        default=None, description="Target offset from which applications write there themselves; null: not known."
    )
    compared: int = Field(ge=0, description="Source records that are equal on the target, in order.")
    missing: Count = Field(description="Source records that the target lacks.")
    extra: Count = Field(description="Target records that the source lacks.")
    reordered: Count = Field(description="Records that are on the target out of order.")
    altered: Count = Field(description="Records of which key, value, headers or timestamp differ.")
    twice: Count = Field(description="Second copies on the target.")
    missing_at_end: int = Field(default=0, description="Of the missing ones: behind the last record on the target.")
    after: int = Field(default=0, description="Target records behind the last mirrored one; native_from is not known.")
    compacted_source: int = Field(default=0, description="Removed by compaction on the source, and accounted for.")
    compacted_target: int = Field(default=0, description="Removed by compaction on the target, and accounted for.")
    removed_source: int = Field(default=0, description="Target offsets whose source records retention has removed.")
    removed_target: int = Field(default=0, description="Source records whose copies retention has removed.")
    keys: int | None = Field(default=None, description="Keys that were compared by their last record.")
    offsets: int = Field(description="Source offsets that were compared; fewer than all in a sample.")
    timestamps: bool = Field(
        default=True, description="False: the target's broker sets them, so they were not compared."
    )
    notes: tuple[str, ...] = Field(default=(), description="Why something is not proved.")

    @property
    def name(self) -> str:
        """Return topic and number."""
        return f"{self.topic}-{self.partition}"

    @property
    def different(self) -> bool:
        """Whether a record differs. Second copies count: applications process them."""
        kinds = (self.missing, self.extra, self.reordered, self.altered, self.twice)
        return any(kind.count for kind in kinds)


class GroupOffset(Part):
    """A group's offset in one partition."""

    group: str
    topic: str | None = Field(default=None, description="null: the group as a whole.")
    partition: int | None = None
    source: int | None = Field(default=None, description="Its offset on the source: the next record to read.")
    target: int | None = Field(default=None, description="Its offset on the target.")
    exact: int | None = Field(default=None, description="Target offset of the same record; null: not proved.")
    proved: bool
    different: bool = False
    reason: str


class SampleTaken(Part):
    """Part of the records that was compared."""

    share: float = Field(gt=0, le=1)
    seed: int


class Verification(Part):
    """What was compared and found for one batch."""

    format: Literal[1] = 1
    plan: str = Field(description="Name of the plan.")
    plan_sha256: str = Field(description="SHA-256 of the plan file.")
    batch: str
    source_cluster: str | None
    target_cluster: str | None
    began: str = Field(description="Time of asking (UTC): log ends are those of this moment.")
    seconds: float
    records: int = Field(description="Records that were read, on both clusters, since a resumed partition was resumed.")
    bytes: int = Field(description="Bytes of their values.")
    sample: SampleTaken | None = Field(default=None, description="null: everything was compared.")
    outcome: Outcome
    reasons: tuple[str, ...] = Field(description="What differs, or why it is not proved.")
    notes: tuple[str, ...] = ()
    absent: tuple[str, ...] = Field(default=(), description="Topics of the batch, by name, that the source lacks.")
    partitions: tuple[Partition, ...]
    groups: tuple[GroupOffset, ...]


if __name__ == "__main__":
    print(json.dumps(Verification.model_json_schema(), indent=2))
