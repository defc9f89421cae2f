"""Which cluster a client of the shim is credited to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from cutover_harness.inventory.completeness import Gaps
from cutover_harness.inventory.linking import link_clients
from cutover_harness.inventory.model import ClusterListing, Listing, TopicEntry
from cutover_harness.inventory.writers import client_of

from tests.unit.fleet_command.statuses import route, status

ACKED = {"orders": {"0": 5}}


def linked(**change: Any) -> tuple[dict[str, list[str]], list[str]]:
    """Return the writers of the topic on each cluster, and what is a gap."""
    on = {"acked": ACKED} | change.pop("on")
    client = client_of(status("p-1", app="billing", updated=1_795_000_000.0, routes={"r": route(**on)}, **change))
    clusters: Any = {
        name: ClusterListing(
            bootstrap="b:1", topics=[TopicEntry(name="orders", partitions=1, replication=1, internal=False)]
        )
        for name in ("source", "target")
    }
    now = datetime.now(UTC)
    listing = Listing(created=now, tool="1", stale_days=30, sample_s=0, partial=True, clusters=clusters)
    listing.clients, gaps = [client], Gaps()
    link_clients(listing, gaps)
    return {name: each.topics[0].writers for name, each in listing.clusters.items()}, [gap.what for gap in gaps.all]


@pytest.mark.parametrize("cluster", ["source", "target"])
def test_a_producer_writes_where_its_status_says(cluster: str) -> None:
    writers: dict[str, list[str]] = {"source": [], "target": []} | {cluster: ["shim billing"]}
    assert linked(on={"cluster": cluster}) == (writers, [])


def test_a_producer_on_no_cluster_is_named() -> None:
    nobody: dict[str, list[str]] = {"source": [], "target": []}
    for cluster in (None, "elsewhere", ["source"]):
        assert linked(on={"cluster": cluster, "state": "held"}) == (nobody, ["cluster of a producer"])


def test_a_producer_that_has_ended_wrote_where_it_wanted_to_be() -> None:
    on = {"cluster": None, "state": "held"}
    assert linked(on={**on, "desired": "target"}, closed=True)[0]["target"] == ["shim billing"]
    assert linked(on={**on, "desired": "hold"}, closed=True)[1] == ["cluster of a producer"]


def test_a_consumer_writes_nothing() -> None:
    assert linked(role="consumer", on={"committed": ACKED})[0] == {"source": [], "target": []}
