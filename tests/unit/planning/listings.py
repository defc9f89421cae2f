"""Small listings for tests of plans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from cutover_harness.inventory.model import (
    ActiveProducer,
    ClusterListing,
    GroupEntry,
    GroupTopic,
    Listing,
    Member,
    ShimClient,
    TopicEntry,
)

CREATED = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def topic(name: str, **more: Any) -> TopicEntry:
    known: dict[str, Any] = {"internal": name.startswith("__"), "partitions": 1, "replication": 1, "config": {}}
    measured: dict[str, Any] = {"records": 10, "end": 10, "bytes": 1000, "grown": 0, "grown_per_s": 0.0}
    others: dict[str, Any] = {"bytes_per_s": 0.0, "retention_ms": -1, "producers": [], "stale": "no"}
    return TopicEntry(name=name, **{**known, **measured, **others, **more})


def group(name: str, topics: Iterable[str], members: Iterable[str] = (), **more: Any) -> GroupEntry:
    known = {"type": "classic", "state": "stable" if members else "empty", "stale": "no"}
    listed = [Member(client_id=each, host="10.0.0.1", partitions=1) for each in members]
    read = [GroupTopic(topic=each, committed=1, lag=0) for each in topics]
    return GroupEntry(name=name, **{**known, "members": listed, "topics": read, **more})


def producer(number: int, transactional_id: str | None = None) -> ActiveProducer:
    return ActiveProducer(
        id=number,
        epoch=0,
        transactional_id=transactional_id,
        transactional=transactional_id is not None,
        partitions=[0],
    )


def shim_producer(app: str, topics: Iterable[str], number: int = 1, **more: Any) -> ShimClient:
    names = sorted(topics)
    known: dict[str, Any] = {"instance": f"{app}-{number}", "app": app, "client_id": app, "updated": CREATED}
    return ShimClient(**{**known, "role": "producer", "topics": names, "topics_on": {"source": names}, **more})


def shim_consumer(name: str, client_id: str, number: int = 1, **more: Any) -> ShimClient:
    known: dict[str, Any] = {"instance": f"{name}-{number}", "app": name, "client_id": client_id, "updated": CREATED}
    return ShimClient(**{**known, "role": "consumer", "group": name, **more})


def listing(
    topics: Iterable[TopicEntry],
    groups: Iterable[GroupEntry] = (),
    clients: Iterable[ShimClient] = (),
    **more: Any,
) -> Listing:
    source = ClusterListing(
        bootstrap="127.0.0.1:9092", topics=list(topics), groups=list(groups), offsets_retention_minutes=10_080
    )
    known: dict[str, Any] = {"created": CREATED, "tool": "0.1.0", "stale_days": 30.0, "sample_s": 30.0}
    return Listing(**{**known, "partial": False, "clusters": {"source": source}, "clients": list(clients), **more})


def topics_of(names: Iterable[str], **each: Mapping[str, Any]) -> list[TopicEntry]:
    return [topic(name, **each.get(name, {})) for name in names]
