"""The fence of a batch on clusters with logins and ACLs: it keeps a straggler out, and nothing of it is left behind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import KafkaError
from cutover_harness.admin import Admin
from cutover_harness.conductor.write_fence import Denials
from cutover_harness.procedure.denials import Denial
from cutover_harness.processes import tail
from cutover_harness.types import ClusterName

from tests.cluster.shop.client import PARTITIONS
from tests.cluster.shop.fleet import Clients, Fleet
from tests.cluster.shop.secured_shop import (
    APPS,
    MOVER,
    PASSWORD,
    ShopTestbed,
    login,
    rights_of_apps,
)
from tests.cluster.shop.shop import Shop
from tests.cluster.test_shop_cutover import asked, granted
from tests.waiting import wait_until

CLIENTS = Clients("fenced", ("fenced.placed", "fenced.paid"), {"fenced.billing": 1}, {"checkout": 1})
FENCED = f"User:{APPS}"
DENIALS = {Denial(FENCED, topic) for topic in CLIENTS.topics}


@pytest.fixture
def fleet(shop: Shop, bed: ShopTestbed) -> Iterator[Fleet]:
    Admin({"bootstrap.servers": bed.source.bootstrap}).create_topics(dict.fromkeys(CLIENTS.topics, PARTITIONS))
    clusters: tuple[ClusterName, ...] = ("source", "target")
    for cluster in clusters:
        bed.allow(cluster, rights_of_apps("fenced.", "fenced."))
    file = shop.folder / "cutover.toml"
    (shop.folder / "statuses").mkdir()
    follow = {"cutover.file": str(file), "cutover.status": str(shop.folder / "statuses")}
    planned(shop, ())
    apps = [each for cluster in clusters for each in (f"--{cluster}", f"{cluster}-{APPS}.properties")]
    shop.call("file", "init", "--plan", str(shop.plan), *apps, "--yes")
    made = Fleet(CLIENTS, shop.folder, lambda cluster: login(bed, APPS, cluster), follow)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def planned(shop: Shop, fence: tuple[str, ...]) -> None:
    batch: dict[str, Any] = {
        "name": CLIENTS.batch,
        "path": "in-process",
        "topics": list(CLIENTS.topics),
        "gates": {"quiet_s": 3},
        "fence": list(fence),
    }
    shop.write_plan([batch | CLIENTS.movers({})], reach=[{"file": "cutover.toml"}], statuses="statuses")


def write(config: Mapping[str, str]) -> KafkaError | None:
    """Write one record to a topic of the batch on the source; return the broker's error."""
    heard: list[KafkaError | None] = []
    producer = confluent_kafka.Producer({**config, "client.id": "straggler", "message.timeout.ms": 20_000})
    producer.produce(CLIENTS.topics[0], b"0", b"straggler.0", 0, on_delivery=lambda error, _: heard.append(error))
    producer.flush(30)
    (error,) = heard
    return error


def as_apps(bed: ShopTestbed) -> dict[str, str]:
    return bed.login(APPS, "source") | {"sasl.password": PASSWORD}


def stragglers(shop: Shop) -> list[dict[str, Any]]:
    (batch,) = json.loads(shop.call("status", str(shop.plan), "--json"))["batches"]
    return [each for each in batch["bypasses"] if (each["kind"], each["role"]) == ("straggler", "producer")]


def fence_shown(shop: Shop) -> list[dict[str, str]]:
    (batch,) = json.loads(shop.call("status", str(shop.plan), "--json"))["batches"]
    found: list[dict[str, str]] = batch["fence"]
    return found


def refused_without_the_right(shop: Shop, bed: ShopTestbed) -> None:
    said = shop.call("run", str(shop.plan), "--batch", CLIENTS.batch, "--yes-until", "end", code=2)
    assert f"the right to alter ACLs on the source, Alter on the cluster, which User:{MOVER} lacks" in said
    options = ("preflight", shop.plan.name, "--json")
    grants = [each for each in asked(shop, *options)["grants"] if "Alter" in each["operations"]]
    assert [(each["cluster"], each["resources"]) for each in grants] == [
        ("source", [{"type": "cluster", "name": "kafka-cluster"}])
    ]
    bed.allow("source", grants)
    wait_until(lambda: not [e for e in asked(shop, *options)["grants"] if "Alter" in e["operations"]])


def test_a_straggler_is_kept_out_while_the_fence_stands(shop: Shop, bed: ShopTestbed, fleet: Fleet) -> None:
    there = Denials({"bootstrap.servers": bed.source.bootstrap})

    # Without a fence its write gets through, and it is named.
    granted(shop, bed)
    moving = shop.until_approval(CLIENTS.batch, "delete-task")
    assert there.read() == set()
    assert write(as_apps(bed)) is None
    wait_until(lambda: len(stragglers(shop)) == 1, 60)
    shop.call("advance", str(shop.plan), "--decline")
    assert moving.wait(60) == 1
    shop.call("rollback", str(shop.plan), "--yes")

    # With one, the run is refused before anything is moved, for want of the right to alter ACLs.
    planned(shop, (FENCED,))
    refused_without_the_right(shop, bed)
    said = shop.call("run", str(shop.plan), "--batch", CLIENTS.batch, "--dry-run")
    assert f"Deny Write, topic {CLIENTS.topics[0]}, {FENCED}, from every host" in said
    moving = shop.until_approval(CLIENTS.batch, "delete-task")
    assert there.read() == DENIALS
    assert [tuple(each.values()) for each in fence_shown(shop)] == [(FENCED, topic) for topic in sorted(CLIENTS.topics)]
    error = write(as_apps(bed))
    assert error is not None
    assert error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert stragglers(shop) == []
    # A super user is kept out by no ACL: it is named as without a fence.
    assert write({"bootstrap.servers": bed.source.bootstrap}) is None
    wait_until(lambda: len(stragglers(shop)) == 1, 60)

    # What a killed run leaves is named, and a rollback removes it before producers return.
    moving.kill()
    assert f"fence of {CLIENTS.batch} on the source ({FENCED} may not write to" in shop.call("doctor", code=None)
    shown = shop.call("status", str(shop.plan))
    assert f"fence on the source: {FENCED} may not write to" in shown
    shop.call("rollback", str(shop.plan), "--yes")
    its = [(each.kind, each.name) for each in shop.entries(CLIENTS.batch)]
    assert its.index(("fence", "removed")) < its.index(("doing", "producers-to-source"))
    assert there.read() == set()
    assert fence_shown(shop) == []
    acked = len(fleet.acked())
    wait_until(lambda: len(fleet.acked()) > acked)  # its producers write to the source again


def test_nothing_of_a_fence_is_left_at_the_end(shop: Shop, bed: ShopTestbed, fleet: Fleet) -> None:
    granted(shop, bed)
    planned(shop, (FENCED,))
    refused_without_the_right(shop, bed)
    moving = shop.start("run", str(shop.plan), "--batch", CLIENTS.batch, "--yes-until", "end")
    wait_until(lambda: not moving.running, 240, state=lambda: tail(moving.log, 20))
    assert moving.wait(1) == 0, tail(moving.log, 40)
    its = [(each.kind, each.name) for each in shop.entries(CLIENTS.batch) if each.kind == "fence"]
    assert its == [("fence", "made"), ("fence", "removed")]
    assert Denials({"bootstrap.servers": bed.source.bootstrap}).read() == set()
    events = [json.loads(line) for line in (shop.folder / "shop.run" / "audit.jsonl").read_text().splitlines()]
    assert [e["event"] for e in events if e["event"].startswith("fence")] == ["fence made", "fence removed"]
