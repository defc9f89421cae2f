"""A shop on clusters without logins: a plan of one batch, and its clients, which follow a cutover file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cutover_harness.admin import Admin
from cutover_harness.conductor.cutover_file_writer import CutoverFileWriter, RouteLocations
from cutover_harness.testbed import ProcessTestbed

from tests.cluster.shop.client import PARTITIONS
from tests.cluster.shop.fleet import Clients, Fleet
from tests.cluster.shop.shop import PATH, Shop


def plain_shop(bed: ProcessTestbed, folder: Path, clients: Clients, hooks: Mapping[str, Any] | None = None) -> Shop:
    """Create the batch's topics on the source, and write cutover file and plan.

    The plan names the topics as BATCH.*. hooks: see `Clients.movers`.
    """
    made = Shop(bed, folder, {})
    Admin(bed.source.client_config()).create_topics(dict.fromkeys(clients.topics, PARTITIONS))
    (folder / "statuses").mkdir()
    endpoints = {str(cluster.name): cluster.client_config() for cluster in (bed.source, bed.target)}
    for name, properties in endpoints.items():
        (folder / f"{name}.properties").write_text("".join(f"{k}={v}\n" for k, v in properties.items()))
    file = folder / "cutover.toml"
    CutoverFileWriter(file, endpoints, {"other": RouteLocations(["no.such.topic"], [])}).write()
    batch = {"name": clients.batch, "path": PATH, "topics": [f"{clients.batch}.*"], "gates": {"quiet_s": 2}}
    made.write_plan([batch | clients.movers(hooks or {})], reach=[{"file": file.name}], statuses="statuses")
    return made


@contextmanager
def plain_fleet(shop: Shop, clients: Clients) -> Iterator[Fleet]:
    """Run the clients."""

    def login(cluster: str) -> dict[str, str]:
        return (shop.bed.source if cluster == "source" else shop.bed.target).client_config()

    follow = {"cutover.file": str(shop.folder / "cutover.toml"), "cutover.status": str(shop.folder / "statuses")}
    made = Fleet(clients, shop.folder, login, follow)
    try:
        made.start()
        yield made
    finally:
        made.stop()
