"""Every rule of preflight fires where it must, and stays silent where nothing is wrong."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cutover_harness.cli import preflight as command
from cutover_harness.cli.app import run
from cutover_harness.errors import UsageError
from cutover_harness.preflight import Client, Cluster, Finding, Group, Inventory, Plan, Severity, Topic, check, read
from cutover_harness.preflight.check import RULES
from cutover_harness.preflight.read import read_client
from cutover_harness.preflight.topics import different

HOUR = 3_600_000
GOOD_TOPIC = Topic(3, 1, {"cleanup.policy": "delete", "retention.ms": str(7 * 24 * HOUR), "min.insync.replicas": "1"})
GOOD_BROKER = {"offsets.retention.minutes": "10080", "process.roles": "broker,controller"}
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
}
SOURCE = Cluster({"orders": GOOD_TOPIC}, {"billing": Group(("orders",))}, (3, 4), GOOD_BROKER, 3)
TARGET = Cluster({"orders": GOOD_TOPIC}, {}, (3, 9), {"s3.network.refill.period.ms": "10"}, 1)
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


TWO = source(
    topics={"orders": GOOD_TOPIC, "bills": GOOD_TOPIC},
    groups={"billing": Group(("orders", "bills")), "audit": Group(("orders", "elsewhere"))},
)

FIRES: dict[str, list[tuple[Inventory, str]]] = {
    "target-kind": [
        (target(broker={"process.roles": "broker"}), "note"),
        # Kafka with AutoMQ's settings.
        (target(broker={"elasticstream.enable": "true", "s3.wal.path": "0@s3://b", "s3.wal.cache.size": "1"}), "note"),
    ],
    "source-version": [
        (source(version=(4, 1)), "warning"),
        (source(version=(4,)), "warning"),
        (source(version=(3, 9)), "note"),
        (source(version=None), "note"),
    ],
    "group-protocol": [
        (source(groups={"g": Group(("orders",), "consumer")}), "blocker"),
        (client(group_protocol="consumer"), "blocker"),
    ],
    "group-spans-batches": [
        (plan(TWO, batches=(("orders",), ("bills",))), "blocker"),
        (plan(TWO, batches=(("ord*",),)), "blocker"),
    ],
    "offsets-retention": [
        (source(broker={"offsets.retention.minutes": "600"}), "warning"),
        (source(broker={"offsets.retention.minutes": str(8 * 24 * 60)}), "note"),
    ],
    "internal-topics": [(topic("__auto_balancer_metrics"), "warning"), (topic("__automq_cluster_events"), "warning")],
    "mirror-exactly-once": [(plan(exactly_once=True), "warning")],
    "never-mirrored": [
        (topic(name), "blocker") for name in ("app.internal", "app-internal", "__mine", ".hidden", "heartbeats")
    ],
    "compaction-data-loss": [
        (plan(topic(cleanup_policy="compact"), automq=(1, 6, 9)), "blocker"),
        (plan(topic(cleanup_policy="compact,delete"), automq=None), "warning"),
    ],
    "replication": [(topic(replication=3), "note"), (topic(min_insync_replicas="2"), "note")],
    "missing-topics": [(target(topics={}), "note")],
    "partition-count": [
        (target(topics={"orders": replace(GOOD_TOPIC, partitions=2)}), "blocker"),
        (target(topics={"orders": replace(GOOD_TOPIC, partitions=4)}), "warning"),
    ],
    "topic-config": [(topic(retention_ms=str(30 * 24 * HOUR)), "warning")],
    "retention": [(topic(retention_ms=str(12 * HOUR)), "warning"), (plan(hours=200.0), "warning")],
    "cloud-retention": [(topic(retention_ms="-1"), "note"), (topic(retention_ms=str(61 * 24 * HOUR)), "note")],
    "acks": [
        (client(acks="1"), "warning"),
        (client(acks="0"), "warning"),
        (client(acks=None, request_required_acks="1"), "warning"),
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
    "client-id": [(client(client_id="team=a&x=y"), "warning")],
    "cloud-fetch": [(client(fetch_max_bytes=str(100 << 20)), "note")],
}

SILENT: dict[str, list[Inventory]] = {
    "target-kind": [replace(GOOD, target=None), target(broker={})],
    "group-protocol": [
        replace(
            source(groups={"g": Group(("orders",), "consumer")}),
            target=replace(TARGET, broker={"group.coordinator.rebalance.protocols": "classic,consumer"}),
        ),
        client(group_protocol="classic"),
    ],
    "group-spans-batches": [TWO, plan(TWO, batches=(("orders", "bills"),)), plan(TWO, batches=(("*",),))],
    "offsets-retention": [source(broker={}), plan(source(broker={"offsets.retention.minutes": "600"}), hours=8.0)],
    "never-mirrored": [topic("internal"), topic("app.internal.v2"), topic("heartbeats.mine"), topic("_schemas")],
    "compaction-data-loss": [plan(topic(cleanup_policy="compact"), automq=(1, 7, 0)), plan(automq=(1, 0, 0))],
    "missing-topics": [replace(GOOD, target=None)],
    "partition-count": [target(topics={}), replace(GOOD, target=None)],
    "topic-config": [
        target(
            topics={"orders": replace(GOOD_TOPIC, config={**GOOD_TOPIC.config, "automq.table.topic.enable": "false"})}
        ),
        topic(min_insync_replicas="2"),
    ],
    "retention": [topic(retention_ms="-1"), topic(cleanup_policy="compact", retention_ms="1"), plan(hours=168.0)],
    "cloud-retention": [topic(cleanup_policy="compact", retention_ms="1")],
    "acks": [client(acks="-1"), client(acks=None), client(acks="${ACKS}")],
    "delivery-timeout": [client(delivery_timeout_ms="60000"), client(delivery_timeout_ms="0")],
    "gives-up-early": [client(retries="2147483647"), client(max_block_ms="60000"), client(request_timeout_ms="30000")],
    "unknown-producer": [client(enable_idempotence="false")],
    "one-in-flight": [client(max_in_flight_requests_per_connection="5")],
    "sync-commit": [client(enable_auto_commit="true")],
    "client-settings": [replace(GOOD, clients={"app": Client({"bootstrap.servers": "x"})})],
    "client-id": [client(client_id="automq_az=zone-1"), client(client_id="billing-1")],
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


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert check(GOOD) == []


def test_every_rule_has_cases() -> None:
    named = {finding.rule for cases in FIRES.values() for inventory, _ in cases for finding in check(inventory)}
    assert named == set(FIRES)
    silent_by_good = {rule.__name__ for rule in RULES if not list(rule(GOOD))}
    assert silent_by_good == {rule.__name__ for rule in RULES}


def test_the_heaviest_come_first() -> None:
    severities = [f.severity for f in check(plan(topic("app.internal", replication=3), exactly_once=True))]
    assert severities == sorted(severities, key=list(Severity).index)
    assert severities[0] == Severity.BLOCKER


def test_what_automq_sets_by_itself_is_no_difference() -> None:
    here = {"min.insync.replicas": "2", "index.interval.bytes": "4096", "retention.ms": "1", "local.retention.ms": "-2"}
    there = {"min.insync.replicas": "1", "index.interval.bytes": "1048576", "retention.ms": "2", "automq.x": "y"}
    assert different(here, there) == ["retention.ms"]
    assert different(here, {**there, "retention.ms": "1"}) == []


def test_secrets_of_clients_are_not_repeated() -> None:
    inventory = client(sasl_jaas_config="secret-1", sasl_password="secret-2", transactional_id="secret-3", acks="1")
    assert "secret" not in json.dumps([finding.to_json() for finding in check(inventory)])


# What is read


def test_client_files_are_javas_or_librdkafkas(tmp_path: Path) -> None:
    file = tmp_path / "app.properties"
    text = "# comment\n! another\nacks=all\nlinger.ms : 5\nretries 3\nsasl.jaas.config=a.B required \\\n   x=y;\n"
    file.write_text(text)
    expected = {"acks": "all", "linger.ms": "5", "retries": "3", "sasl.jaas.config": "a.B required x=y;"}
    assert read_client(file).properties == expected
    file.write_text(text + "acks-all\n")
    with pytest.raises(UsageError, match=r"--client .*app.properties, line 8: expected name=value"):
        read_client(file)
    file.write_text("\n")
    with pytest.raises(UsageError, match="holds no property"):
        read_client(file)
    with pytest.raises(UsageError, match="none: cannot be read"):
        read_client(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "globs", "wanted"),
    [
        ("orders", [], True),
        ("__consumer_offsets", [], False),
        ("mm2-offset-syncs.a.internal", [], False),
        ("app.internal", [], True),
        ("orders", ["ord*"], True),
        ("bills", ["ord*"], False),
        ("__mine", ["*"], False),
        ("__mine", ["__mine"], True),
    ],
)
def test_the_scope_leaves_out_what_is_kafkas_own(name: str, globs: list[str], wanted: bool) -> None:
    assert read._wanted(name, globs) is wanted


@pytest.mark.parametrize(
    ("broker", "version"),
    [
        ({"inter.broker.protocol.version": "3.9-IV0"}, (3, 9)),
        ({"inter.broker.protocol.version": "2.8-IV1"}, (2, 8)),
        ({"process.roles": "broker"}, (4,)),
        ({}, None),
    ],
)
def test_the_version_is_read_from_a_brokers_settings(broker: dict[str, str], version: tuple[int, ...] | None) -> None:
    assert read._version(broker) == version


# The command


def preflight(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *args: str) -> SimpleNamespace:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(sys, "argv", ["kafka-cutover", "preflight", *args])
    try:
        with pytest.raises(SystemExit) as ended:
            run()
    finally:
        signal.signal(signal.SIGTERM, before)
    said = capsys.readouterr()
    return SimpleNamespace(code=ended.value.code, out=said.out, err=said.err)


@pytest.fixture
def properties(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A properties file; what would be read from its cluster is the good source."""
    file = tmp_path / "source.properties"
    file.write_text("bootstrap.servers=127.0.0.1:1\n")
    monkeypatch.setattr(command, "read_cluster", lambda name, config, globs: SOURCE if name == "source" else TARGET)
    return str(file)


