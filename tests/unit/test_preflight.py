"""Every rule of preflight fires where it must, and stays silent where nothing is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from cutover_harness.preflight import Client, Finding, Group, Inventory, Plan, Severity, Topic, check
from cutover_harness.preflight.check import RULES
from cutover_harness.preflight.target import defaults
from cutover_harness.preflight.topics import different

from tests.unit.preflight_clusters import GOOD_TOPIC, HOUR, SOURCE, TARGET

# As AutoMQ recommends, for a Java client that does both.
GOOD_CLIENT: Mapping[str, str] = {
    "acks": "all",
    "delivery.timeout.ms": "120000",
    "linger.ms": "100",
    "batch.size": str(1 << 20),
    "max.request.size": str(16 << 20),
    "metadata.max.age.ms": "60000",
    "group.id": "billing",
    "max.partition.fetch.bytes": str(8 << 20),
    "auto.offset.reset": "earliest",
}


GOOD = Inventory(SOURCE, TARGET, {"app": Client(GOOD_CLIENT)}, Plan(automq=(1, 7, 3)))


def client(**changed: str | None) -> Inventory:
    """The good inventory with other client properties (underscores for dots); None removes one."""
    merged = {**GOOD_CLIENT, **{name.replace("_", "."): value for name, value in changed.items()}}
    return replace(GOOD, clients={"app": Client({k: v for k, v in merged.items() if v is not None})})


def topic(name: str = "orders", partitions: int = 3, replication: int = 1, **config: str) -> Inventory:
    """The good inventory with another topic on the source."""
    merged = {**GOOD_TOPIC.config, **{key.replace("_", "."): value for key, value in config.items()}}
    return replace(GOOD, source=replace(SOURCE, topics={name: Topic(partitions, replication, merged)}))


def source(**changed: Any) -> Inventory:
    return replace(GOOD, source=replace(SOURCE, **changed))


def plan(inventory: Inventory = GOOD, **changed: Any) -> Inventory:
    return replace(inventory, plan=replace(inventory.plan, **changed))


def target(**changed: Any) -> Inventory:
    return replace(GOOD, target=replace(TARGET, **changed))


DEFAULTS = {
    "log.retention.hours": "168",
    "log.cleanup.policy": "delete",
    "message.max.bytes": "1048588",
    "log.message.timestamp.type": "CreateTime",
}


IN_FORCE = {
    "cleanup.policy": "delete",
    "retention.ms": str(168 * HOUR),
    "max.message.bytes": "1048588",
    "message.timestamp.type": "CreateTime",
}


def missing(own: tuple[str, ...] = (), **config: str) -> Inventory:
    """A topic that is not on the target yet, whose brokers have Kafka's defaults."""
    return replace(both(own, None, **config), target=replace(TARGET, topics={}, broker=DEFAULTS))


def both(own: tuple[str, ...] = (), there: Mapping[str, str] | None = None, **config: str) -> Inventory:
    """A topic that is on both sides; `own` properties are set on the source's topic itself."""
    here = {**IN_FORCE, **{name.replace("_", "."): value for name, value in config.items()}}
    on_target = {**IN_FORCE, "segment.ms": "2", **(there or {})}
    return replace(
        GOOD,
        source=replace(SOURCE, topics={"orders": Topic(3, 1, here, frozenset(own))}),
        target=replace(TARGET, topics={"orders": Topic(3, 1, on_target)}),
    )


def uncommitted(**changed: str | None) -> Inventory:
    """A client whose group has committed one partition of three."""
    known = Group(("orders",), offsets={("orders", 1): 5})
    return replace(client(**changed), source=replace(SOURCE, groups={"billing": known}))


TWO = source(
    topics={"orders": GOOD_TOPIC, "bills": GOOD_TOPIC},
    groups={"billing": Group(("orders", "bills")), "audit": Group(("orders", "elsewhere"))},
)


