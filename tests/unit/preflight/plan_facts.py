"""The facts of a plan with which nothing is wrong, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cutover_harness.inventory.model import Acl, GroupEntry, GroupTopic, Member, ShimClient, TopicEntry
from cutover_harness.planning.model import PlanFile
from cutover_harness.preflight.model import Finding, Group
from cutover_harness.preflight.planned.check import check
from cutover_harness.preflight.planned.connect_facts import PLUGINS, ConnectSeen, Probe
from cutover_harness.preflight.planned.facts import Facts, Seen, ShimFleet
from cutover_harness.preflight.planned.needs import Operation, Resource, demands_of
from cutover_harness.preflight.planned.rights import Rights
from cutover_harness.preflight.planned.scope import scope_of

from tests.unit.preflight_clusters import GOOD_TOPIC, SOURCE, TARGET

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OURS, WORKER = "User:mover", "User:connect"
DOCUMENT: Mapping[str, Any] = {
    "name": "shop",
    "clusters": {"source": {"properties": "source.properties"}, "target": {"properties": "t", "version": "1.7.3"}},
    "statuses": "statuses",
    "batches": [
        {
            "name": "first",
            "path": "in-process",
            "topics": ["orders"],
            "groups": {"billing": {"moves": "shim"}},
            "producers": {"checkout": {"moves": "shim"}},
        }
    ],
}


def plan(**changed: Any) -> PlanFile:
    return PlanFile.model_validate({**DOCUMENT, **changed})


def batch(**changed: Any) -> PlanFile:
    """The plan with other fields of its batch."""
    return plan(batches=[{**DOCUMENT["batches"][0], **changed}])


def consumer(number: int = 1, **changed: Any) -> ShimClient:
    given = {"instance": f"billing-{number}", "client_id": f"billing-{number}", "role": "consumer", "group": "billing"}
    return ShimClient(**{**given, "app": "billing", "host": "h1", "topics": ["orders"], **changed})


def producer(number: int = 1, **changed: Any) -> ShimClient:
    given = {"instance": f"checkout-{number}", "client_id": "c", "role": "producer", "app": "checkout"}
    return ShimClient(**{**given, "host": "h1", "topics": ["orders"], "topics_on": {"source": ["orders"]}, **changed})


def member(number: int = 1, client_id: str | None = None) -> Member:
    return Member(client_id=client_id or f"billing-{number}", host=f"10.0.0.{number}", partitions=1)


def group(*members: Member, name: str = "billing", topics: tuple[str, ...] = ("orders",)) -> dict[str, GroupEntry]:
    entry = GroupEntry(name=name, type="classic", state="stable", members=list(members))
    entry.topics = [GroupTopic(topic=topic) for topic in topics]
    return {name: entry}


def topic_entry(**changed: Any) -> TopicEntry:
    given = {"name": "orders", "internal": False, "partitions": 3, "replication": 1, "bytes": 1000}
    return TopicEntry(**{**given, "last_write": NOW - timedelta(seconds=5), **changed})


SEEN_SOURCE = Seen(
    SOURCE,
    {"orders": topic_entry()},
    group(member()),
    frozenset({"orders"}),
    Rights(False, OURS, []),
    [],
    None,
    "s:9092",
    "source-id",
)
SEEN_TARGET = Seen(TARGET, {}, {}, frozenset({"orders"}), Rights(False, OURS, []), [], 1 << 40, "t:9092", "target-id")
CONNECT = ConnectSeen(
    "http://connect:8083", None, "3.9.2", "target-id", PLUGINS, (), {}, Probe({"source": True, "target": True})
)
FLEET = ShimFleet([consumer(), producer()])


def facts(
    document: PlanFile | None = None,
    *,
    source: Mapping[str, Any] | None = None,
    target: Mapping[str, Any] | None = None,
    **changed: Any,
) -> Facts:
    """The good facts, with changes to the plan, to what is seen of a cluster, or to other parts."""
    here, there = replace(SEEN_SOURCE, **(source or {})), replace(SEEN_TARGET, **(target or {}))
    scope = scope_of(document or plan(), here.names)
    given = {"scope": scope, "seen": {"source": here, "target": there}, "at": NOW, "fleet": FLEET, "connect": CONNECT}
    return Facts(**{**given, **changed})


def found(given: Facts) -> dict[str, list[Finding]]:
    """Return the findings by rule."""
    by_rule: dict[str, list[Finding]] = {}
    for finding in check(given).findings:
        by_rule.setdefault(finding.rule, []).append(finding)
    return by_rule


def acl(resource: str, name: str, operation: str, principal: str = OURS, **changed: str) -> Acl:
    given = {"principal": principal, "host": "*", "permission": "ALLOW", "operation": operation}
    return Acl(**{**given, "resource": resource, "name": name, "pattern": "LITERAL", **changed})


def secured(*missing: tuple[Resource, Operation], worker_acls: bool = True) -> dict[str, dict[str, Any]]:
    """What is seen of both clusters with authorizers that grant everything that the plan needs but `missing`."""
    from cutover_harness.preflight.planned.acl_rules import Answer

    demands = demands_of(scope_of(plan(), {"orders"}))
    observed = {
        (each.resource, each.operation): Answer.MISSING
        if (each.resource, each.operation) in missing
        else Answer.GRANTED
        for each in demands
        if each.need.party != "worker"
    }
    acls = [acl("TOPIC", "*", "WRITE", WORKER)] if worker_acls else []
    return {name: {"rights": Rights(True, OURS, acls, observed)} for name in ("source", "target")}


GROUP = Group(("orders",))
TOPIC = GOOD_TOPIC
