"""A cluster like a company's, on a process testbed: 60 topics, 20 groups, 4 business systems, 5 stale topics.

Its source and target listen with SASL_SSL and SCRAM, and check ACLs. `ROUTES` is what the script wires: sets of topics
with the clients that tie them together. A topic that is in none of them is alone.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer
from confluent_kafka import admin as typed_kafka
from cutover_harness.admin import Admin
from cutover_harness.testbed.base import Progress, silent
from cutover_harness.testbed.nodes import Broker
from cutover_harness.types import ClusterName
from cutover_shim import Consumer as ShimConsumer
from cutover_shim import Producer as ShimProducer

from tests.cluster.secured import SecuredBroker, SecuredTestbed
from tests.waiting import wait_until

kafka: Any = typed_kafka  # its types leave these names out

ADMIN, LISTER, GUEST = "estate-admin", "estate-lister", "estate-guest"
"""Users: may everything; may list everything (the rights of docs/inventory.md); may see two topics."""
GUEST_SEES = ("shop.orders", "shop.payments")
SYSTEMS = ("shop", "billing", "logistics", "reporting")
"""Business systems: the topics and groups of each begin with its name."""
SYSTEMS_YAML = "systems:\n" + "".join(f"  {name}: {{topics: [{name}.*]}}\n" for name in (*SYSTEMS, "legacy"))
"""What `kafka-cutover plan --systems` reads."""
STALE = ("legacy.fax", "legacy.telex", "legacy.edi-in", "legacy.edi-out", "legacy.pager")
NEVER_WRITTEN = "shop.banners"
BUSY = {"shop.clicks": 200, "shop.orders": 50}
"""Topics that grow while `Estate.traffic` runs, with records per second."""
_DAY_MS = 86_400_000
_OLD_MS = 90 * _DAY_MS


@dataclass(frozen=True)
class Wired:
    """Topics, name -> partitions, and the clients that tie them together: who reads or writes which."""

    topics: Mapping[str, int]
    groups: Mapping[str, tuple[str, ...]]
    apps: Mapping[str, tuple[str, ...]]
    transactional: Mapping[str, tuple[str, ...]]


def _wired(
    topics: Mapping[str, int],
    groups: Mapping[str, tuple[str, ...]] | None = None,
    apps: Mapping[str, tuple[str, ...]] | None = None,
    transactional: Mapping[str, tuple[str, ...]] | None = None,
) -> Wired:
    return Wired(topics, groups or {}, apps or {}, transactional or {})


ROUTES = (
    _wired(
        {"shop.orders": 3, "shop.order-events": 3, "shop.payments": 2, "shop.refunds": 1},
        groups={
            "shop-fulfilment": ("shop.orders", "shop.payments"),
            "shop-refunds": ("shop.payments", "shop.refunds"),
        },
        apps={"checkout": ("shop.orders", "shop.order-events")},
        transactional={"shop-payments-tx": ("shop.payments", "shop.refunds")},
    ),
    _wired(
        {"shop.cart": 2, "shop.cart-events": 2},
        groups={"shop-cart": ("shop.cart", "shop.cart-events")},
        apps={"cart-service": ("shop.cart", "shop.cart-events")},
    ),
    _wired({"shop.catalog": 1, "shop.prices": 1}, groups={"shop-pricing": ("shop.catalog", "shop.prices")}),
    _wired({"shop.search-index": 2}, groups={"shop-search": ("shop.search-index",)}),
    _wired({"shop.audit": 1}, groups={"shop-audit": ("shop.audit",)}),
    _wired(
        {"billing.invoices": 2, "billing.invoice-lines": 2, "billing.dunning": 1},
        groups={
            "billing-invoicing": ("billing.invoices", "billing.invoice-lines"),
            "billing-dunning": ("billing.invoices", "billing.dunning"),
        },
    ),
    _wired(
        {"billing.ledger": 1, "billing.ledger-snapshots": 1},
        groups={"billing-ledger": ("billing.ledger",)},
        transactional={"billing-ledger-tx": ("billing.ledger", "billing.ledger-snapshots")},
    ),
    _wired({"billing.tax": 1}, groups={"billing-tax": ("billing.tax",)}),
    _wired(
        {"billing.credit-notes": 1, "billing.refund-requests": 1},
        groups={"billing-credit": ("billing.credit-notes", "billing.refund-requests")},
    ),
    _wired(
        {"logistics.shipments": 3, "logistics.tracking": 3, "logistics.returns": 1},
        groups={
            "logistics-tracking": ("logistics.shipments", "logistics.tracking"),
            "logistics-returns": ("logistics.returns", "logistics.shipments"),
        },
        apps={"dispatch": ("logistics.shipments", "logistics.tracking")},
    ),
    _wired(
        {"logistics.stock": 1, "logistics.stock-moves": 1},
        groups={"logistics-stock": ("logistics.stock", "logistics.stock-moves")},
    ),
    _wired({"logistics.routes": 1}, groups={"logistics-routing": ("logistics.routes",)}),
    _wired(
        {"logistics.carriers": 1, "logistics.labels": 1},
        apps={"label-printer": ("logistics.carriers", "logistics.labels")},
    ),
    # Two systems: a report reads a topic of the shop.
    _wired(
        {"reporting.sales-facts": 1, "reporting.stock-facts": 1, "shop.clicks": 2},
        groups={
            "reporting-sales": ("reporting.sales-facts", "reporting.stock-facts", "shop.clicks"),
            "shop-clickstream": ("shop.clicks",),
        },
    ),
    _wired(
        {"reporting.daily": 1, "reporting.weekly": 1},
        groups={"reporting-mail": ("reporting.daily", "reporting.weekly")},
    ),
    _wired({"reporting.kpi": 1}, groups={"reporting-kpi": ("reporting.kpi",)}),
    _wired(
        {"reporting.exports": 1, "reporting.export-requests": 1},
        groups={"reporting-exports": ("reporting.exports", "reporting.export-requests")},
    ),
)
ALONE = (
    *(f"shop.{name}" for name in ("sessions", "wishlists", "coupons", "reviews", "images", "banners", "views")),
    *(f"billing.{name}" for name in ("rates", "accounts", "mandates", "statements", "archive", "holds")),
    *(f"logistics.{name}" for name in ("depots", "vehicles", "drivers", "fuel")),
    *(f"reporting.{name}" for name in ("dashboards", "metrics", "samples", "alerts")),
    *STALE,
)
"""Topics without a group and without a known producer."""
TOPICS = {name: count for route in ROUTES for name, count in route.topics.items()} | dict.fromkeys(ALONE, 1)
GROUPS = {name: topics for route in ROUTES for name, topics in route.groups.items()}
SHIM_MEMBERS = {"shop-fulfilment": 2, "logistics-tracking": 1}
"""Groups whose members are consumers of the shim, with how many there are."""
PLAIN_MEMBERS = {"shop-search": 2, "billing-invoicing": 1, "reporting-sales": 1}
"""Groups whose members are plain consumers; the other groups have only committed offsets."""


class EstateTestbed(SecuredTestbed):
    """Both clusters have a listener with SASL_SSL and SCRAM, and check ACLs.

    Without a login, `bootstrap` of each cluster, clients may do everything; the testbed itself uses that.
    """

    def __init__(self, workdir: Path, password: str, **more: Any) -> None:
        super().__init__(workdir, password, everywhere=True, **more)
        self.password = password

    def _security(self, known: dict[str, str]) -> dict[str, str]:
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule"
        return {name: value for name, value in super()._security(known).items() if "plain.sasl" not in name} | {
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f"{scram} required;",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:ANONYMOUS;User:{ADMIN}",
        }

    def _with_login(self, broker: Broker) -> Broker:
        secured = super()._with_login(broker)
        assert isinstance(secured, SecuredBroker)
        secured.properties |= {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": ADMIN}
        return secured

    def start(self, progress: Progress = silent) -> None:
        """Start all nodes, and create the users, who all have the testbed's password."""
        super().start(progress)
        info = kafka.ScramCredentialInfo(kafka.ScramMechanism.SCRAM_SHA_512, 4096)
        password = self.password.encode()
        for cluster in (self.source, self.target):
            client = kafka.AdminClient({"bootstrap.servers": cluster.bootstrap})
            users = [kafka.UserScramCredentialUpsertion(user, info, password) for user in (ADMIN, LISTER, GUEST)]
            for future in client.alter_user_scram_credentials(users).values():
                future.result(30)
            for future in client.create_acls(_rights()).values():
                future.result(30)

    def login(self, user: str, cluster: ClusterName = "source") -> dict[str, str]:
        """Return the client properties of a user."""
        node = self.source if cluster == "source" else self.target
        return {**node.client_config(), "sasl.username": user}


