"""Every rule of the preflight of a plan fires on its problem, and not without it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cutover_harness.inventory.model import ActiveProducer, Gap, Quota
from cutover_harness.planning.model import PlanFile
from cutover_harness.preflight.model import Group, Severity
from cutover_harness.preflight.planned.check import check
from cutover_harness.preflight.planned.facts import Facts, Refusal, ShimFleet

from tests.unit.preflight.plan_facts import (
    FLEET,
    GROUP,
    NOW,
    TOPIC,
    acl,
    batch,
    consumer,
    facts,
    found,
    group,
    member,
    plan,
    producer,
    secured,
    topic_entry,
)
from tests.unit.preflight_clusters import SOURCE, TARGET


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert found(facts()) == {}


def other_group(**changed: Any) -> dict[str, Any]:
    """A source with another group that reads the batch's topic."""
    name = changed.get("name", "intruder")
    return {
        "cluster": replace(SOURCE, groups={**SOURCE.groups, name: GROUP}),
        "groups": {**group(member()), **group(name=name, **{k: v for k, v in changed.items() if k != "name"})},
    }


def active(minutes: float = 1, number: int = 7) -> ActiveProducer:
    return ActiveProducer(id=number, epoch=0, partitions=[0], last_write=NOW - timedelta(minutes=minutes))


def written(*producers: ActiveProducer, minutes: float = 60) -> dict[str, Any]:
    entry = topic_entry(producers=list(producers), last_write=NOW - timedelta(minutes=minutes))
    return {"entries": {"orders": entry}}


SHIM_ALONE = {"billing": {"moves": "restart"}}
ONLY_CONSUMERS = ShimFleet([consumer()])
PROBLEMS: dict[str, tuple[Facts, Severity, str]] = {
    "missing-on-source": (
        facts(batch(topics=["orders", "gone"])),
        Severity.BLOCKER,
        "gone",
    ),
    "nothing-to-move": (facts(batch(topics=["nothing.*"], producers={})), Severity.BLOCKER, "nothing.*"),
    "unplanned-topics": (facts(source={"names": frozenset({"orders", "stray"})}), Severity.WARNING, "stray"),
    "unplanned-group": (facts(source=other_group()), Severity.BLOCKER, "intruder"),
    "missing-group": (
        facts(batch(groups={"billing": {"moves": "shim"}, "old": {"moves": "restart"}})),
        Severity.WARNING,
        "old",
    ),
    "other-target": (
        facts(plan(clusters={"source": {"properties": "s"}, "target": {"properties": "t", "kind": "kafka"}})),
        Severity.BLOCKER,
        "AutoMQ",
    ),
    "refused-topic": (facts(refusals=[Refusal("orders", None, "name collides", True)]), Severity.BLOCKER, "collides"),
    "refused-setting": (
        facts(refusals=[Refusal("orders", "x=1", "unknown", False)]),
        Severity.WARNING,
        "x=1",
    ),
    "not-checked": (
        facts(gaps=[Gap(cluster="target", what="ACLs", kind="forbidden", why="no right", remedy="grant Describe")]),
        Severity.UNKNOWN,
        "ACLs of the target",
    ),
    "no-statuses": (facts(plan(statuses=None), fleet=None), Severity.UNKNOWN, "billing, checkout"),
    "unattested-members": (
        facts(source={"groups": group(member(), member(2, "worker"))}),
        Severity.BLOCKER,
        "worker on 10.0.0.2",
    ),
    "no-members": (facts(source={"groups": group()}, fleet=ShimFleet([producer()])), Severity.WARNING, "billing"),
    "moves-otherwise": (facts(batch(groups=SHIM_ALONE)), Severity.WARNING, "billing-1"),
    "unattested-producer": (facts(fleet=ONLY_CONSUMERS), Severity.BLOCKER, "checkout"),
    "unattested-writers": (facts(fleet=ONLY_CONSUMERS), Severity.BLOCKER, "topics orders"),
    "silent-client": (facts(fleet=replace(FLEET, silent=frozenset({"billing-1"}))), Severity.WARNING, "billing-1"),
    "instances": (
        facts(batch(producers={"checkout": {"moves": "shim", "instances": 2}})),
        Severity.WARNING,
        "has 1 instances, and the plan says 2",
    ),
    "disk-space": (
        facts(target={"cluster": replace(TARGET, features={}), "free_bytes": 900}),
        Severity.BLOCKER,
        "900 B free",
    ),
    "quota": (
        facts(target={"quotas": [Quota(entity={"user": "mover"}, limits={"producer_byte_rate": 1e6})]}),
        Severity.WARNING,
        "1.0 MB/s",
    ),
    "records-on-target": (
        facts(target={"cluster": replace(TARGET, topics={"orders": replace(TOPIC, records=9)})}),
        Severity.BLOCKER,
        "orders (9)",
    ),
    "members-on-target": (
        facts(target={"cluster": replace(TARGET, groups={"billing": Group(active=True)})}),
        Severity.BLOCKER,
        "billing",
    ),
    "offsets-on-target": (
        facts(target={"cluster": replace(TARGET, groups={"billing": Group(("orders",), offsets={("orders", 0): 4})})}),
        Severity.BLOCKER,
        "billing",
    ),
}


