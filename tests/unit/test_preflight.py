"""Every rule of preflight fires where it must, and stays silent where nothing is wrong."""

from __future__ import annotations

import json
import re
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
from cutover_harness.preflight.target import defaults
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
    "auto.offset.reset": "earliest",
}
COMMITTED = {("orders", partition): 5 for partition in range(3)}
SOURCE = Cluster({"orders": GOOD_TOPIC}, {"billing": Group(("orders",), offsets=COMMITTED)}, (3, 4), GOOD_BROKER, 3)
TARGET = Cluster({"orders": replace(GOOD_TOPIC, records=0)}, {}, (3, 9), {}, 1, {"automq.version": 6})
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
        (source(version=(3, 9)), "note"),
        (source(version=None), "note"),
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


def test_partitions_that_a_group_never_committed_are_named() -> None:
    (finding,) = found(uncommitted(auto_offset_reset="latest"), "offset-reset")
    assert "in orders-0, orders-2, which group billing has never committed, it starts at the end" in finding.reason


def test_what_mirrormaker_alone_would_create_is_named() -> None:
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


@pytest.mark.parametrize(
    ("text", "acks"),
    [
        ('[clusters.target]\nacks = "all"\n"sasl.password" = "${file:/not/here}"', "all"),
        ("[clusters.target]\nacks=1", "1"),
        ("[clusters.target]\n", None),
    ],
)
def test_acks_of_a_cutover_file(tmp_path: Path, text: str, acks: str | None) -> None:
    (tmp_path / "cutover.toml").write_text(text)
    assert read.read_target_acks(tmp_path / "cutover.toml") == acks


@pytest.mark.parametrize(
    ("text", "says"), [("[clusters", "not TOML"), ("generation = 1", "has no table"), ("clusters = 1", "has no table")]
)
def test_what_is_no_cutover_file_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "cutover.toml").write_text(text)
    with pytest.raises(UsageError, match=rf"--cutover-file .*cutover.toml: {re.escape(says)}"):
        read.read_target_acks(tmp_path / "cutover.toml")


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
    monkeypatch.setattr(command, "read_cluster", lambda name, *_, **__: SOURCE if name == "source" else TARGET)
    return str(file)


def test_exit_codes_say_whether_there_is_a_blocker(
    properties: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ["--source", properties, "--target", properties]
    done = preflight(monkeypatch, capsys, *base)
    looked = "looked at 1 topic, 1 group, 0 clients, the target is AutoMQ (finalized feature automq.version 6)"
    assert (done.code, done.out) == (0, f"0 blockers, 0 warnings, 0 notes ({looked})\n")
    done = preflight(monkeypatch, capsys, *base, "--exactly-once")
    assert (done.code, done.out.split(":")[0]) == (0, "WARNING  mirror-exactly-once")
    (tmp_path / "app").write_text("group.protocol=consumer\ngroup.id=g\nauto.offset.reset=earliest\n")
    done = preflight(monkeypatch, capsys, *base, "--client", str(tmp_path / "app"), "--json")
    assert done.code == 1
    told = json.loads(done.out)
    assert told["counts"]["blocker"] == 1
    assert told["findings"][0]["rule"] == "group-protocol"
    assert set(told["findings"][0]) == {"rule", "severity", "subject", "reason", "source", "remedy"}


def test_a_source_without_topics_is_no_good_source(
    properties: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "read_cluster", lambda *_, **__: replace(SOURCE, topics={}))
    done = preflight(monkeypatch, capsys, "--source", properties)
    assert (done.code, done.out) == (2, "")
    assert "shows no topic to look at" in done.err


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--automq-version", "new"], "--automq-version new: expected a version as in 1.7.3"),
        (["--hours", "0"], "--hours 0: must be above 0"),
        (["--topics", "a,,b"], "an empty name in 'a,,b'"),
        (["--client", "none.properties"], "--client none.properties: cannot be read"),
        (["--cutover-file", "none.toml"], "--cutover-file none.toml: cannot be read"),
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
