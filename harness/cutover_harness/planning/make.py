"""A plan from an inventory and a mapping to business systems. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cutover_harness.errors import UsageError
from cutover_harness.globs import matches
from cutover_harness.inventory.model import ClusterListing, Listing, TopicEntry
from cutover_harness.planning.batches import SystemBatch, batches_of, in_order, patterns_of
from cutover_harness.planning.estimates import Assumptions, estimate_of, warnings
from cutover_harness.planning.links import links_of
from cutover_harness.planning.model import (
    Clusters,
    Connect,
    ListedBy,
    PlanFile,
    PlannedBatch,
    SourceCluster,
    TargetCluster,
)
from cutover_harness.planning.movers import Attested, Moves, move_of_group, moves_of_producers
from cutover_harness.planning.patterns import Patterns
from cutover_harness.planning.routes import routes_of
from cutover_harness.planning.staying import staying_groups, staying_topics
from cutover_harness.planning.systems import OTHER, System, SystemOf, Systems, guess_systems
from cutover_harness.words import listed

ROLLBACK_H = 24.0
At = tuple[str, ...]
"""A place in a plan: keys; batches by their name, and items of lists by their text."""
_KINDS: Mapping[str, Literal["automq", "kafka"]] = {"AutoMQ": "automq", "Kafka": "kafka"}


@dataclass(frozen=True)
class Wanted:
    """What the command line decides; None: not given.

    connect_properties: used with the address of Connect, if no plan has it yet.
    """

    name: str | None = None
    source: str | None = None
    target: str | None = None
    connect: str | None = None
    connect_properties: str | None = None
    policy: str | None = None
    mirror_rate: int | None = None
    measured: bool = False


@dataclass(frozen=True)
class Made:
    """A plan as generated. comments: reasons, by the place that they explain. batches: with their routes.

    guessed: there is no systems.yaml.
    """

    plan: PlanFile
    comments: Mapping[At, str]
    batches: Sequence[SystemBatch]
    system_of: SystemOf
    guessed: bool


def make_plan(
    listing: Listing, inventory: ListedBy, systems: Systems | None, wanted: Wanted, existing: PlanFile | None = None
) -> Made:
    """Return the plan. existing: the plan so far, for what is not given.

    Raises UsageError if there is no source cluster, or nothing to move.
    """
    source = source_of(listing, inventory.file)
    topics, groups = {each.name: each for each in source.topics}, {each.name: each for each in source.groups}
    mapping = guess_systems(name for name, each in topics.items() if not each.internal) if systems is None else systems
    stays = staying_topics(topics, mapping, guessed=systems is None)
    moving = sorted(set(topics) - set(stays))
    if not moving:
        raise UsageError(f"inventory {inventory.file}: no topic is left to move: all are internal, stale or in stays")
    stays_groups = staying_groups(groups, topics, moving, mapping)
    links = links_of(listing, moving, set(groups) - set(stays_groups))
    batches = batches_of(routes_of(moving, links), mapping.systems)
    batches = in_order(batches, mapping.systems, topics, groups)
    writer = _BatchWriter(listing, mapping, batches)
    comments: dict[At, str] = {}
    planned = tuple(writer.planned(batch, comments) for batch in batches)
    named = sorted(name for name in stays if not matches(name, mapping.stays))
    comments |= {("stays", name): stays[name] for name in named}
    comments |= {("stays_groups", name): why for name, why in stays_groups.items()}
    plan = PlanFile(
        name=wanted.name or mapping.name or (existing.name if existing else "cutover"),
        inventory=inventory,
        clusters=_clusters(listing, wanted, existing),
        connect=_connect(listing, wanted, existing),
        policy=wanted.policy,
        **_rate(wanted, existing),
        batches=planned,
        stays=(*mapping.stays, *named),
        stays_groups=tuple(sorted(stays_groups)),
    )
    return Made(with_estimates(plan, listing), comments, batches, SystemOf(mapping.systems), systems is None)


def source_of(listing: Listing, origin: str) -> ClusterListing:
    """Return the source cluster of a listing. Raises UsageError if there is none."""
    if "source" not in listing.clusters:
        raise UsageError(f"inventory {origin}: has no source cluster: take it with --source")
    return listing.clusters["source"]


def with_estimates(plan: PlanFile, listing: Listing, *, notes: bool = True) -> PlanFile:
    """Return the plan with the estimates of its batches; with `notes` also what follows from them."""
    source = listing.clusters["source"]
    assumed = Assumptions(listing.created, plan.mirror_rate, source.offsets_retention_minutes)
    groups = {each.name: each for each in source.groups}
    movable = [each for each in source.topics if not each.internal]
    batches = []
    for batch in plan.batches:
        topics = topics_in(batch, movable)
        its = [groups[name] for name in batch.groups if name in groups]
        estimate = estimate_of(topics, its, assumed)
        more = warnings(topics, its, assumed, estimate, batch.rollback_window_h) if notes else []
        batches.append(batch.model_copy(update={"estimate": estimate, "notes": (*batch.notes, *more)}))
    return plan.model_copy(update={"batches": tuple(batches)})


def topics_in(batch: PlannedBatch, topics: Iterable[TopicEntry]) -> list[TopicEntry]:
    """Return the topics of a batch."""
    its, exclude = Patterns(batch.topics), Patterns(batch.exclude)
    return [each for each in topics if its.match(each.name) and not exclude.match(each.name)]


def _clusters(listing: Listing, wanted: Wanted, existing: PlanFile | None) -> Clusters:
    source, target = wanted.source, wanted.target
    if existing is not None:
        source = source or existing.clusters.source.properties
        target = target or existing.clusters.target.properties
    there = listing.clusters.get("target")
    return Clusters(
        source=SourceCluster(properties=source or "source.properties"),
        target=TargetCluster(
            properties=target or "target.properties", kind=None if there is None else _KINDS.get(there.kind)
        ),
    )


def _connect(listing: Listing, wanted: Wanted, existing: PlanFile | None) -> Connect | None:
    if wanted.connect is None and existing is not None and existing.connect is not None:
        return existing.connect
    url = wanted.connect or next((each.url for each in listing.connect if each.cluster == "target"), None)
    return None if url is None else Connect(url=url, properties=wanted.connect_properties)


def _rate(wanted: Wanted, existing: PlanFile | None) -> dict[str, Any]:
    if wanted.mirror_rate is not None:
        return {"mirror_rate": wanted.mirror_rate, "mirror_rate_measured": wanted.measured}
    if existing is None:
        return {}
    return {"mirror_rate": existing.mirror_rate, "mirror_rate_measured": existing.mirror_rate_measured}


class _BatchWriter:
    """Turns the routes of a system into a batch of the plan."""

    def __init__(self, listing: Listing, systems: Systems, batches: Iterable[SystemBatch]) -> None:
        source = listing.clusters["source"]
        self._topics = {each.name: each for each in source.topics}
        self._groups = {each.name: each for each in source.groups}
        self._every = {name for name, each in self._topics.items() if not each.internal}
        self._systems = systems
        self._system_of = SystemOf(systems.systems)
        self._attested = Attested(listing)
        self._batch_of = {topic: batch.name for batch in batches for topic in batch.topics}
        self._unnamed = self._spanning()

    def planned(self, batch: SystemBatch, comments: dict[At, str]) -> PlannedBatch:
        """Return the batch; adds reasons to `comments`."""
        system = self._systems.systems.get(batch.name)
        at = ("batches", batch.name)
        comments[*at, "name"] = f"Order: {batch.why}"
        groups, producers = self._movers(batch, system)
        for kind, moves in (("groups", groups), ("producers", producers)):
            comments |= {(*at, kind, name): each.why for name, each in moves.items()}
        unknown = self._unknown_writers(batch)
        path: Any = system.path if system is not None else None
        if path is None:
            path, comments[*at, "path"] = _path([*groups.values(), *producers.values()], unknown)
        topics, exclude = patterns_of(batch, system, self._every)
        decided: dict[str, Any] = {} if system is None or system.gates is None else {"gates": system.gates}
        hours = ROLLBACK_H if system is None or system.rollback_window_h is None else system.rollback_window_h
        return PlannedBatch(
            name=batch.name,
            system=None if batch.name == OTHER and system is None else batch.name,
            after=tuple(each for each in (() if system is None else system.after) if each in self._batch_of.values()),
            path=path,
            topics=topics,
            exclude=exclude,
            groups={name: each.mover for name, each in groups.items()},
            producers={name: each.mover for name, each in producers.items()},
            rollback_window_h=hours,
            notes=tuple(self._notes(batch, unknown)),
            **decided,
        )

    def _spanning(self) -> dict[int, set[str]]:
        """Return the topics of each producer without a name that has written to topics of several batches."""
        found: dict[int, set[str]] = defaultdict(set)
        for topic in self._batch_of:
            for producer in self._topics[topic].producers or ():
                if producer.transactional_id is None:
                    found[producer.id].add(topic)
        return {each: topics for each, topics in found.items() if len({self._batch_of[name] for name in topics}) > 1}

    def _movers(self, batch: SystemBatch, system: System | None) -> tuple[dict[str, Moves], dict[str, Moves]]:
        decided = {} if system is None else system.moves
        links = [link for route in batch.routes for link in route.links]
        names = [link.name for link in links if link.kind == "group"]
        groups = {name: move_of_group(self._groups[name], self._attested, decided) for name in sorted(names)}
        return groups, dict(sorted(moves_of_producers(links, groups, self._attested, decided).items()))

    def _unknown_writers(self, batch: SystemBatch) -> list[str]:
        """Return the topics of which brokers know that they are written, and nothing tells by whom."""
        known = {
            topic for route in batch.routes for link in route.links if link.kind != "group" for topic in link.topics
        }
        return [name for name in batch.topics if name not in known and _written(self._topics[name])]

    def _notes(self, batch: SystemBatch, unknown: Sequence[str]) -> Iterable[str]:
        for route in batch.routes:
            if foreign := [topic for topic in route.topics if self._system_of(topic) != batch.name]:
                ties = [link.title for link in route.ties if set(link.topics) & set(foreign)]
                named = [f"{topic} ({self._system_of(topic)})" for topic in foreign]
                yield f"topics of other systems: {listed(named)}: tied to this one by {listed(ties)}"
            for link in route.links:
                if link.kind == "group" and (left := self._left_behind(link.name)):
                    yield f"group {link.name} also reads topics that stay: {listed(left)}"
        if unknown:
            yield f"who writes is not known, so list it under producers: {listed(unknown)}"
        for number, topics in sorted(self._unnamed.items()):
            here = sorted(topic for topic in topics if self._batch_of[topic] == batch.name)
            away = sorted(f"{topic} (batch {self._batch_of[topic]})" for topic in topics - set(here))
            if here:
                yield f"a producer without a name (id {number}) has written {listed(here)} and {listed(away)}"

    def _left_behind(self, group: str) -> list[str]:
        read = {each.topic for each in self._groups[group].topics or ()}
        return sorted(topic for topic in read & self._every if topic not in self._batch_of)


def _path(moves: Sequence[Moves], unknown: Sequence[str]) -> tuple[str, str]:
    others = sum(1 for each in moves if each.mover.moves != "shim")
    if moves and not others and not unknown:
        return "in-process", "all clients have the shim"
    if others:
        return "restart", f"{others} of {len(moves)} clients without the shim; or stop-first, overlap, a list of steps"
    return "restart", "who writes is not known" if unknown else "no client is known"


def _written(topic: TopicEntry) -> bool:
    return bool(topic.grown or topic.producers)
