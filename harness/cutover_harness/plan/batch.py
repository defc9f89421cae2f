"""Batches of a migration: topics and groups that move together, and topics that grow during the path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cutover_harness.errors import UsageError
from cutover_harness.globs import matches
from cutover_harness.plan.path import Gates, PathStep
from cutover_harness.plan.traffic import TopicName
from cutover_harness.procedure.names import StepName

Pattern = Annotated[str, Field(pattern=r"^[A-Za-z0-9._*?\[\]!-]+$", max_length=249)]
Group = Annotated[str, Field(pattern=r"^[^\p{C}]+$", max_length=249)]
"""Kafka allows any text; control characters are a mistake."""

WHOLE = "all"
"""Route of a scenario without batches: everything moves together."""
STAYS = "stays"
"""Route of what is in no batch: it stays on the source."""


class Restarts(BaseModel):
    """Clients of a batch that are stopped and started on the other cluster; the others follow the cutover file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    groups: tuple[Group, ...] = ()
    producers: int = Field(default=0, ge=0, description="How many of the batch's producers.")


class FileConnectors(BaseModel):
    """Connectors of Kafka Connect that move with a batch: Kafka's file connectors on a worker of their own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    groups: tuple[Group, ...] = Field(default=(), description="Groups that are sink connectors, not processes.")
    producers: dict[Group, TopicName] = Field(
        default={}, description="Source connectors besides the batch's producers, with the topic that each writes to."
    )


class Batch(BaseModel):
    """Topics and groups that move together; batches run the path one after the other."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topics: tuple[Pattern, ...] = Field(min_length=1, description="Names or globs.")
    exclude: tuple[Pattern, ...] = Field(default=(), description="Names or globs that stay on the source.")
    groups: tuple[Group, ...] = Field(min_length=1, description="Groups of the fleet; each reads the batch's topics.")
    reads: dict[Group, tuple[TopicName, ...]] = Field(
        default={}, description="Topics of groups that do not read all of the batch's topics."
    )
    producers: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Producers that send to the batch's topics alone; null: fleet.producers send to them.",
    )
    restarts: Restarts | None = Field(
        default=None, description="Clients that are restarted although fleet.apps is shim."
    )
    connectors: FileConnectors | None = Field(
        default=None, description="Connectors that `run`'s own code stops, re-points and starts."
    )
    path: tuple[PathStep, ...] | None = Field(default=None, min_length=1, description="null: the scenario's.")
    gates: Gates | None = Field(default=None, description="null: the scenario's.")

    @model_validator(mode="after")
    def _restarts_its_own(self) -> Self:
        if self.restarts is not None:
            for group in self.restarts.groups:
                if group not in self.groups:
                    raise ValueError(f"restarts: {group} is not among the batch's groups")
            if self.restarts.producers > (self.producers or 0):
                raise ValueError("restarts: producers is more than the batch's own producers: set producers")
        return self

    @model_validator(mode="after")
    def _connects_its_own(self) -> Self:
        if self.connectors is not None:
            for group in self.connectors.groups:
                if group not in self.groups:
                    raise ValueError(f"connectors: {group} is not among the batch's groups")
                if self.restarts is not None and group in self.restarts.groups:
                    raise ValueError(f"connectors: {group} is among restarts, too: leave it out there")
            for name, topic in self.connectors.producers.items():
                if not self.has(topic):
                    raise ValueError(f"connectors: {name} writes to {topic}, which is no topic of the batch")
        return self

    def has(self, topic: str) -> bool:
        """Return whether a topic of this name belongs to the batch."""
        return matches(topic, self.topics) and not matches(topic, self.exclude)


class Growth(BaseModel):
    """A topic that appears while the path runs, and partitions that are added, both with traffic."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: StepName = Field(description="Step of the path at which it happens.")
    when: Literal["before", "after"] = "after"
    like: TopicName = Field(
        description="Topic that gets more partitions; its traffic is repeated for the new topic and partitions."
    )
    topic: TopicName = Field(description="New topic, with as many partitions as `like` had.")
    partitions: int = Field(default=2, ge=1, le=100, description="Number of partitions that `like` gets in addition.")


@dataclass(frozen=True)
class ResolvedBatch:
    """A batch, or the rest that is in no batch, with the topics of a capture. Its name is that of its route.

    patterns: names or globs. topics: those of the capture that belong to it. of: the scenario's batch, None without.
    """

    name: str
    patterns: tuple[str, ...]
    exclude: tuple[str, ...]
    groups: tuple[str, ...]
    topics: tuple[str, ...]
    of: Batch | None = None

    def has(self, topic: str) -> bool:
        """Return whether a topic of this name, recorded or not, belongs to it."""
        return matches(topic, self.patterns) and not matches(topic, self.exclude)

    def read_by(self, group: str, topics: Iterable[str]) -> list[str]:
        """Return those of `topics`, all of the batch, that a group of it reads."""
        own = None if self.of is None else self.of.reads.get(group)
        return [topic for topic in topics if own is None or topic in own]

    @property
    def producers(self) -> int | None:
        """The number of its own producers, None if those of the fleet send to its topics."""
        return None if self.of is None else self.of.producers

    @property
    def restarts(self) -> Restarts | None:
        """Its clients that are restarted, None if all of them move as the fleet does."""
        return None if self.of is None else self.of.restarts

    @property
    def connectors(self) -> FileConnectors | None:
        """Its connectors, None if it has none."""
        return None if self.of is None else self.of.connectors

    @property
    def moves(self) -> bool:
        """Whether it runs the path."""
        return self.name != STAYS


def resolve(batches: Mapping[str, Batch], topics: Iterable[str], groups: Iterable[str]) -> list[ResolvedBatch]:
    """Return the batches in the order in which they move; without batches, one with everything.

    Raises UsageError if a topic is in two batches, a batch has no topic, or a group has nothing to read.
    """
    names, readers = sorted(topics), list(groups)
    if not batches:
        return [ResolvedBatch(WHOLE, tuple(names), (), tuple(readers), tuple(names))]
    found = []
    owner: dict[str, str] = {}
    for name, batch in batches.items():
        its = tuple(topic for topic in names if batch.has(topic))
        if not its:
            raise UsageError(f"batches.{name}.topics: none of the capture's topics matches ({', '.join(names)})")
        for topic in its:
            if owner.setdefault(topic, name) != name:
                raise UsageError(f"batches.{name}.topics: {topic} is in batch {owner[topic]} too: keep it in one")
        for group, read in batch.reads.items():
            if absent := [topic for topic in read if topic not in its]:
                raise UsageError(f"batches.{name}.reads: {group} reads {absent[0]}, which is no topic of the batch")
        found.append(ResolvedBatch(name, batch.topics, batch.exclude, batch.groups, its, batch))
    left = tuple(topic for topic in names if topic not in owner)
    idle = tuple(group for group in readers if all(group not in batch.groups for batch in batches.values()))
    if idle and not left:
        raise UsageError(f"fleet.groups: {idle[0]} is in no batch, and no topic is left for it to read")
    if left:
        # By name: a name wins over the globs of the batches that leave it out.
        found.append(ResolvedBatch(STAYS, left, (), idle, left))
    return found
