"""Why a topic or a group is where the plan has it, and where its figures come from. Pure."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable

from cutover_harness.errors import UsageError
from cutover_harness.globs import matches
from cutover_harness.inventory.model import GroupEntry, Listing, TopicEntry
from cutover_harness.inventory.words import date, number, size
from cutover_harness.planning.batches import SystemBatch
from cutover_harness.planning.links import Link
from cutover_harness.planning.make import Made
from cutover_harness.planning.model import Mover, PlannedBatch
from cutover_harness.planning.read import ReadPlan
from cutover_harness.planning.routes import Route, chain
from cutover_harness.words import counted, listed


def explain(made: Made, listing: Listing, name: str, existing: ReadPlan | None = None) -> list[str]:
    """Return the lines for a topic or a group, for both if both have the name; existing: a plan with edits.

    Raises UsageError if nothing has the name.
    """
    source = listing.clusters["source"]
    topics, groups = {each.name: each for each in source.topics}, {each.name: each for each in source.groups}
    writer = _Explanation(made, listing)
    lines: list[str] = []
    if name in topics:
        lines += writer.topic(topics[name])
    if name in groups:
        lines += writer.group(groups[name])
    if not lines:
        close = difflib.get_close_matches(name, [*topics, *groups], n=3)
        hint = f"did you mean {', '.join(close)}?" if close else "correct it, or take a new inventory"
        raise UsageError(f"--explain {name}: the inventory has no topic and no group of this name: {hint}")
    if existing is not None:
        now = [batch.name for batch in existing.plan.batches if name in batch.groups or _has(batch, name)]
        lines.append(f"{existing.path}: {f'batch {listed(now)}' if now else 'in no batch'}")
    return lines


def _has(batch: PlannedBatch, topic: str) -> bool:
    return matches(topic, batch.topics) and not matches(topic, batch.exclude)


class _Explanation:
    def __init__(self, made: Made, listing: Listing) -> None:
        self._made, self._listing = made, listing
        self._planned = {batch.name: batch for batch in made.plan.batches}

    def topic(self, topic: TopicEntry) -> Iterable[str]:
        found = self._place_of(topic.name)
        if found is None:
            why = self._made.comments.get(("stays", topic.name), "in stays of systems.yaml")
            yield f"topic {topic.name}: stays on the source: {why}"
            return
        batch, route = found
        yield f"topic {topic.name}: batch {batch.name}"
        yield from self._why(batch, route, topic.name)
        users = [link for link in route.links if topic.name in link.topics]
        for link in users:
            yield f"  {link.title}: {link.evidence}; {self._moves(batch.name, link)}"
        if not users:
            yield "  no group and no known producer uses it"
        yield from self._figures(topic)
        yield from self._of_batch(self._planned[batch.name])

    def group(self, group: GroupEntry) -> Iterable[str]:
        comment = self._made.comments.get(("stays_groups", group.name))
        read = [each.topic for each in group.topics or ()]
        places = [self._place_of(topic) for topic in read]
        found = next((place for place in places if place is not None), None)
        if comment is not None or found is None:
            yield f"group {group.name}: stays on the source: {comment}"
            return
        batch, route = found
        link = next(link for link in route.links if (link.kind, link.name) == ("group", group.name))
        yield f"group {group.name}: batch {batch.name}, as it reads {listed(link.topics, 10)}"
        yield f"  {link.evidence}; {self._moves(batch.name, link)}"
        yield from self._why(batch, route, link.topics[0])
        lag = "" if group.lag is None else f", lag {number(group.lag)}"
        members = counted(len(group.members or ()), "member")
        yield f"  {group.state}, {members}{lag}: inventory of {date(self._listing.created)}"
        yield from self._of_batch(self._planned[batch.name])

    def _place_of(self, topic: str) -> tuple[SystemBatch, Route] | None:
        for batch in self._made.batches:
            for route in batch.routes:
                if topic in route.topics:
                    return batch, route
        return None

    def _why(self, batch: SystemBatch, route: Route, topic: str) -> Iterable[str]:
        systems = Counter(self._made.system_of(each) for each in route.topics)
        own = self._made.system_of(topic)
        if len(route.topics) > 1:
            yield f"  its route has {len(route.topics)} topics, which move together: {listed(route.topics, 10)}"
        if own != batch.name:
            yield f"  its own system is {own}; {systems[batch.name]} of the route's topics belong to {batch.name}:"
            ends = [each for each in route.topics if self._made.system_of(each) == batch.name]
            chains = [chain(route, topic, end) for end in ends]
            at = topic
            for link, following in min(chains, key=len):
                yield f"    {at} and {following}: {link.title} ({link.evidence})"
                at = following
        else:
            guessed = "guessed from its name" if self._made.guessed else "by systems.yaml"
            yield f"  its system is {own}, {guessed}"
        yield f"  {self._made.comments['batches', batch.name, 'name']}"

    def _moves(self, batch: str, link: Link) -> str:
        kind = "groups" if link.kind == "group" else "producers"
        mover: Mover | None = getattr(self._planned[batch], kind).get(link.name)
        if mover is None:
            return "moves with the application that writes the same topics"
        return f"moves by {mover.moves}: {self._made.comments.get(('batches', batch, kind, link.name), '')}"

    def _figures(self, topic: TopicEntry) -> Iterable[str]:
        inventory = self._made.plan.inventory
        file = "" if inventory is None else f"{inventory.file}, "
        yield f"  figures ({file}{date(self._listing.created)}):"
        yield f"    {size(topic.bytes)}, {number(topic.records)} records: log directories and offsets of the brokers"
        sample = self._listing.sample_s
        if topic.grown_per_s is not None and sample:
            growth = f"{topic.grown_per_s:,.1f} records/s, {size(topic.bytes_per_s)}/s"
            yield f"    grows by {growth}: two readings {sample:g} s apart"
        else:
            yield "    growth is not known: the inventory has no sample (--sample)"
        kept = "unlimited" if topic.retention_ms == -1 else number(topic.retention_ms)
        yield f"    retention.ms {kept}, oldest record of {date(topic.first_write)}"

    def _of_batch(self, batch: PlannedBatch) -> Iterable[str]:
        estimate = batch.estimate
        if estimate is None:
            return
        plan = self._made.plan
        rate = f"{size(plan.mirror_rate)}/s ({'measured' if plan.mirror_rate_measured else 'assumed'})"
        minutes = "never" if estimate.minutes is None else f"{estimate.minutes:g} min"
        if estimate.bytes is None:
            minutes = "?"
        growth = "" if not estimate.bytes_per_s else f" less its growth of {size(estimate.bytes_per_s)}/s"
        yield f"  batch {batch.name}: {size(estimate.bytes)} at {rate}{growth}: {minutes}"
        if estimate.deadline_h is not None:
            yield f"    first to expire, in {estimate.deadline_h:g} h: {estimate.deadline_by}"
