"""The rules of a preflight without a plan, on each batch of a plan. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from cutover_harness.globs import matches
from cutover_harness.preflight import clients, clusters, target, topics
from cutover_harness.preflight.model import Cluster, Finding, Inventory, Plan, Version
from cutover_harness.preflight.planned.facts import Facts
from cutover_harness.preflight.planned.scope import ScopedBatch

_OF_BATCHES = (*topics.RULES, *target.RULES)
_OF_PLAN = (*clusters.RULES, *clients.RULES)


def findings(facts: Facts) -> list[Finding]:
    """Return what the rules find: those about topics and groups in each batch, the others once."""
    source = _without_staying(facts)
    found = list(_run(_OF_PLAN, _whole(facts, source)))
    for batch in facts.scope.batches:
        found += [replace(each, batch=batch.name) for each in _run(_OF_BATCHES, _of_batch(facts, source, batch))]
    return found


def _run(rules: Iterable[Callable[[Inventory], Iterable[Finding]]], inventory: Inventory) -> Iterable[Finding]:
    for rule in rules:
        yield from rule(inventory)


def _whole(facts: Facts, source: Cluster) -> Inventory:
    batches = (*facts.scope.batches, *facts.scope.others)
    hours = max((batch.hours for batch in facts.scope.batches), default=0.0)
    plan = replace(
        _plan(facts, hours), batches=tuple(each.topics for each in batches), names=tuple(each.name for each in batches)
    )
    return Inventory(source, facts.target.cluster, facts.clients, plan)


def _without_staying(facts: Facts) -> Cluster:
    """Return the source without the groups that stay there on purpose: they move with no batch, and bind none."""
    source, stays = facts.source.cluster, facts.scope.plan.stays_groups
    moving = {name: group for name, group in source.groups.items() if not matches(name, stays)}
    planned = {
        name: source.groups[name] for each in facts.scope.batches for name in each.groups if name in source.groups
    }
    return replace(source, groups=moving | planned)


def _of_batch(facts: Facts, source: Cluster, batch: ScopedBatch) -> Inventory:
    reading = [name for name, group in source.groups.items() if not batch.topic_set.isdisjoint(group.topics)]
    groups = {*batch.groups, *reading}
    its = _part(source, batch.topic_set, groups)
    there = _part(facts.target.cluster, batch.topic_set, groups)
    # A group that is not on the source yet, or was deleted there, is still the batch's.
    absent = {name: there.groups[name] for name in batch.groups if name in there.groups and name not in its.groups}
    its = replace(
        its, groups={**its.groups, **{name: replace(each, topics=batch.topics) for name, each in absent.items()}}
    )
    return Inventory(its, there, {}, _plan(facts, batch.hours))


def _part(cluster: Cluster, names: Collection[str], groups: Collection[str]) -> Cluster:
    return replace(
        cluster,
        topics={name: topic for name, topic in cluster.topics.items() if name in names},
        groups={name: group for name, group in cluster.groups.items() if name in groups},
    )


def _plan(facts: Facts, hours: float) -> Plan:
    return Plan(hours=hours, automq=_version(facts), target_acks=facts.target_acks)


def _version(facts: Facts) -> Version | None:
    version = facts.scope.plan.clusters.target.version
    return None if version is None else tuple(int(part) for part in version.split("."))
