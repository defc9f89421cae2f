"""The retention of production that a plan's inventory lists."""

from __future__ import annotations

from pathlib import Path

import pytest
from cutover_harness.inventory.model import TopicEntry
from cutover_harness.judge.planned import Planned
from cutover_harness.planning.model import PlanFile
from cutover_harness.planning.read import read_plan
from cutover_harness.rehearsal.planned.retention import retention_in_hours
from cutover_harness.rehearsal.planned.source import Source

from tests.unit.rehearsal.listings import PLAN, group, listing, topic

HOUR_MS = 3_600_000


def source(
    tmp_path: Path, *topics: TopicEntry, minutes: int | None = 1440, inventory: str | None = "inventory.json"
) -> Source:
    (tmp_path / "plan.yaml").write_text(PLAN, "utf-8")
    plan: PlanFile = read_plan(tmp_path / "plan.yaml").plan
    found = listing(
        [*topics, topic("payments.done", retention_ms=72 * HOUR_MS)], [group("billing", 1, "orders.placed")]
    )
    clusters = dict(found.clusters)
    clusters["source"] = clusters["source"].model_copy(update={"offsets_retention_minutes": minutes})
    about = Planned("shop", "plan.yaml", "0" * 64, inventory, None, "", [])
    return Source(plan, found.model_copy(update={"clusters": clusters}), "plan.yaml", about)


@pytest.mark.parametrize(
    ("topics", "hours"),
    [
        ([topic("orders.placed", retention_ms=24 * HOUR_MS), topic("orders.paid", retention_ms=48 * HOUR_MS)], 24.0),
        ([topic("orders.placed", retention_ms=-1)], None),
        (
            [
                topic("orders.placed", retention_ms=24 * HOUR_MS),
                topic("orders.state", compacted=True, config={"cleanup.policy": "compact"}),
            ],
            24.0,
        ),
    ],
)
def test_a_batch_has_the_shortest_retention_of_its_topics(
    tmp_path: Path, topics: list[TopicEntry], hours: float | None
) -> None:
    found = retention_in_hours(source(tmp_path, *topics))
    assert found == {"topic_retention_hours": {"orders": hours, "payments": 72.0}, "offsets_retention_hours": 24.0}


def test_what_the_inventory_does_not_know_is_left_out(tmp_path: Path) -> None:
    found = retention_in_hours(source(tmp_path, topic("orders.placed"), minutes=None))
    assert found == {"topic_retention_hours": {"payments": 72.0}, "offsets_retention_hours": None}


def test_without_an_inventory_nothing_is_known_of_production(tmp_path: Path) -> None:
    assert retention_in_hours(source(tmp_path, topic("orders.placed", retention_ms=HOUR_MS), inventory=None)) == {}