@pytest.mark.parametrize("rule", PROBLEMS)
def test_each_problem_is_found(rule: str) -> None:
    given, severity, text = PROBLEMS[rule]
    by_rule = found(given)
    assert rule in by_rule, by_rule
    first = by_rule[rule][0]
    assert first.severity == severity
    assert text in f"{first.subject} {first.reason}"


def test_a_group_that_stays_binds_no_batch() -> None:
    two = [{"name": name, "path": "in-process", "topics": [name]} for name in ("orders", "stock")]
    readers = {"both": Group(("orders", "stock")), "one, two": Group(("orders",))}
    cluster = replace(SOURCE, topics={"orders": TOPIC, "stock": TOPIC}, groups=readers)
    names = frozenset({"orders", "stock"})
    rules = {"group-spans-batches", "untranslatable-group"}
    assert rules <= found(facts(plan(batches=two), source={"cluster": cluster, "names": names})).keys()
    staying = plan(batches=two, stays_groups=["both", "one, *"])
    assert not rules & found(facts(staying, source={"cluster": cluster, "names": names})).keys()


BATCH_RULES = sorted(PROBLEMS.keys() - {"unplanned-topics", "other-target", "not-checked", "disk-space", "quota"})


@pytest.mark.parametrize("rule", BATCH_RULES)
def test_findings_of_a_batch_name_it(rule: str) -> None:
    given, _, _ = PROBLEMS[rule]
    assert {finding.batch for finding in found(given)[rule]} == {"first"}


NO_PROBLEMS: dict[str, tuple[str, Facts]] = {
    "a topic that stays": (
        "unplanned-topics",
        facts(plan(stays=["stray"]), source={"names": frozenset({"orders", "stray", "__consumer_offsets"})}),
    ),
    "the plan's own topics": (
        "unplanned-topics",
        facts(
            plan(reach=[{"kafka": "control"}], statuses="kafka:status"),
            source={"names": frozenset({"orders", "control", "status"})},
        ),
    ),
    "a group that stays": ("unplanned-group", facts(plan(stays_groups=["intruder"]), source=other_group())),
    "a group that reads other topics": ("unplanned-group", facts(source=other_group(topics=("elsewhere",)))),
    "members that are restarted": (
        "unattested-members",
        facts(batch(groups=SHIM_ALONE), source={"groups": group(member(), member(2, "worker"))}),
    ),
    "a member without a client id of its own": (
        "unattested-members",
        facts(
            source={"groups": group(member(client_id="rdkafka"))},
            fleet=ShimFleet([consumer(client_id=None), producer()]),
        ),
    ),
    "a writer that is restarted": (
        "unattested-writers",
        facts(batch(producers={"erp": {"moves": "restart"}}), source=written(active()), fleet=ONLY_CONSUMERS),
    ),
    "a topic that nobody writes any more": (
        "unattested-writers",
        facts(batch(producers={}), source=written(active(minutes=30)), fleet=ONLY_CONSUMERS),
    ),
    "a target of object storage": ("disk-space", facts(target={"free_bytes": 1})),
    "free space that is not known": (
        "disk-space",
        facts(target={"cluster": replace(TARGET, features={}), "free_bytes": None}),
    ),
    "a quota of another user": (
        "quota",
        facts(target={"quotas": [Quota(entity={"user": "other"}, limits={"producer_byte_rate": 1.0})]}),
    ),
    "a quota of consumers on the target": (
        "quota",
        facts(target={"quotas": [Quota(entity={"user": None}, limits={"consumer_byte_rate": 1.0})]}),
    ),
    "a producer by its client id": (
        "unattested-producer",
        facts(batch(producers={"c": {"moves": "shim"}})),
    ),
}


