"""For how long production keeps records and offsets, by the inventory that a plan names."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from cutover_harness.inventory.model import TopicEntry
from cutover_harness.planning.estimates import retention_of
from cutover_harness.rehearsal.planned.parts import part_of
from cutover_harness.rehearsal.planned.source import Source


def retention_in_hours(source: Source) -> dict[str, Any]:
    """Return `topic_retention_hours` by batch, and `offsets_retention_hours` of the source; empty without an inventory.

    A batch has the shortest retention of its topics, None if no record expires by its age. One with a topic of which
    it is not known is left out.
    """
    if source.about.inventory is None:
        return {}
    by_batch: dict[str, float | None] = {}
    for batch in source.plan.batches:
        topics = list(part_of(batch, source.listing, source.origin).topics.values())
        if topics and all(_is_known(topic) for topic in topics):
            kept = [each for topic in topics if (each := retention_of(topic)) is not None]
            by_batch[batch.name] = min(kept) / timedelta(hours=1) if kept else None
    minutes = source.listing.clusters["source"].offsets_retention_minutes
    return {
        "topic_retention_hours": by_batch,
        "offsets_retention_hours": None if minutes is None else minutes / 60,
    }


def _is_known(topic: TopicEntry) -> bool:
    compacted = topic.config is not None and topic.config.get("cleanup.policy") == "compact"
    return topic.retention_ms is not None or compacted
