"""`kafka-cutover preflight PLAN` on the secured cluster of `estate`: it finds what is planted, and nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import Consumer, Producer
from confluent_kafka import admin as typed_kafka
from cutover_harness.admin import Admin
from cutover_harness.inventory.broker_calls import Client, settings_of
from kafka.protocol.admin import AlterClientQuotasRequest

from tests.cluster.estate import (
    ADMIN,
    ALONE,
    GUEST,
    ROUTES,
    SHIM_MEMBERS,
    SYSTEMS,
    Estate,
    estate,
)
from tests.waiting import wait_until

kafka: Any = typed_kafka  # its types leave these names out
PASSWORD, CONNECT_PASSWORD = "correct-horse-9f41", "battery-staple-77c0"
PROGRAM = [sys.executable, "-P", "-c", "from cutover_harness.cli import main; main()", "preflight"]
WORKER = "User:ANONYMOUS"
"""Connect's worker logs in without a name here."""
_WRITE = kafka.AclOperation.WRITE


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    with estate(tmp_path_factory.mktemp("preflight"), PASSWORD) as made, made.clients():
        allow(made, "target", (kafka.ResourceType.TOPIC, "*", _WRITE), principal=WORKER)
        yield made


def allow(made: Estate, cluster: str, *rights: tuple[Any, str, Any], principal: str) -> None:
    node = made.bed.source if cluster == "source" else made.bed.target
    literal, permission = kafka.ResourcePatternType.LITERAL, kafka.AclPermissionType.ALLOW
    bindings = [kafka.AclBinding(kind, name, literal, principal, "*", op, permission) for kind, name, op in rights]
    client = kafka.AdminClient({"bootstrap.servers": node.bootstrap})  # calls end with it
    for future in client.create_acls(bindings).values():
        future.result(30)


def document(made: Estate, user: str = ADMIN) -> dict[str, Any]:
    """A plan of the estate in which nothing is wrong: a batch for each business system."""
    batches: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        home = next(iter(route.topics)).split(".")[0]
        batch = batches.setdefault(home, {"name": home, "path": "restart", "topics": [], "groups": {}, "producers": {}})
        batch["topics"] += list(route.topics)
        batch["groups"] |= {g: {"moves": "shim" if g in SHIM_MEMBERS else "restart"} for g in route.groups}
        batch["producers"] |= {app: {"moves": "shim"} for app in route.apps}
        # The script that filled the topics.
        batch["producers"][f"{home}-import"] = {"moves": "restart"}
    return {
        "format": 1,
        "name": "estate",
        "clusters": {
            "source": {"properties": made.properties(user).name},
            "target": {"properties": made.properties(user, "target").name, "kind": "kafka"},
        },
        "connect": {
            "url": re.sub("//", "//mirror:${CONNECT_PASSWORD}@", made.bed.connect_url),
            "properties": connect_properties(made).name,
        },
        "statuses": made.statuses.name,
        "reach": [{"file": "cutover.toml"}],
        "batches": [batches[name] for name in SYSTEMS],
        "stays": list(ALONE),
    }


def connect_properties(made: Estate) -> Path:
    file = made.folder / "connect.properties"
    file.write_text("user=mirror\npassword=${CONNECT_PASSWORD}\n")
    return file


class Result:
    def __init__(self, code: int, output: dict[str, Any], text: str) -> None:
        self.code, self.output, self.text = code, output, text

    def found(self, *severities: str) -> set[str]:
        """The findings that are no notes, as `rule: subject`."""
        wanted = severities or ("blocker", "unknown", "warning")
        return {f"{each['rule']}: {each['subject']}" for each in self.output["findings"] if each["severity"] in wanted}


