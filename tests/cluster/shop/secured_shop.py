"""The shop on clusters that check logins and rights: users with the rights of the docs, and no others."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import admin as typed_kafka
from cutover_harness.admin import Admin
from cutover_harness.testbed.automq import AutomqOptions, AutomqTestbed
from cutover_harness.testbed.base import Progress, silent
from cutover_harness.testbed.nodes import JvmNode
from cutover_harness.types import ClusterName

from tests.cluster.automq_layout import AUTOMQ_HOME
from tests.cluster.estate import ADMIN, LISTER, EstateTestbed
from tests.cluster.shop.shop import Shop

kafka: Any = typed_kafka  # its types leave these names out
PASSWORD_VARIABLE = "ESTATE_PASSWORD"
PASSWORD = "correct-horse-9f41"
APPS, MOVER, WORKER = "shop-apps", "shop-mover", "shop-connect"
"""Users: the applications; kafka-cutover with MirrorMaker 2, which begins without any right; Connect's workers."""
CONTROL, STATUSES = "shop-control", "shop-statuses"
BOTH: tuple[ClusterName, ...] = ("source", "target")
_KINDS = {"topic": kafka.ResourceType.TOPIC, "group": kafka.ResourceType.GROUP, "cluster": kafka.ResourceType.BROKER}


class ShopTestbed(EstateTestbed):
    """The estate's testbed, whose Connect worker writes the records of connectors with a login of its own."""

    def start(self, progress: Progress = silent) -> None:
        """Start all nodes, and create the users."""
        super().start(progress)
        info = kafka.ScramCredentialInfo(kafka.ScramMechanism.SCRAM_SHA_512, 4096)
        users = (APPS, MOVER, WORKER)
        wanted = [kafka.UserScramCredentialUpsertion(user, info, self.password.encode()) for user in users]
        for cluster in BOTH:
            client = self._all_rights(cluster)  # calls end with it
            for future in client.alter_user_scram_credentials(wanted).values():
                future.result(30)

    def _all_rights(self, cluster: ClusterName) -> Any:
        node = self.source if cluster == "source" else self.target
        return kafka.AdminClient({"bootstrap.servers": node.bootstrap})

    def allow(self, cluster: ClusterName, grants: Iterable[Mapping[str, Any]]) -> None:
        """Create the ACLs of grants as `kafka-cutover preflight --json` prints them."""
        wanted = [
            kafka.AclBinding(
                _KINDS[resource["type"]],
                resource["name"],
                kafka.ResourcePatternType[grant.get("pattern", "literal").upper()],
                grant["principal"],
                "*",
                _operation(operation),
                kafka.AclPermissionType.ALLOW,
            )
            for grant in grants
            if grant["cluster"] == cluster
            for resource in grant["resources"]
            for operation in grant["operations"]
        ]
        if wanted:
            client = self._all_rights(cluster)
            for future in client.create_acls(wanted).values():
                future.result(30)

    def _new_worker(self, name: str, bootstrap: str, port: int) -> tuple[JvmNode, str]:
        made = super()._new_worker(name, bootstrap, port)
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule"
        login = {
            "bootstrap.servers": self.secured,  # the target's: its broker is made last
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.jaas.config": f'{scram} required username="{WORKER}" password="{self.password}";',
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.ca),
        }
        with (self.workdir / f"{name}.properties").open("a") as file:
            file.writelines(f"producer.{key}={value}\n" for key, value in login.items())
        return made


class AutomqShopTestbed(ShopTestbed, AutomqTestbed):
    """The same, with AutoMQ as the target."""


def _operation(word: str) -> Any:
    return {name.title().replace("_", ""): each for name, each in kafka.AclOperation.__members__.items()}[word]


def rights_of_apps(topics: str, groups: str) -> list[dict[str, Any]]:
    """Return grants of the applications' rights, by prefixes of topics and groups."""

    def grant(cluster: str, kind: str, name: str, operations: list[str], pattern: str) -> dict[str, Any]:
        resource = {"type": kind, "name": name}
        return {
            "cluster": cluster,
            "principal": f"User:{APPS}",
            "resources": [resource],
            "operations": operations,
            "pattern": pattern,
        }

    both = [
        each
        for cluster in BOTH
        for each in (
            grant(cluster, "topic", topics, ["Read", "Write"], "prefixed"),
            grant(cluster, "group", groups, ["Read"], "prefixed"),
            grant(cluster, "topic", CONTROL, ["Read"], "literal"),
        )
    ]
    return [*both, grant("source", "topic", STATUSES, ["Write"], "literal")]


def _shop_testbed(folder: Path, password: str) -> ShopTestbed:
    if home := os.environ.get(AUTOMQ_HOME):
        return AutomqShopTestbed(folder, password, options=AutomqOptions(Path(home)))
    return ShopTestbed(folder, password)


@contextmanager
def secured_shop(folder: Path, password: str) -> Iterator[Shop]:
    """Start the clusters, and write the properties of the users and the key of the documents' signatures."""
    with _shop_testbed(folder / "bed", password) as bed:
        shop = Shop(bed, folder, {PASSWORD_VARIABLE: password})
        for user in (ADMIN, LISTER, MOVER, APPS):
            for cluster in BOTH:
                file = f"{cluster}.properties" if user == MOVER else f"{cluster}-{user}.properties"
                (folder / file).write_text("".join(f"{k}={v}\n" for k, v in login(bed, user, cluster).items()))
        (folder / "key").write_text(secrets.token_hex(32))
        (folder / "key").chmod(0o600)
        Admin({"bootstrap.servers": bed.source.bootstrap}).create_topics({STATUSES: 1}, {"cleanup.policy": "compact"})
        yield shop


def login(bed: ShopTestbed, user: str, cluster: ClusterName) -> dict[str, str]:
    """Return the client properties of a user, the password as a reference."""
    return bed.login(user, cluster) | {"sasl.password": f"${{{PASSWORD_VARIABLE}}}"}
