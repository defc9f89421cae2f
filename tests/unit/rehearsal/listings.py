"""Inventories and plans for tests of planned rehearsals."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cutover_harness.inventory.model import ClusterListing, GroupEntry, GroupTopic, Listing, Member, TopicEntry

PLAN = """\
format: 1
name: shop
inventory: {file: inventory.json}
clusters:
  source: {properties: source.properties}
  target: {properties: target.properties}
batches:
  - name: orders
    path: in-process
    topics: ["orders.*"]
    exclude: [orders.old]
    groups:
      billing: {moves: shim}
      warehouse: {moves: shim}
    producers:
      checkout: {moves: shim, instances: 2}
  - name: payments
    path: in-process
    topics: ["payments.*"]
    groups:
      ledger: {moves: shim}
"""


def topic(name: str, partitions: int = 3, grown_per_s: float | None = 10.0, **known: Any) -> TopicEntry:
    """Return a topic whose records take 200 bytes."""
    known = {"bytes": 120_000, "records": 600} | known
    return TopicEntry(name=name, internal=False, partitions=partitions, replication=3, grown_per_s=grown_per_s, **known)


def group(name: str, members: int, *topics: str, **known: Any) -> GroupEntry:
    """Return a group that has committed offsets in these topics."""
    return GroupEntry(
        name=name,
        type=known.pop("type", "classic"),
        state="stable",
        members=[Member(client_id=f"{name}-{n}", host="/10.0.0.1", partitions=1) for n in range(members)],
        topics=[GroupTopic(topic=name, committed=1) for name in topics],
        **known,
    )


def listing(topics: list[TopicEntry], groups: list[GroupEntry]) -> Listing:
    """Return an inventory of one cluster."""
    return Listing(
        created=datetime(2026, 11, 1, tzinfo=UTC),
        tool="0.1.0",
        stale_days=7,
        sample_s=10,
        partial=False,
        clusters={"source": ClusterListing(bootstrap="kafka:9092", topics=topics, groups=groups)},
    )


def shop() -> Listing:
    """Return the inventory of PLAN."""
    return listing(
        [
            topic("orders.placed", 6, 40.0, config={"min.insync.replicas": "2"}),
            topic("orders.shipped", 3, 15.0, largest_record=20_000),
            topic("orders.state", 3, 5.0, compacted=True, config={"cleanup.policy": "compact"}),
            topic("orders.idle", 2, 0.0),
            topic("orders.old", 1),
            topic("payments.done", 12, 30.0),
        ],
        [
            group("billing", 2, "orders.placed", "orders.shipped", assignor="range"),
            group("warehouse", 3, "orders.shipped", "orders.state", assignor="range"),
            group("ledger", 2, "payments.done"),
        ],
    )


def write_plan(folder: Path, plan: str = PLAN, inventory: Listing | None = None, *, sha256: bool = True) -> Path:
    """Write plan.yaml with its inventory, and return the plan."""
    text = (inventory or shop()).model_dump_json(indent=1)
    (folder / "inventory.json").write_text(text)
    if sha256:
        digest = hashlib.sha256(text.encode()).hexdigest()
        plan = plan.replace("{file: inventory.json}", f"{{file: inventory.json, sha256: {digest}}}")
    (folder / "plan.yaml").write_text(plan)
    return folder / "plan.yaml"