FIRES: dict[str, list[tuple[Inventory, str]]] = {
    "target-kind": [
        (target(features={"metadata.version": 21}), "note"),
        (target(features={}), "note"),
        # Settings prove nothing: Kafka passes on what it does not know.
        (target(features={}, broker={"elasticstream.enable": "true", "s3.network.refill.period.ms": "10"}), "note"),
        (target(features=None), "warning"),
    ],
    "source-version": [
        (source(version=(4, 1)), "warning"),
        (source(version=(4,)), "warning"),
        (source(version=None), "note"),
        (source(version=(2, 7)), "warning"),
        (source(version=(2, 0)), "warning"),
        (source(version=(0, 11)), "warning"),
        (source(version=(0, 10)), "blocker"),
    ],
    "group-protocol": [
        (source(groups={"g": Group(("orders",), "consumer")}), "blocker"),
        (client(group_protocol="consumer"), "blocker"),
    ],
    "untranslatable-group": [
        (source(groups={"a,b": Group(("orders",))}), "blocker"),
        (source(groups={"late ": Group(("orders",))}), "blocker"),
    ],
    "group-spans-batches": [
        (plan(TWO, batches=(("orders",), ("bills",))), "blocker"),
        # A name wins over a glob, as in the cutover file.
        (plan(TWO, batches=(("*",), ("bills",))), "blocker"),
        (plan(TWO, batches=(("ord*",),)), "blocker"),
    ],
    "offsets-retention": [
        (source(broker={"offsets.retention.minutes": "600"}), "warning"),
        (source(broker={"offsets.retention.minutes": str(8 * 24 * 60)}), "note"),
    ],
    "internal-topics": [
        (topic(f"__{name}"), "warning")
        for name in ("auto_balancer_metrics", "automq_cluster_events", "automq_table_control", "automq_table_data")
    ],
    "mirror-exactly-once": [(plan(exactly_once=True), "warning")],
    "never-mirrored": [
        (topic(name), "blocker") for name in ("app.internal", "app-internal", "__mine", ".hidden", "heartbeats")
    ],
    "compaction-data-loss": [
        (plan(topic(cleanup_policy="compact"), automq=(1, 6, 9)), "blocker"),
        (plan(topic(cleanup_policy="compact,delete"), automq=None), "warning"),
    ],
    "replication": [(topic(replication=3), "note"), (topic(min_insync_replicas="2"), "note")],
    "missing-topics": [
        (target(topics={}), "note"),
        (target(topics={}, broker=DEFAULTS), "note"),
        (missing(retention_ms="-1"), "warning"),
        (missing(max_message_bytes="10485880"), "warning"),
        (missing(message_timestamp_type="LogAppendTime"), "warning"),
        # It is set on the topic, and not copied all the same.
        (missing(own=("message.timestamp.type",), message_timestamp_type="LogAppendTime"), "warning"),
    ],
    "harmful-config": [
        (both(retention_ms="-1"), "warning"),
        (both(max_message_bytes="10485880"), "blocker"),
        (both(own=("max.message.bytes",), max_message_bytes="10485880"), "warning"),  # and is copied
    ],
    "tiered-storage": [(topic(remote_storage_enable="true"), "warning")],
    "records-on-target": [
        (target(topics={"orders": replace(GOOD_TOPIC, records=100)}), "blocker"),
        (target(topics={"orders": replace(GOOD_TOPIC, records=1)}, mirrored_into=True), "warning"),
    ],
    "offsets-on-target": [
        (target(groups={"billing": Group(("orders",), offsets={("orders", 1): 7})}), "blocker"),
        (target(groups={"billing": Group(("orders",), offsets={("orders", 1): 7})}, mirrored_into=True), "warning"),
    ],
    "members-on-target": [(target(groups={"billing": Group(active=True)}), "blocker")],
    "partition-count": [
        (target(topics={"orders": replace(GOOD_TOPIC, partitions=2)}), "blocker"),
        (target(topics={"orders": replace(GOOD_TOPIC, partitions=4)}), "warning"),
    ],
    "topic-config": [(both(segment_ms="1", compression_type="gzip"), "warning")],
    "retention": [(topic(retention_ms=str(12 * HOUR)), "warning"), (plan(hours=200.0), "warning")],
    "cloud-retention": [(topic(retention_ms="-1"), "note"), (topic(retention_ms=str(61 * 24 * HOUR)), "note")],
    "acks": [
        (client(acks="1"), "blocker"),
        (client(acks="0"), "blocker"),
        (client(acks=None, request_required_acks="1"), "blocker"),
        (plan(client(acks="0"), target_acks="all"), "note"),
        (plan(target_acks="1"), "blocker"),
        (client(acks=None, key_serializer="x"), "note"),
    ],
    "delivery-timeout": [
        (client(delivery_timeout_ms="25000"), "warning"),
        (client(delivery_timeout_ms="40000"), "note"),
        (client(delivery_timeout_ms=None, message_timeout_ms="10000"), "warning"),
    ],
    "gives-up-early": [
        (client(retries="3"), "warning"),
        (client(max_block_ms="5000"), "warning"),
        (client(request_timeout_ms="500"), "warning"),
    ],
    "unknown-producer": [(client(enable_idempotence="true"), "warning"), (client(transactional_id="t"), "warning")],
    "one-in-flight": [(client(max_in_flight_requests_per_connection="1"), "warning")],
    "sync-commit": [(client(enable_auto_commit="false"), "warning")],
    "transactions": [(client(transactional_id="t"), "warning")],
    "client-settings": [
        (client(linger_ms="5"), "note"),
        (client(batch_size=None), "note"),
        (client(max_request_size="1048576"), "note"),
        (client(metadata_max_age_ms="300000"), "note"),
        (client(max_partition_fetch_bytes=None), "note"),
    ],
    "client-id": [(client(client_id=name), "blocker") for name in ("app=100%", "app=%zz", "automq_az=a&x=%4")],
    "offset-reset": [
        (client(auto_offset_reset=None), "note"),  # all partitions have an offset, those to come do not
        (client(auto_offset_reset="latest", group_id="unknown"), "warning"),
        (uncommitted(auto_offset_reset="latest"), "warning"),
        (uncommitted(auto_offset_reset="largest"), "warning"),
        (uncommitted(auto_offset_reset="none"), "warning"),
        (uncommitted(auto_offset_reset=None), "warning"),
    ],
    "only-compressed": [
        (replace(topic(max_message_bytes="200000"), clients=client(compression_type="zstd").clients), "warning"),
        (
            replace(
                topic(max_message_bytes="200000"),
                clients=client(compression_codec="lz4", max_request_size=None).clients,
            ),
            "warning",
        ),
    ],
    "cloud-fetch": [(client(fetch_max_bytes=str(100 << 20)), "note")],
}