def preflight(made: Estate, plan: dict[str, Any], *options: str) -> Result:
    file = made.folder / "plan.yaml"
    file.write_text(yaml.safe_dump(plan, sort_keys=False))
    env = {**os.environ, "ESTATE_PASSWORD": PASSWORD, "CONNECT_PASSWORD": CONNECT_PASSWORD}
    command = [*PROGRAM, str(file), "--json", *options]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=180, check=False)
    print(done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    for secret in (PASSWORD, CONNECT_PASSWORD):
        assert secret not in done.stdout + done.stderr
    return Result(done.returncode, json.loads(done.stdout), done.stdout + done.stderr)


def state(made: Estate) -> dict[str, Any]:
    """Everything of both clusters that a preflight could change."""
    found: dict[str, Any] = {}
    for node in (made.bed.source, made.bed.target):
        admin = Admin({"bootstrap.servers": node.bootstrap})
        topics = admin.partitions()
        names = [name for name in topics if not name.startswith(("__", "kafka-cutover-connect"))]
        client = kafka.AdminClient({"bootstrap.servers": node.bootstrap})
        found[node.name] = (topics, admin.topic_configs(names), admin.end_offsets(names), admin.start_offsets(names))
        found[f"groups of {node.name}"] = sorted(each.group_id for each in client.list_consumer_groups().result().valid)
    return found


ALL = ("--probe-connect", "--measure-spread", "--connect-principal", WORKER)


def test_nothing_is_found_where_nothing_is_wrong_and_nothing_is_changed(running: Estate) -> None:
    before = state(running)
    plain = preflight(running, document(running), "--connect-principal", WORKER)
    assert plain.found() == {
        f"connect-unknown: Connect at {running.bed.connect_url}",
        "spread: channels file:cutover.toml",
    }
    assert state(running) == before
    found = preflight(running, document(running), *ALL)
    assert (found.code, found.found()) == (0, set())
    (spread,) = (each for each in found.output["findings"] if each["rule"] == "spread")
    assert "reached 7 clients" in spread["reason"]
    assert state(running) == before  # what the probe has created is gone
    assert found.output["grants"] == []


def quota(made: Estate, user: str, value: float | None) -> None:
    entry = AlterClientQuotasRequest.EntryData
    client = Client(**settings_of({"bootstrap.servers": made.bed.target.bootstrap}))
    try:
        limit = entry.OpData(key="producer_byte_rate", value=value or 0.0, remove=value is None)
        named = entry.EntityData(entity_type="user", entity_name=user)
        client.ask(AlterClientQuotasRequest(entries=[entry(entity=[named], ops=[limit])], validate_only=False))
    finally:
        client.close()


class Planted:
    """The problems: in the plan, on the clusters, and among the clients."""

    def __init__(self, made: Estate, plan: dict[str, Any]) -> None:
        self.made, self.plan = made, plan
        self.source = Admin({"bootstrap.servers": made.bed.source.bootstrap})
        self.target = Admin({"bootstrap.servers": made.bed.target.bootstrap})
        self.batches = {batch["name"]: batch for batch in plan["batches"]}
        self.consumer: Consumer | None = None

    def plant(self) -> set[str]:
        """Make everything wrong; return the findings that are expected."""
        return {*self._in_the_plan(), *self._on_the_target(), *self._on_the_source(), self._dead_client()}

    def _in_the_plan(self) -> Iterator[str]:
        shop, billing = self.batches["shop"], self.batches["billing"]
        shop["groups"]["shop-search"] = {"moves": "shim"}
        yield "unattested-members: group shop-search"
        shop["producers"]["ghost"] = {"moves": "shim"}
        yield "unattested-producer: producer ghost"
        shop["topics"].append("shop.gone")
        yield "missing-on-source: topics shop.gone"
        shop["groups"]["shop-old"] = {"moves": "restart"}
        yield "missing-group: groups shop-old"
        del shop["groups"]["shop-audit"]
        yield "unplanned-group: group shop-audit"
        billing["groups"]["billing-credit"] = {"moves": "connector", "connector": "s3"}
        yield "connector: group billing-credit"
        del self.batches["reporting"]["producers"]["reporting-import"]
        producer = Producer({"bootstrap.servers": self.made.bed.source.bootstrap})
        for topic in self.batches["reporting"]["topics"]:
            producer.produce(topic, b"just now")
        assert producer.flush(30) == 0
        first = "reporting.daily, reporting.export-requests, reporting.exports, reporting.kpi, reporting.sales-facts"
        yield f"unattested-writers: topics {first} and 3 more"
        self.plan["stays"].remove("logistics.fuel")
        yield "unplanned-topics: topics logistics.fuel"

    def _on_the_target(self) -> Iterator[str]:
        config = self.source.topic_configs(["billing.tax"])["billing.tax"]
        same = {name: config[name] for name in ("retention.ms", "cleanup.policy", "max.message.bytes")}
        self.target.create_topics({"billing.tax": 1, "billing.holds": 1}, same)
        producer = Producer({"bootstrap.servers": self.made.bed.target.bootstrap})
        producer.produce("billing.tax", b"x")
        assert producer.flush(30) == 0
        yield "records-on-target: topics billing.tax (1)"
        self.target.set_committed("billing-tax", {("billing.tax", 0): 1})
        yield "offsets-on-target: group billing-tax"
        self.consumer = Consumer(
            {"bootstrap.servers": self.made.bed.target.bootstrap, "group.id": "billing-dunning", "client.id": "early"}
        )
        self.consumer.subscribe(["billing.holds"])
        consumer = self.consumer
        wait_until(lambda: consumer.poll(0.1) or self.target.members("billing-dunning") == 1)
        yield "members-on-target: group billing-dunning"
        self.target.create_topics({"logistics_routes": 1})
        yield "refused-topic: topic logistics.routes"  # its name collides with the other one's in metrics
        quota(self.made, "ANONYMOUS", 1e6)
        yield "quota: mirror on the target"

    def _on_the_source(self) -> Iterator[str]:
        self.source.set_topic_config("reporting.daily", {"retention.ms": "3600000"})
        yield "retention: topics reporting.daily (1 h)"
        self.source.set_topic_config("reporting.kpi", {"message.timestamp.type": "LogAppendTime"})
        yield "missing-topics: topic reporting.kpi"
        rights = [(kafka.ResourceType.TOPIC, "logistics.stock", _WRITE)]
        allow(self.made, "source", *rights, principal="User:warehouse")
        yield "acls-on-target: User:warehouse on the target"

    def _dead_client(self) -> str:
        status = json.loads((self.made.statuses / "dispatch-1.json").read_text())
        status |= {"instance": "dispatch-2", "updated": time.time() - 600}
        (self.made.statuses / "dispatch-2.json").write_text(json.dumps(status))
        return f"silent-client: client dispatch-2 on {status['host']}"

    def remove(self) -> None:
        if self.consumer is not None:
            self.consumer.close()
        quota(self.made, "ANONYMOUS", None)
        (self.made.statuses / "dispatch-2.json").unlink()


def test_each_planted_problem_is_found_and_nothing_else(running: Estate) -> None:
    planted = Planted(running, document(running))
    try:
        expected = planted.plant()
        assert len(expected) >= 15
        found = preflight(running, planted.plan, *ALL)
    finally:
        planted.remove()
    assert found.found() == expected
    assert found.code == 1
    batches = {each["rule"]: each.get("batch") for each in found.output["findings"]}
    assert (batches["records-on-target"], batches["retention"]) == ("billing", "reporting")
    members = next(each for each in found.output["findings"] if each["rule"] == "unattested-members")
    assert "shop-search-1 on 127.0.0.1" in members["reason"]
    only = preflight(running, planted.plan, "--batch", "reporting", "--connect-principal", WORKER)
    assert {each.get("batch") for each in only.output["findings"]} == {None, "reporting"}


def test_connect_that_does_not_reach_a_cluster_is_found_by_the_probe(running: Estate) -> None:
    plan = document(running)
    java = f"bootstrap.servers={running.bed.source.bootstrap}\nsecurity.protocol=SSL\nssl.truststore.type=PEM\n"
    (running.folder / "java.properties").write_text(f"{java}ssl.truststore.location=/nowhere/ca.pem\n")
    file = connect_properties(running)
    file.write_text(file.read_text() + "source=java.properties\n")
    before = state(running)
    found = preflight(running, plan, "--batch", "reporting", *ALL)
    address = running.bed.connect_url
    assert f"connect-reach: Connect at {address}" in found.found("blocker")
    (reach,) = (each for each in found.output["findings"] if each["rule"] == "connect-reach")
    assert reach["reason"].startswith("does not reach the source and the target: ")
    assert "/nowhere/ca.pem" in reach["reason"]
    assert state(running) == before


# -- rights ------------------------------------------------------------------------------------------------------------

OPERATIONS = {name.title().replace("_", ""): operation for name, operation in kafka.AclOperation.__members__.items()}
KINDS = {
    "topic": kafka.ResourceType.TOPIC,
    "group": kafka.ResourceType.GROUP,
    "cluster": kafka.ResourceType.BROKER,
}
Right = tuple[str, Any, str, Any]


def rights_of(grants: list[dict[str, Any]]) -> list[Right]:
    """Return the guest's ACLs of printed grants; those of Connect's workers have another principal."""
    return [
        (grant["cluster"], KINDS[resource["type"]], resource["name"], OPERATIONS[operation])
        for grant in grants
        if grant["principal"] == f"User:{GUEST}"
        for resource in grant["resources"]
        for operation in grant["operations"]
    ]


def change(made: Estate, rights: Iterable[Right], *, grant: bool) -> None:
    """Create or delete ACLs of the guest."""
    for cluster, kind, name, operation in rights:
        if grant:
            allow(made, cluster, (kind, name, operation), principal=f"User:{GUEST}")
            continue
        node = made.bed.source if cluster == "source" else made.bed.target
        literal, allowed = kafka.ResourcePatternType.LITERAL, kafka.AclPermissionType.ALLOW
        wanted = kafka.AclBindingFilter(kind, name, literal, f"User:{GUEST}", "*", operation, allowed)
        client = kafka.AdminClient({"bootstrap.servers": node.bootstrap})
        for future in client.delete_acls([wanted]).values():
            assert future.result(30)


MAY = kafka.AclOperation
IMPLY = {MAY.DESCRIBE: {MAY.READ, MAY.WRITE, MAY.ALTER}, MAY.DESCRIBE_CONFIGS: {MAY.ALTER_CONFIGS}}


def rounds_of(rights: list[Right]) -> tuple[set[Right], set[Right]]:
    """Return two sets of rights to take away together: none that another one of the same resource implies."""
    by_resource: dict[tuple[str, Any, str], list[Any]] = {}
    for cluster, kind, name, operation in rights:
        by_resource.setdefault((cluster, kind, name), []).append(operation)
    found: tuple[set[Right], set[Right]] = (set(), set())
    for resource, operations in by_resource.items():
        alone = [each for each in operations if not IMPLY.get(each, set()) & set(operations)]
        for number, operation in enumerate(alone if resource[1] != KINDS["cluster"] else []):
            found[number % 2].add((*resource, operation))
    return found


def test_each_missing_right_is_named_and_the_printed_commands_grant_it(running: Estate) -> None:
    plan = document(running, GUEST)
    del plan["connect"]
    # One topic is on the target already, and the others are not; a control topic is on neither cluster.
    plan["reach"].append({"kafka": "estate-control"})
    plan["batches"] = [batch for batch in plan["batches"] if batch["name"] == "shop"]
    batch = plan["batches"][0]
    batch["topics"], batch["groups"] = ["shop.cart", "shop.cart-events"], {"shop-cart": {"moves": "restart"}}
    batch["producers"] = {"shop-import": {"moves": "restart"}}
    plan["stays"] = ["*"]
    Admin({"bootstrap.servers": running.bed.target.bootstrap}).create_topics({"shop.cart": 2})
    before = state(running)

    nothing = preflight(running, plan, "--connect-principal", WORKER)
    assert nothing.code == 1
    assert state(running) == before, "something was changed before all rights were there"
    lacking = {each["subject"] for each in nothing.output["findings"] if each["rule"] == "missing-right"}
    assert lacking == {f"User:{GUEST} on the source", f"User:{GUEST} on the target"}
    rights = rights_of(nothing.output["grants"])
    assert {cluster for cluster, *_ in rights} == {"source", "target"}

    script = subprocess.run(
        [*PROGRAM, str(running.folder / "plan.yaml"), "--acl", "--connect-principal", WORKER],
        env={**os.environ, "ESTATE_PASSWORD": PASSWORD, "CONNECT_PASSWORD": CONNECT_PASSWORD},
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    printed = [line for line in script.stdout.splitlines() if not line.startswith("#")]
    assert printed == [grant["command"] for grant in nothing.output["grants"]]

    change(running, rights, grant=True)
    wait_until(lambda: lacks(running, plan) == set(), 30)
    left = preflight(running, plan, "--connect-principal", WORKER).found()
    assert {each for each in left if not each.startswith(OTHERS)} == REST
    assert any(each.startswith("not-checked: hidden topics of the source (") for each in left)
    # A topic that is there need not be created, but without Describe nobody sees that.
    rounds = rounds_of([right for right in rights if right[2:] != ("shop.cart", MAY.CREATE)])
    assert len(set().union(*rounds)) > len(rights) / 2
    for taken in rounds:
        change(running, taken, grant=False)
        wait_until(lambda taken=taken: lacks(running, plan) == taken, 30)  # type: ignore[misc]
        change(running, taken, grant=True)


UNSEEN = ("hidden topics", "committed offsets of groups", "members of groups")
OTHERS = tuple(f"not-checked: {what} of the source (" for what in UNSEEN)
"""Topics and groups of others, which the guest does not see: whether the plan lacks them is not known."""
REST = {"connect-unknown: plan", "spread: channels file:cutover.toml, kafka:estate-control"}


def lacks(made: Estate, plan: dict[str, Any]) -> set[Right]:
    """Return the rights that are reported as missing; the authorizers see a change of ACLs a moment later."""
    return set(rights_of(preflight(made, plan, "--connect-principal", WORKER).output["grants"]))
