"""The whole cutover of a shop, on clusters with TLS, logins and ACLs, under live traffic.

Inventory, plan, preflight, the rehearsal of this plan, a batch of which a part is restarted, and a batch that is rolled
back in the middle and then moved. With CUTOVER_SHOWS=1: it takes some minutes.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import yaml
from cutover_harness.admin import Admin
from cutover_harness.types import ClusterName

from tests.cluster.estate import ADMIN, LISTER
from tests.cluster.shop.client import PARTITIONS
from tests.cluster.shop.fleet import Clients, Fleet
from tests.cluster.shop.ledgers import Difference, Ledger, difference
from tests.cluster.shop.secured_shop import (
    APPS,
    CONTROL,
    PASSWORD,
    STATUSES,
    WORKER,
    ShopTestbed,
    login,
    rights_of_apps,
)
from tests.cluster.shop.shop import AT_THE_END, PATH, Shop, blackouts
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(not os.environ.get("CUTOVER_SHOWS"), reason="takes minutes: CUTOVER_SHOWS=1")
KEY = "${file:key}"
ORDERS = Clients(
    "orders",
    ("shop.orders.placed", "shop.orders.paid", "shop.orders.shipped"),
    {"shop.billing": 2, "shop.fraud": 1, "shop.legacy": 0},
    {"checkout": 1, "erp": 0},
)
STOCK = Clients(
    "stock",
    ("shop.stock.levels", "shop.stock.moves", "shop.stock.orders"),
    {"shop.warehouse": 2, "shop.search": 1, "shop.reports": 1},
    {"scanner": 1, "supplier": 1},
)
SYSTEMS = {"systems": {each.batch: {"topics": [f"shop.{each.batch}.*"]} for each in (ORDERS, STOCK)}}
HOOKS = {"within_s": 30, "on_stop": ["./service", "stop"], "on_start": ["./service", "start"]}


@pytest.fixture
def fleets(shop: Shop, bed: ShopTestbed) -> Iterator[tuple[Fleet, Fleet]]:
    """The clients of both batches, with the rights of applications, on the source."""
    source = Admin({"bootstrap.servers": bed.source.bootstrap})
    source.create_topics(dict.fromkeys((*ORDERS.topics, *STOCK.topics), PARTITIONS))
    clusters: tuple[ClusterName, ...] = ("source", "target")
    for cluster in clusters:
        bed.allow(cluster, rights_of_apps("shop.", "shop."))
    apps = [f"--{cluster}={cluster}-{APPS}.properties" for cluster in clusters]
    writer = [f"--cluster={cluster}={cluster}-{ADMIN}.properties" for cluster in clusters]
    routes = []
    for clients in (ORDERS, STOCK):
        groups = [name for name, count in clients.groups.items() if count]
        routes += ["--route", clients.batch, "--topic", f"{clients.batch}={','.join(clients.topics)}"]
        routes += ["--group", f"{clients.batch}={','.join(groups)}"]
    shop.call("file", "init", f"kafka:{CONTROL}", *apps, *writer, *routes, "--key", KEY, "--yes")
    follow = {
        "cutover.channel": f"kafka:{CONTROL}",
        "cutover.status": f"kafka:{STATUSES}",
        "cutover.key": f"${{file:{shop.folder / 'key'}}}",
    }
    with ExitStack() as stack:
        made = [Fleet(each, shop.folder, lambda cluster: login(bed, APPS, cluster), follow) for each in (ORDERS, STOCK)]
        for fleet in made:
            stack.callback(fleet.stop)
            fleet.start()
        yield made[0], made[1]


def planned(shop: Shop) -> None:
    """Make the plan from an inventory, and add what only a person knows."""
    (shop.folder / "systems.yaml").write_text(yaml.safe_dump(SYSTEMS))
    lister = ["--source", f"source-{LISTER}.properties", "--statuses", f"kafka:{STATUSES}"]
    shop.call("inventory", *lister, "--sample", "2", "-o", "inventory.json")
    shop.call("plan", "inventory.json", "--systems", "systems.yaml", "-o", shop.plan.name)
    plan: dict[str, Any] = yaml.safe_load(shop.plan.read_text())
    batches = {batch["name"]: batch for batch in plan["batches"]}
    for clients in (ORDERS, STOCK):
        found = batches[clients.batch]
        moves = {name: mover["moves"] for name, mover in found["groups"].items()}
        assert moves == {name: "shim" if count else "restart" for name, count in clients.groups.items()}
        assert set(found["producers"]) == {name for name, count in clients.producers.items() if count}
        # A pattern matches no topic that the user may not describe, and the preflight prints no grant for it.
        found |= clients.movers(HOOKS) | {"topics": list(clients.topics)}
    assert batches["stock"]["path"] == "in-process"
    batches["orders"] |= {"path": PATH, "gates": {"quiet_s": 3}}
    plan |= {"reach": [{"kafka": CONTROL}], "statuses": f"kafka:{STATUSES}", "key": KEY}
    plan |= {"connect": {"url": shop.bed.connect_url}, "batches": [batches["orders"], batches["stock"]]}
    shop.plan.write_text(yaml.safe_dump(plan, sort_keys=False))
    shop.call("plan", "check", shop.plan.name)


def granted(shop: Shop, bed: ShopTestbed) -> None:
    """Grant exactly what the preflight prints; before that it must not pass, and after it nothing may block."""
    options = ("preflight", shop.plan.name, "--json", "--connect-principal", f"User:{WORKER}")
    clusters: tuple[ClusterName, ...] = ("source", "target")
    found = asked(shop, *options)
    assert [each for each in found["findings"] if each["severity"] == "blocker"], "it must not pass without rights"
    for _ in range(5):  # the authorizers see a change of ACLs a moment later, and some rights show what else is missing
        for cluster in clusters:
            bed.allow(cluster, found["grants"])
        time.sleep(1)
        found = asked(shop, *options)
        blockers = [each for each in found["findings"] if each["severity"] == "blocker"]
        if not blockers and not found["grants"]:
            return
    raise AssertionError(json.dumps([blockers, found["grants"]], indent=1))


def rehearsed(shop: Shop) -> None:
    """Rehearse the plan on a testbed of its own: both batches alone, and in their order."""
    shop.call("rehearse", "--plan", shop.plan.name, "--out", "rehearsal", "--seed", "5", code=None, within_s=900)
    out = shop.folder / "rehearsal"
    outcomes = {
        name: json.loads((out / name / "verdict.json").read_text())["verdict"]["outcome"]
        for name in ("orders", "stock", "batches-in-order")
    }
    assert set(outcomes.values()) == {"PASS"}, outcomes
    digest = hashlib.sha256(shop.plan.read_bytes()).hexdigest()
    assert json.loads((out / "stock" / "run.json").read_text())["plan"]["sha256"] == digest


def asked(shop: Shop, *command: str) -> Any:
    """Return the JSON of a command; it is repeated while a cluster of a busy machine does not answer."""
    return printed(wait_until(lambda: said if "\n{\n" in (said := shop.call(*command, code=None)) else "", 240))


def printed(said: str) -> Any:
    """Return the JSON of a command that has also reported its progress."""
    return json.loads(said[said.index("\n{\n") :])


def check_refusals(shop: Shop) -> None:
    """A second conductor is refused, whatever the command, while one is there."""
    for command in (("run", "--yes-until", "end"), ("resume",), ("rollback", "--yes")):
        said = shop.call(command[0], str(shop.plan), *command[1:], code=2)
        assert "a conductor is running it" in said, said


def check(fleet: Fleet, *, again: dict[str, set[str]] | None = None) -> None:
    """Nothing is lost or reordered; read again, by a group, is only what `again` allows, and all of that."""
    acked = fleet.acked()
    assert len(acked.streams) == fleet.expected_streams()
    for group in fleet.clients.groups:
        found = difference(fleet.read(group), acked)
        allowed = (again or {}).get(group, set())
        assert Difference(found.lost, tuple(set(found.re_read) - allowed), found.reordered) == Difference(), group


def read_between(ledger: Ledger, from_ns: int, to_ns: int) -> set[str]:
    """Return the records that were read in an interval, as `Difference` names them."""
    return {f"{line.stream} {line.number}" for line in ledger.lines if from_ns <= line.at_ns <= to_ns}


def times(shop: Shop, batch: str) -> dict[tuple[str, str], int]:
    return {(each.kind, each.name): each.time_ns for each in shop.entries(batch)}


def test_the_cutover_of_a_shop(shop: Shop, bed: ShopTestbed, fleets: tuple[Fleet, Fleet]) -> None:
    orders, stock = fleets
    planned(shop)
    granted(shop, bed)
    rehearsed(shop)

    shop.call("run", str(shop.plan), "--batch", "orders", "--yes-until", "end")
    assert shop.end_state(ORDERS) | {"read": True} == AT_THE_END  # its producers are writing

    # To the middle of the second batch, and back.
    moving = shop.until_approval("stock", "stop-producers")
    check_refusals(shop)
    wait_until(lambda: all(len(ledger) for ledger in stock.on_shim("consumer").values()))
    shop.call("advance", str(shop.plan), "--decline")
    assert moving.wait(60) == 1
    cost = shop.call("rollback", str(shop.plan), "--dry-run")
    assert "has consumed on the target" in cost
    shop.call("rollback", str(shop.plan), "--yes")
    its = times(shop, "stock")
    on_target = its["doing", "consumers-to-target"], its["done", "consumers-to-source"]
    again = {group: read_between(stock.read(group), *on_target) for group in STOCK.groups}
    assert all(again.values()), "nothing was read on the target, so the rollback proves nothing"

    # And to the end.
    waiting = shop.until_approval("stock", "stop-producers")
    shop.call("advance", str(shop.plan), "--yes")
    wait_until(lambda: "delete-task waits for approval" in waiting.log.read_text(), 180)
    verified = shop.call("verify", str(shop.plan), "--batch", "stock", code=0)
    assert "EQUAL" in verified
    shop.call("advance", str(shop.plan), "--yes")
    assert waiting.wait(180) == 0, waiting.log.read_text()[-3000:]
    print("\n".join(blackouts(shop, stock)))

    for fleet in (orders, stock):
        fleet.finish()
    check(orders)
    check(stock, again=again)
    for clients in (ORDERS, STOCK):
        assert shop.end_state(clients) == AT_THE_END
        assert shop.unaudited(clients.batch) == []
    for file in (shop.folder / "shop.run").rglob("*"):
        assert not file.is_file() or PASSWORD.encode() not in file.read_bytes(), f"{file} has the password"