SILENT: dict[str, list[Inventory]] = {
    "target-kind": [replace(GOOD, target=None), target(features={"automq.version": 1})],
    "group-protocol": [
        replace(
            source(groups={"g": Group(("orders",), "consumer")}),
            target=replace(TARGET, broker={"group.coordinator.rebalance.protocols": "classic,consumer"}),
        ),
        client(group_protocol="classic"),
    ],
    "untranslatable-group": [source(groups={"a b[c]": Group(("orders",)), "a,b": Group(("elsewhere",))})],
    "group-spans-batches": [TWO, plan(TWO, batches=(("orders", "bills"),)), plan(TWO, batches=(("*",),))],
    "offsets-retention": [source(broker={}), plan(source(broker={"offsets.retention.minutes": "600"}), hours=8.0)],
    "never-mirrored": [topic("internal"), topic("app.internal.v2"), topic("heartbeats.mine"), topic("_schemas")],
    "compaction-data-loss": [plan(topic(cleanup_policy="compact"), automq=(1, 7, 0)), plan(automq=(1, 0, 0))],
    "missing-topics": [replace(GOOD, target=None)],
    "harmful-config": [
        replace(GOOD, target=None),
        both(there={"retention.ms": "-1", "max.message.bytes": "2000000"}),
        both(max_message_bytes="1000", there={"max.message.bytes": "1048588"}),
    ],
    "tiered-storage": [topic(remote_storage_enable="false")],
    "records-on-target": [replace(GOOD, target=None), target(topics={"other": replace(GOOD_TOPIC, records=9)})],
    "offsets-on-target": [
        replace(GOOD, target=None),
        target(groups={"billing": Group(("orders",), offsets={("orders", 0): 0})}),
        target(groups={"billing": Group(("other",), offsets={("other", 0): 7})}),
        target(groups={"someone": Group(("orders",), offsets={("orders", 0): 7}, active=True)}),
    ],
    "members-on-target": [
        target(groups={"billing": Group()}),
        replace(
            source(groups={"billing": Group(("elsewhere",))}),
            target=target(groups={"billing": Group((), active=True)}).target,
        ),
    ],
    "partition-count": [target(topics={}), replace(GOOD, target=None)],
    "source-version": [source(version=version) for version in ((2, 8), (3, 4), (3, 5), (3, 9))],
    "topic-config": [
        target(
            topics={"orders": replace(GOOD_TOPIC, config={**GOOD_TOPIC.config, "automq.table.topic.enable": "false"})}
        ),
        topic(min_insync_replicas="2"),
    ],
    "retention": [topic(retention_ms="-1"), topic(cleanup_policy="compact", retention_ms="1"), plan(hours=168.0)],
    "cloud-retention": [topic(cleanup_policy="compact", retention_ms="1")],
    "acks": [client(acks="-1"), client(acks=None), client(acks="${ACKS}"), plan(target_acks="all")],
    "delivery-timeout": [client(delivery_timeout_ms="60000"), client(delivery_timeout_ms="0")],
    "gives-up-early": [client(retries="2147483647"), client(max_block_ms="60000"), client(request_timeout_ms="30000")],
    "unknown-producer": [client(enable_idempotence="false")],
    "one-in-flight": [client(max_in_flight_requests_per_connection="5")],
    "sync-commit": [client(enable_auto_commit="true")],
    "client-settings": [replace(GOOD, clients={"app": Client({"bootstrap.servers": "x"})})],
    "client-id": [
        client(client_id=name)
        for name in ("automq_az=zone-1&x=y", "billing-1", "a=b", "app%", "100%zz", "team=a%20b", "team=a&x=y")
    ],
    "offset-reset": [
        uncommitted(auto_offset_reset="earliest"),
        uncommitted(auto_offset_reset="smallest"),
        client(group_id=None, auto_offset_reset="latest"),
    ],
    "only-compressed": [
        topic(max_message_bytes="200000"),
        replace(topic(max_message_bytes="200000"), clients=client(compression_type="none").clients),
        replace(topic(max_message_bytes=str(32 << 20)), clients=client(compression_type="zstd").clients),
    ],
    "cloud-fetch": [client(fetch_max_bytes=str(50 << 20))],
}


