"""What a plan moves, with the topics that exist on the source now. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from cutover_harness.conductor.statuses import own_topics
from cutover_harness.globs import is_glob, matches
from cutover_harness.internal_topics import internal
from cutover_harness.planning.model import Mover, PlanFile, PlannedBatch


@dataclass(frozen=True)
class ScopedBatch:
    """A batch with its topics on the source. `missing`: topics that the plan names and the source does not show."""

    planned: PlannedBatch
    topics: tuple[str, ...]
    missing: tuple[str, ...]

    @cached_property
    def topic_set(self) -> frozenset[str]:
        """The topics, for look-ups."""
        return frozenset(self.topics)

    @property
    def name(self) -> str:
        """The batch's name."""
        return self.planned.name

    @property
    def groups(self) -> Mapping[str, Mover]:
        """The batch's groups."""
        return self.planned.groups

    @property
    def hours(self) -> float:
        """How long the mirror exists: until it has caught up, and until nothing is rolled back any more."""
        estimate = self.planned.estimate
        minutes = 0.0 if estimate is None or estimate.minutes is None else estimate.minutes
        return self.planned.rollback_window_h + minutes / 60


@dataclass(frozen=True)
class Scope:
    """The batches to check, and `others`: those that are not checked, but have topics and groups of their own."""

    plan: PlanFile
    batches: tuple[ScopedBatch, ...]
    others: tuple[ScopedBatch, ...] = ()

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics of all batches that are checked."""
        return tuple(topic for batch in self.batches for topic in batch.topics)

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of all batches that are checked."""
        return tuple(dict.fromkeys(group for batch in self.batches for group in batch.groups))

    def batch_of_group(self, group: str) -> str | None:
        """Return the batch of a group, of all batches of the plan."""
        return next((each.name for each in (*self.batches, *self.others) if group in each.groups), None)

    def unplanned(self, topics: Iterable[str]) -> list[str]:
        """Return the topics that are in no batch, and not among those that stay."""
        planned = {topic for batch in (*self.batches, *self.others) for topic in batch.topics} | own_of(self.plan)
        return sorted(t for t in topics if t not in planned and not internal(t) and not matches(t, self.plan.stays))


def own_of(plan: PlanFile) -> frozenset[str]:
    """Return the topics of kafka-cutover itself that the plan names, which its mirrors leave out."""
    return own_topics((reached.channel for reached in plan.reach), plan.statuses)


def scope_of(plan: PlanFile, topics: Collection[str], only: Collection[str] = ()) -> Scope:
    """Return what the plan moves of these topics of the source; of the batches that `only` matches, if it has any.

    A topic that a batch names belongs to it, also if another batch's glob matches it, as in the cutover file.
    """
    own = own_of(plan)
    named = {topic: batch.name for batch in plan.batches for topic in batch.topics if topic in topics}
    found = []
    for batch in plan.batches:
        its = tuple(
            topic
            for topic in sorted(topics)
            if named.get(topic, batch.name) == batch.name
            and matches(topic, batch.topics)
            and not matches(topic, batch.exclude)
            and (topic in named or not internal(topic))
            and topic not in own
        )
        missing = tuple(t for t in batch.topics if not is_glob(t) and t not in topics)
        found.append(ScopedBatch(batch, its, missing))
    chosen = tuple(batch for batch in found if not only or matches(batch.name, only))
    return Scope(plan, chosen, tuple(batch for batch in found if batch not in chosen))