def _rights() -> list[Any]:
    topic, group, whole = kafka.ResourceType.TOPIC, kafka.ResourceType.GROUP, kafka.ResourceType.BROKER
    may = kafka.AclOperation
    listing = [
        (whole, "kafka-cluster", may.DESCRIBE),
        (whole, "kafka-cluster", may.DESCRIBE_CONFIGS),
        (topic, "*", may.READ),
        (topic, "*", may.DESCRIBE_CONFIGS),
        (group, "*", may.DESCRIBE),
        (kafka.ResourceType.TRANSACTIONAL_ID, "*", may.DESCRIBE),
    ]
    rights = [(LISTER, *right) for right in listing] + [(GUEST, topic, name, may.DESCRIBE) for name in GUEST_SEES]
    pattern, allow = kafka.ResourcePatternType.LITERAL, kafka.AclPermissionType.ALLOW
    return [kafka.AclBinding(kind, name, pattern, f"User:{user}", "*", op, allow) for user, kind, name, op in rights]


class Estate:
    """The topics, groups and producers of `ROUTES` on a running testbed; `folder` gets properties and statuses."""

    def __init__(self, bed: EstateTestbed, folder: Path) -> None:
        self.bed, self.folder = bed, folder
        self.statuses = folder / "statuses"
        self.admin = Admin(bed.source.client_config())

    def properties(self, user: str = ADMIN, cluster: ClusterName = "source") -> Path:
        """Write a user's client properties to a file, with the password as `${ESTATE_PASSWORD}`; return the file."""
        login = self.bed.login(user, cluster) | {"sasl.password": "${ESTATE_PASSWORD}"}
        file = self.folder / f"{cluster}-{user}.properties"
        file.write_text("".join(f"{name}={value}\n" for name, value in login.items()))
        return file

    def fill(self) -> None:
        """Create the topics, write to them, and commit the offsets of groups without members."""
        self.statuses.mkdir(exist_ok=True)
        self.admin.create_topics(TOPICS)
        now = int(time.time() * 1000)
        transactional = {topic for route in ROUTES for topics in route.transactional.values() for topic in topics}
        producer = Producer({**self.bed.source.client_config(), "linger.ms": 20})
        for topic, partitions in TOPICS.items():
            if topic == NEVER_WRITTEN or topic in transactional:
                continue
            stamp = now - (_OLD_MS if topic in STALE else 0)
            for number in range(10 * partitions):
                value = f"{topic} {number}".encode().ljust(100, b".")
                producer.produce(topic, value, b"%d" % number, partition=number % partitions, timestamp=stamp + number)
        assert producer.flush(30) == 0
        for route in ROUTES:
            for name, topics in route.transactional.items():
                self._write_transaction(name, topics)
        live = SHIM_MEMBERS | PLAIN_MEMBERS
        for group, topics in GROUPS.items():
            if group not in live:
                self.admin.set_committed(group, {(t, p): 5 for t in topics for p in range(TOPICS[t])})

    def _write_transaction(self, name: str, topics: tuple[str, ...]) -> None:
        producer = Producer({**self.bed.source.client_config(), "transactional.id": name})
        producer.init_transactions(30)
        producer.begin_transaction()
        for topic in topics:
            for number in range(10):
                producer.produce(topic, b"." * 100, partition=number % TOPICS[topic])
        producer.commit_transaction(30)

    @contextmanager
    def clients(self) -> Iterator[None]:
        """Run the members of the groups and the producers of the shim, which write their statuses."""
        with ExitStack() as stack:
            stop = threading.Event()
            consumers = [*self._shim_consumers(stack), *self._plain_consumers(stack)]
            producers = self._shim_producers(stack)
            thread = threading.Thread(target=_poll, args=(consumers, stop), daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(stop.set)
            for group, count in (SHIM_MEMBERS | PLAIN_MEMBERS).items():
                wait_until(lambda g=group, n=count: self.admin.members(g) == n and self.admin.committed(g))  # type: ignore[misc]
            wait_until(lambda: self._attested() == len(producers))
            yield

    def _attested(self) -> int:
        """Return how many producers have reported what they wrote."""
        statuses = [json.loads(file.read_text()) for file in self.statuses.glob("*.json")]
        return sum(any(route["acked"] for route in status["routes"].values()) for status in statuses)

    def _shim(self, app: str, number: int = 1) -> dict[str, Any]:
        file = self.folder / "cutover.toml"
        if not file.exists():
            clusters = "".join(
                f"[clusters.{name}]\n" + "".join(f'"{key}" = "{value}"\n' for key, value in conf.items())
                for name, conf in (("source", self.bed.login(ADMIN)), ("target", self.bed.login(ADMIN, "target")))
            )
            route = 'topics = ["*"]\ngroups = ["*"]\nproducers = "source"\nconsumers = "source"\n'
            file.write_text(f"generation = 1\n{clusters}[routes.all]\n{route}")
        instance = {"cutover.instance": f"{app}-{number}", "cutover.app": app, "client.id": f"{app}-{number}"}
        return {"cutover.file": str(file), "cutover.status": str(self.statuses), **instance}

    def _shim_consumers(self, stack: ExitStack) -> Iterator[Any]:
        for group, count in SHIM_MEMBERS.items():
            for number in range(1, count + 1):
                config = {"group.id": group, "auto.offset.reset": "earliest", "auto.commit.interval.ms": 200}
                consumer = ShimConsumer({**self._shim(group, number), **config})
                stack.callback(consumer.close)
                consumer.subscribe(list(GROUPS[group]))
                yield consumer

    def _plain_consumers(self, stack: ExitStack) -> Iterator[Any]:
        for group, count in PLAIN_MEMBERS.items():
            for number in range(1, count + 1):
                config = {"group.id": group, "auto.offset.reset": "earliest", "auto.commit.interval.ms": 200}
                name = {"client.id": f"{group}-{number}"}
                consumer = Consumer({**self.bed.source.client_config(), **config, **name})
                stack.callback(consumer.close)
                consumer.subscribe(list(GROUPS[group]))
                yield consumer

    def _shim_producers(self, stack: ExitStack) -> list[Any]:
        found = []
        for route in ROUTES:
            for app, topics in route.apps.items():
                producer = ShimProducer(self._shim(app))
                stack.callback(producer.close)
                for topic in topics:
                    producer.produce(topic, b"x", on_delivery=lambda *_: None)
                assert producer.flush(30) == 0
                found.append(producer)
        return found

    @contextmanager
    def traffic(self) -> Iterator[None]:
        """Write to the topics in `BUSY` until the end of the context."""
        stop = threading.Event()
        thread = threading.Thread(target=self._write, args=(stop,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _write(self, stop: threading.Event) -> None:
        producer = Producer(self.bed.source.client_config())
        while not stop.wait(0.1):
            for topic, per_s in BUSY.items():
                for _ in range(per_s // 10):
                    producer.produce(topic, b"." * 200)
        producer.flush(30)


def _poll(consumers: list[Any], stop: threading.Event) -> None:
    while not stop.wait(0.02):
        for consumer in consumers:
            consumer.poll(0)


@contextmanager
def estate(folder: Path, password: str) -> Iterator[Estate]:
    """Start a testbed with the estate on it, without its clients: `Estate.clients` runs them."""
    with EstateTestbed(folder / "bed", password) as bed:
        made = Estate(bed, folder)
        made.fill()
        yield made
