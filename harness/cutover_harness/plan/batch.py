"""What moves when: the batches of a migration, and how its topics grow meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cutover_harness.errors import UsageError
from cutover_harness.globs import matches
from cutover_harness.plan.path import Act
from cutover_harness.plan.traffic import TopicName

Pattern = Annotated[str, Field(pattern=r"^[A-Za-z0-9._*?\[\]!-]+$", max_length=249)]
Group = Annotated[str, Field(pattern=r"^[^\p{C}]+$", max_length=249)]
"""Kafka allows any text; control characters are a mistake."""

WHOLE = "all"
"""The route of a scenario without batches: everything moves together."""
STAYS = "stays"
"""The route of what is in no batch: it stays on the source."""


class Batch(BaseModel):
    """Topics and groups that move together; batches walk the path one after the other."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topics: tuple[Pattern, ...] = Field(min_length=1, description="Names or globs.")
    exclude: tuple[Pattern, ...] = Field(default=(), description="Names or globs that stay on the source.")
    groups: tuple[Group, ...] = Field(min_length=1, description="Groups of the fleet; each reads the batch's topics.")

    def has(self, topic: str) -> bool:
        """Return whether a topic of this name belongs to the batch."""
        return matches(topic, self.topics) and not matches(topic, self.exclude)


class Growth(BaseModel):
    """A topic that appears while the path is walked, and partitions that are added, both with traffic."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: Act = Field(description="The act of the path at which it happens.")
    when: Literal["before", "after"] = "after"
    like: TopicName = Field(description="The topic that gets more partitions, and whose traffic what is new gets.")
    topic: TopicName = Field(description="The new topic, with as many partitions as `like` had.")
    partitions: int = Field(default=2, ge=1, le=100, description="How many partitions `like` gets more.")


@dataclass(frozen=True)
class Route:
    """A batch, or what is in none of them, on the topics of a capture.

    `patterns`: names or globs; `topics`: those of the capture that belong to it.
    """

    name: str
    patterns: tuple[str, ...]
    exclude: tuple[str, ...]
    groups: tuple[str, ...]
    topics: tuple[str, ...]

    def has(self, topic: str) -> bool:
        """Return whether a topic of this name, recorded or not, belongs to it."""
        return matches(topic, self.patterns) and not matches(topic, self.exclude)

    @property
    def moves(self) -> bool:
        """Whether it walks the path."""
        return self.name != STAYS


def routes(batches: Mapping[str, Batch], topics: Iterable[str], groups: Iterable[str]) -> list[Route]:
    """Return the routes in the order in which they move; without batches it is one with everything.

    Raises UsageError where a topic is in two batches, a batch has no topic, or a group has nothing to read.
    """
    names, readers = sorted(topics), list(groups)
    if not batches:
        return [Route(WHOLE, tuple(names), (), tuple(readers), tuple(names))]
    found = []
    owner: dict[str, str] = {}
    for name, batch in batches.items():
        its = tuple(topic for topic in names if batch.has(topic))
        if not its:
            raise UsageError(f"batches.{name}.topics: none of the capture's topics matches ({', '.join(names)})")
        for topic in its:
            if owner.setdefault(topic, name) != name:
                raise UsageError(f"batches.{name}.topics: {topic} is in batch {owner[topic]} too: keep it in one")
        found.append(Route(name, batch.topics, batch.exclude, batch.groups, its))
    left = tuple(topic for topic in names if topic not in owner)
    idle = tuple(group for group in readers if all(group not in batch.groups for batch in batches.values()))
    if idle and not left:
        raise UsageError(f"fleet.groups: {idle[0]} is in no batch, and no topic is left for it to read")
    if left:
        # By name: a name wins over the globs of the batches that leave it out.
        found.append(Route(STAYS, left, (), idle, left))
    return found