@pytest.mark.parametrize("case", NO_PROBLEMS)
def test_what_is_no_problem_is_not_found(case: str) -> None:
    rule, given = NO_PROBLEMS[case]
    assert rule not in found(given)


def test_more_producer_ids_than_statuses_are_a_warning() -> None:
    (finding,) = found(facts(source=written(active(), active(number=8))))["unattested-writers"]
    assert finding.severity == Severity.WARNING
    assert "producer id 8" in finding.subject


def test_brokers_before_3_0_tell_whether_a_topic_was_written_to() -> None:
    gap = Gap(cluster="source", what="last writes", kind="unsupported", why="brokers before 3.0")
    old = {"entries": {"orders": topic_entry(last_write=None, written_since=NOW - timedelta(minutes=2))}}
    assert set(found(facts(source=old, fleet=ONLY_CONSUMERS, gaps=[gap]))) == {
        "unattested-writers",
        "unattested-producer",
    }


def test_a_silent_client_attests_nothing() -> None:
    by_rule = found(facts(fleet=replace(FLEET, silent=frozenset({"billing-1"}))))
    assert by_rule["unattested-members"][0].severity == Severity.BLOCKER


def test_a_user_quota_takes_precedence_over_the_default() -> None:
    quotas = [
        Quota(entity={"user": None}, limits={"producer_byte_rate": 1.0}),
        Quota(entity={"user": "mover"}, limits={"producer_byte_rate": 1e9}),
    ]
    assert "quota" not in found(facts(target={"quotas": quotas}))


@pytest.mark.parametrize(
    ("document", "topics"),
    [
        (batch(topics=["o*"], exclude=["orders"]), ()),
        (batch(topics=["*"]), ("orders",)),
        (
            plan(
                batches=[
                    {"name": "first", "path": "restart", "topics": ["o*"]},
                    {"name": "second", "path": "restart", "topics": ["orders"]},
                ]
            ),
            (),
        ),
    ],
    ids=["excluded", "glob", "named elsewhere"],
)
def test_topics_of_a_batch(document: PlanFile, topics: tuple[str, ...]) -> None:
    given = facts(document, source={"names": frozenset({"orders", "__consumer_offsets"})})
    assert given.scope.batches[0].topics == topics


def test_the_first_findings_are_the_most_severe() -> None:
    given = facts(
        fleet=ONLY_CONSUMERS,
        source={"names": frozenset({"orders", "stray"})},
        gaps=PROBLEMS["not-checked"][0].gaps,
    )
    severities = [each.severity for each in check(given).findings]
    assert severities == sorted(severities, key=list(Severity).index)
    assert set(severities) == {Severity.BLOCKER, Severity.UNKNOWN, Severity.WARNING}


def test_acls_of_applications_that_the_target_lacks() -> None:
    both = secured()
    app = [acl("TOPIC", "orders", "WRITE", "User:checkout"), acl("TRANSACTIONAL_ID", "tx", "WRITE", "User:checkout")]
    elsewhere = acl("TOPIC", "other", "WRITE", "User:checkout")
    source = {"rights": replace(both["source"]["rights"], acls=[*app, elsewhere])}
    (finding,) = found(facts(worker="User:connect", source=source, target=both["target"]))["acls-on-target"]
    assert "Write on topic orders, Write on transactional id tx" in finding.reason
    there = {"rights": replace(both["target"]["rights"], acls=[*both["target"]["rights"].acls, *app])}
    assert "acls-on-target" not in found(facts(worker="User:connect", source=source, target=there))
