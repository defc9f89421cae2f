"""Sizes of topics by the brokers' log directories."""

from __future__ import annotations

import time
from dataclasses import dataclass

from cutover_harness.inventory.broker_calls import BrokerCallError, BrokerCalls
from cutover_harness.inventory.calls import Calls
from cutover_harness.inventory.model import TopicEntry
from cutover_harness.inventory.topics import Layout
from cutover_harness.words import counted

SIZES = "sizes of topics"


@dataclass
class Sizes:
    """Bytes of the leaders' logs and of all replicas by topic, and when they were read."""

    leaders: dict[str, int]
    replicas: dict[str, int]
    at: float


def read_sizes(calls: Calls, brokers: BrokerCalls, layout: Layout) -> Sizes | None:
    """Return the sizes of all topics on the brokers, also of those that the cluster does not show; None if unknown."""
    found = Sizes({}, {}, time.monotonic())
    for broker in layout.brokers:
        calls.wait()
        try:
            sizes = brokers.log_sizes(broker)
        except BrokerCallError as why:
            remedy = "grant Describe on the cluster" if why.kind == "forbidden" else ""
            calls.gaps.add(SIZES, why.kind, str(why), cluster=calls.cluster, names=[f"broker {broker}"], remedy=remedy)
            return None
        for (topic, partition), size in sizes.items():
            found.replicas[topic] = found.replicas.get(topic, 0) + size
            leaders = layout.leaders.get(topic)
            if leaders is None or partition >= len(leaders) or leaders[partition] == broker:
                found.leaders[topic] = found.leaders.get(topic, 0) + size
    calls.tell(f"{SIZES}: {counted(len(layout.brokers), 'broker')}")
    return found


def fill_sizes(topics: dict[str, TopicEntry], before: Sizes | None, after: Sizes | None) -> None:
    """Fill in the sizes, and their growth if they were read twice."""
    last = after or before
    if last is None:
        return
    for name, topic in topics.items():
        topic.bytes, topic.bytes_on_disk = last.leaders.get(name), last.replicas.get(name)
        if before is not None and after is not None and topic.bytes is not None and after.at > before.at:
            grown = topic.bytes - before.leaders.get(name, 0)
            topic.bytes_per_s = round(max(0, grown) / (after.at - before.at), 3)
