"""Topics of a plan on one cluster: settings, records, sizes and producers. What cannot be read becomes a gap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from confluent_kafka.admin import ConfigResource, ConfigSource, OffsetSpec  # type: ignore[attr-defined]

from cutover_harness.inventory.broker_calls import BrokerCalls
from cutover_harness.inventory.calls import TIMEOUT_S, Calls
from cutover_harness.inventory.model import TopicEntry
from cutover_harness.inventory.sizes import Sizes, fill_sizes
from cutover_harness.inventory.topics import CONFIGS, Layout
from cutover_harness.inventory.writers import read_producers
from cutover_harness.inventory.writes import fill_ends, read_offsets, read_times
from cutover_harness.preflight.model import Topic
from cutover_harness.preflight.planned.facts import ACTIVE

_SLICE = 200


def part_of(layout: Layout, names: Sequence[str]) -> Layout:
    """Return the layout of some topics, as far as they exist."""
    known = {name: layout.leaders[name] for name in names if name in layout.leaders}
    return Layout(layout.cluster_id, layout.brokers, known)


def read_settings(calls: Calls, names: Sequence[str]) -> dict[str, tuple[dict[str, str], frozenset[str]]]:
    """Return the settings in force of each topic, and the names of those that are set on the topic itself."""
    found = {}
    for part in calls.slices(names, _SLICE, CONFIGS, len(names)):
        calls.wait()
        asked = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in part]
        futures = calls.client.describe_configs(asked, request_timeout=TIMEOUT_S)
        remedy = "grant DescribeConfigs on these topics"
        for resource, entries in calls.results(CONFIGS, futures, lambda each: each.name, remedy):
            values = {name: str(entry.value) for name, entry in entries.items() if entry.value is not None}
            own = ConfigSource.DYNAMIC_TOPIC_CONFIG
            of_topic = frozenset(n for n, entry in entries.items() if ConfigSource(entry.source) == own)
            found[resource.name] = values, of_topic
    return found


def read_planned_topics(
    calls: Calls,
    brokers: BrokerCalls | None,
    config: Mapping[str, str],
    layout: Layout,
    entries: dict[str, TopicEntry],
    sizes: Sizes | None,
    *,
    writers: bool,
) -> dict[str, Topic]:
    """Return the topics of `layout` for the rules, and fill in their entries; `writers`: also who writes, and when."""
    latest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    earliest: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
    ends = read_offsets(calls, layout, latest, "ends of logs")
    starts = read_offsets(calls, layout, earliest, "starts of logs")
    fill_ends(entries, starts, ends)
    fill_sizes(entries, sizes, None)
    if writers:
        read_times(calls, config, layout, entries, starts, ends, datetime.now(UTC) - ACTIVE)
        if brokers is not None:
            read_producers(calls, brokers, layout, entries)
    settings = read_settings(calls, list(layout.leaders))
    return {name: _topic(entries[name], settings) for name in layout.leaders}


def _topic(entry: TopicEntry, settings: Mapping[str, tuple[dict[str, str], frozenset[str]]]) -> Topic:
    config, own = settings.get(entry.name, ({}, frozenset()))
    return Topic(entry.partitions, entry.replication, config, own, entry.records)
