"""Put the parts of a listing together: who reads and writes each topic, and what is stale."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from cutover_shim.channel import KAFKA

from cutover_harness.conductor.statuses import own_topics
from cutover_harness.errors import UsageError
from cutover_harness.inventory.completeness import Gaps
from cutover_harness.inventory.groups import GROUPS
from cutover_harness.inventory.model import ClusterListing, Listing, Stale
from cutover_harness.inventory.stale import group_verdict, topic_verdict
from cutover_harness.types import ClusterName


def mark_own(listing: Listing, statuses: Path | str | None) -> None:
    """Mark the topics of kafka-cutover as internal: statuses, and the control topics that clients follow."""
    named = {client.channel for client in listing.clients if client.channel is not None}
    own: set[str] = set()
    for text in (name for name in named if name.startswith(KAFKA)):
        with suppress(UsageError):  # as of a status that was damaged
            own |= own_topics([text], None)
    own |= own_topics([], statuses)
    for cluster in listing.clusters.values():
        for topic in cluster.topics:
            topic.internal |= topic.name in own


def link_clients(listing: Listing, gaps: Gaps) -> None:
    """Add the shim's producers to the topics that they write, on the cluster that their statuses name."""
    topics = {(name, topic.name): topic for name, cluster in listing.clusters.items() for topic in cluster.topics}
    for client in listing.clients:
        if client.role != "producer":
            continue
        for cluster, names in client.topics_on.items():
            for topic in names:
                if (cluster, topic) in topics:
                    topics[cluster, topic].writers.append(f"shim {client.app or client.instance}")
        if set(client.topics) - {topic for names in client.topics_on.values() for topic in names}:
            gaps.add("cluster of a producer", "unsupported", "its status names none", names=[client.instance])
    for entry in topics.values():
        entry.writers = sorted(set(entry.writers))


def link_connectors(listing: Listing, gaps: Gaps) -> None:
    """Find the cluster of each Connect cluster; mark the groups and topics of its connectors."""
    ids: dict[str | None, ClusterName] = {each.cluster_id: name for name, each in listing.clusters.items()}
    for connect in listing.connect:
        connect.cluster = None if connect.kafka_cluster_id is None else ids.get(connect.kafka_cluster_id)
        if connect.cluster is None:
            why = f"{connect.url} works on none of the listed clusters by its kafka_cluster_id"
            gaps.add("cluster of a Connect cluster", "unsupported", why)
            continue
        cluster = listing.clusters[connect.cluster]
        groups = {group.name: group for group in cluster.groups}
        topics = {topic.name: topic for topic in cluster.topics}
        for connector in connect.connectors or ():
            if connector.group in groups:
                groups[connector.group].connector = connector.name
            for name in connector.topics or ():
                if connector.type == "source" and name in topics:
                    topics[name].writers.append(f"connector {connector.name}")


def set_stale(listing: Listing, gaps: Gaps) -> None:
    """Set which topics and groups are stale."""
    for name, cluster in listing.clusters.items():
        _set_stale(listing, cluster, readers_complete=not _hides_groups(gaps, name))


def _hides_groups(gaps: Gaps, cluster: ClusterName) -> bool:
    subjects = (GROUPS, "groups that are not shown", "committed offsets of groups")
    return any(gaps.has(what, cluster) for what in subjects)


def _set_stale(listing: Listing, cluster: ClusterListing, *, readers_complete: bool) -> None:
    now, days = listing.created, listing.stale_days
    verdicts: dict[str, Stale] = {}
    for group in cluster.groups:
        group.stale, group.stale_why = group_verdict(group, now, days, cluster.offsets_retention_minutes)
        verdicts[group.name] = group.stale
    for topic in cluster.topics:
        if topic.internal:
            topic.stale, topic.stale_why = "no", "internal"
            continue
        readers = {name: verdicts[name] for name in topic.readers}
        verdict = topic_verdict(topic, now, days, readers, readers_complete=readers_complete)
        topic.stale, topic.stale_why = verdict