def found(inventory: Inventory, rule: str) -> list[Finding]:
    return [finding for finding in check(inventory) if finding.rule == rule]


@pytest.mark.parametrize(("rule", "case"), [(rule, case) for rule, cases in FIRES.items() for case in cases])
def test_a_rule_fires(rule: str, case: tuple[Inventory, str]) -> None:
    inventory, severity = case
    (finding,) = found(inventory, rule)
    assert finding.severity == severity
    assert all(finding.to_json().values())
    assert "\n" not in "".join(finding.to_json().values())


@pytest.mark.parametrize(("rule", "inventory"), [(rule, case) for rule, cases in SILENT.items() for case in cases])
def test_a_rule_stays_silent(rule: str, inventory: Inventory) -> None:
    assert found(inventory, rule) == []


def test_no_findings_if_nothing_is_wrong() -> None:
    assert check(GOOD) == []


def test_every_rule_has_cases() -> None:
    named = {finding.rule for cases in FIRES.values() for inventory, _ in cases for finding in check(inventory)}
    assert named == set(FIRES)
    silent_by_good = {rule.__name__ for rule in RULES if not list(rule(GOOD))}
    assert silent_by_good == {rule.__name__ for rule in RULES}


def test_an_old_source_is_told_which_clients_speak_to_it() -> None:
    (old,), (older,) = (found(source(version=version), "source-version") for version in ((2, 1), (2, 0)))
    assert "as well as 4" in old.reason
    assert "Connect 4 and Java clients 4 do not" in older.reason


def test_the_heaviest_come_first() -> None:
    severities = [f.severity for f in check(plan(topic("app.internal", replication=3), exactly_once=True))]
    assert severities == sorted(severities, key=list(Severity).index)
    assert severities[0] == Severity.BLOCKER


def test_values_set_by_automq_are_no_difference() -> None:
    here = {"min.insync.replicas": "2", "index.interval.bytes": "4096", "retention.ms": "1", "local.retention.ms": "-2"}
    there = {"min.insync.replicas": "1", "index.interval.bytes": "1048576", "retention.ms": "2", "automq.x": "y"}
    assert different(here, there) == ["retention.ms"]
    assert different(here, {**there, "retention.ms": "1"}) == []


def test_secrets_of_clients_are_not_repeated() -> None:
    inventory = client(sasl_jaas_config="secret-1", sasl_password="secret-2", transactional_id="secret-3", acks="1")
    assert "secret" not in json.dumps([finding.to_json() for finding in check(inventory)])


def test_partitions_that_a_group_never_committed_are_named() -> None:
    (finding,) = found(uncommitted(auto_offset_reset="latest"), "offset-reset")
    assert "in orders-0, orders-2, which group billing has never committed, it starts at the end" in finding.reason


def test_topics_created_by_mirrormaker_alone_are_reported() -> None:
    (finding,) = found(missing(retention_ms="-1", max_message_bytes="10485880"), "missing-topics")
    assert "retention.ms -1 -> 604800000, max.message.bytes 10485880 -> 1048588" in finding.reason
    assert finding.remedy.endswith("with retention.ms=-1, max.message.bytes=10485880")
    assert found(missing(own=("retention.ms",), retention_ms="-1"), "missing-topics")[0].severity == "note", "copied"


@pytest.mark.parametrize(
    ("broker", "ms"),
    [
        ({"log.retention.hours": "168"}, str(168 * HOUR)),
        ({"log.retention.hours": "168", "log.retention.minutes": "5"}, "300000"),
        ({"log.retention.hours": "168", "log.retention.ms": "-1", "log.retention.minutes": "5"}, "-1"),
        ({"log.retention.hours": "-1"}, "-1"),
    ],
)
def test_the_default_retention_has_three_names(broker: dict[str, str], ms: str) -> None:
    assert defaults(broker)["retention.ms"] == ms
