"""Batches: routes by business system, in the order in which they move. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import networkx

from cutover_harness.errors import UsageError
from cutover_harness.globs import is_glob
from cutover_harness.inventory.model import GroupEntry, TopicEntry
from cutover_harness.planning.patterns import Patterns
from cutover_harness.planning.routes import Route
from cutover_harness.planning.systems import OTHER, USUAL_ORDER, System, SystemOf


@dataclass(frozen=True)
class SystemBatch:
    """The routes of one business system. `why`: the reason of its place in the order."""

    name: str
    routes: tuple[Route, ...]
    why: str = ""

    @property
    def topics(self) -> tuple[str, ...]:
        """All topics of its routes."""
        return tuple(sorted(topic for route in self.routes for topic in route.topics))


def batches_of(routes: Iterable[Route], systems: Mapping[str, System]) -> list[SystemBatch]:
    """Return a batch for each system that has a route, in the order of the file, the rest as `other` at the end.

    A route that spans systems belongs to the one with most of its topics; of several such ones, to the first.
    """
    system_of = SystemOf(systems)
    rank = {name: number for number, name in enumerate([*systems, OTHER])}
    found: dict[str, list[Route]] = {}
    for route in routes:
        counts = Counter(system_of(topic) for topic in route.topics)
        name = min(counts, key=lambda each: (-counts[each], rank[each]))
        found.setdefault(name, []).append(route)
    return [SystemBatch(name, tuple(found[name])) for name in sorted(found, key=lambda each: rank[each])]


def in_order(
    batches: Sequence[SystemBatch],
    systems: Mapping[str, System],
    topics: Mapping[str, TopicEntry],
    groups: Mapping[str, GroupEntry],
) -> list[SystemBatch]:
    """Return the batches in the order in which they move, with the reason.

    By `order` of their systems; then what is offline (nothing written during the sample, no members), then those with
    less traffic, then the smaller ones. `after` wins over all of that. Raises UsageError for a cycle of `after`.
    """
    graph = networkx.DiGraph()
    by_name = {batch.name: batch for batch in batches}
    graph.add_nodes_from(by_name)
    for name, system in systems.items():
        graph.add_edges_from((earlier, name) for earlier in system.after)
    if (cycle := cycle_in(graph)) is not None:
        raise UsageError(f"systems: after: {' after '.join(cycle)}: a cycle has no order: remove one of them")
    keys = {batch.name: _key(batch, systems, topics, groups) for batch in batches}
    names = networkx.lexicographical_topological_sort(graph, key=lambda name: keys.get(name, (0,)))
    found = []
    for name in names:
        if name in by_name:
            batch = by_name[name]
            found.append(SystemBatch(name, batch.routes, _why(keys[name], systems.get(name))))
    return found


def cycle_in(graph: networkx.DiGraph) -> list[str] | None:
    """Return the names of a cycle, the first one again at its end; each comes after the one that follows it."""
    try:
        edges = networkx.find_cycle(graph)
    except networkx.NetworkXNoCycle:
        return None
    return [edges[0][0], *(earlier for earlier, _ in reversed(edges))]


def _key(
    batch: SystemBatch,
    systems: Mapping[str, System],
    topics: Mapping[str, TopicEntry],
    groups: Mapping[str, GroupEntry],
) -> tuple[int, bool, float, float, str]:
    system = systems.get(batch.name)
    entries = [topics[name] for name in batch.topics]
    readers = [groups[link.name] for route in batch.routes for link in route.links if link.kind == "group"]
    busy = any(each.members or each.commits_moved for each in readers) or any(each.grown for each in entries)
    return (
        USUAL_ORDER if system is None else system.order,
        busy,
        sum(each.grown_per_s or 0.0 for each in entries),
        float(sum(each.bytes or 0 for each in entries)),
        batch.name,
    )


def _why(key: tuple[int, bool, float, float, str], system: System | None) -> str:
    order, busy, per_s, _, _ = key
    parts = [f"order {order} in systems.yaml"] if order != USUAL_ORDER else []
    if not busy:
        parts.append("offline: no members, and nothing was written during the sample")
    else:
        parts.append(f"{per_s:,.1f} records/s" if per_s else "members, and nothing was written during the sample")
    if system is not None and system.after:
        parts.append(f"after {', '.join(system.after)}")
    return "; ".join(parts)


def patterns_of(
    batch: SystemBatch, system: System | None, every: Collection[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return names and globs of a batch's topics, and the names to exclude. every: all topics that are not internal.

    A glob of the system is kept unless half of what it matches, or more, is elsewhere.
    """
    its = set(batch.topics)
    left, kept, excluded = set(its), [], set()
    for pattern in () if system is None else system.topics:
        if not is_glob(pattern) or pattern in every:
            continue
        glob = Patterns([pattern])
        found = {name for name in every if glob.match(name)}
        elsewhere = found - its
        if found & left and 2 * len(elsewhere) < len(found):
            kept.append(pattern)
            excluded |= elsewhere
            left -= found
    return (*kept, *sorted(left)), tuple(sorted(excluded))