def test_exit_codes_say_whether_there_is_a_blocker(
    properties: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ["--source", properties, "--target", properties]
    done = preflight(monkeypatch, capsys, *base)
    assert (done.code, done.out) == (0, "0 blockers, 0 warnings, 0 notes (looked at 1 topic, 1 group, 0 clients)\n")
    done = preflight(monkeypatch, capsys, *base, "--exactly-once")
    assert (done.code, done.out.split(":")[0]) == (0, "WARNING  mirror-exactly-once")
    (tmp_path / "app").write_text("group.protocol=consumer\ngroup.id=g\n")
    done = preflight(monkeypatch, capsys, *base, "--client", str(tmp_path / "app"), "--json")
    assert done.code == 1
    told = json.loads(done.out)
    assert told["counts"]["blocker"] == 1
    assert told["findings"][0]["rule"] == "group-protocol"
    assert set(told["findings"][0]) == {"rule", "severity", "subject", "reason", "source", "remedy"}


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--automq-version", "new"], "--automq-version new: expected a version as in 1.7.3"),
        (["--hours", "0"], "--hours 0: must be above 0"),
        (["--topics", "a,,b"], "an empty name in 'a,,b'"),
        (["--client", "none.properties"], "--client none.properties: cannot be read"),
    ],
)
def test_bad_input_is_one_line(
    args: list[str],
    says: str,
    properties: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = preflight(monkeypatch, capsys, "--source", properties, *args)
    assert done.code == 2
    assert says in done.err
    assert done.err.count("\n") == 1


def test_a_cluster_that_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(read, "TIMEOUT_S", 0.5)
    file = tmp_path / "source.properties"
    file.write_text("bootstrap.servers=127.0.0.1:1\n")
    done = preflight(monkeypatch, capsys, "--source", str(file))
    assert done.code == 2
    assert "source cluster 127.0.0.1:1: " in done.err
