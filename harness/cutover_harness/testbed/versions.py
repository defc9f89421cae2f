"""Properties of Kafka's versions that decide how a broker of one is run."""

from __future__ import annotations

import re
from collections.abc import Mapping

# Apache Kafka has published images since 3.7. Of earlier versions Confluent's community images contain Kafka's code.
CONFLUENT: Mapping[tuple[int, ...], str] = {
    (2, 8): "6.2.1",
    (3, 0): "7.0.1",
    (3, 1): "7.1.1",
    (3, 2): "7.2.1",
    (3, 3): "7.3.0",
    (3, 4): "7.4.0",
    (3, 5): "7.5.0",
    (3, 6): "7.6.0",
}
"""Version of Kafka -> release of Confluent's that is based on it."""


def numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: (3, 9, 2) for "3.9.2", () for a text that begins with none."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def on_zookeeper(version: str) -> bool:
    """Return whether brokers of this version keep their metadata in ZooKeeper: KRaft is for production since 3.3."""
    return numbers(version) < (3, 3)


def needs_format(version: str) -> bool:
    """Return whether storage has to be formatted by Kafka's own tool.

    Since 4.0 it also writes which features are enabled (KIP-1022); without them a cluster serves neither groups of
    KIP-848 nor transactions of KIP-890, unlike any 4.x cluster in production.
    """
    return numbers(version) >= (4, 0)


def logs_by_log4j2(version: str) -> bool:
    """Return whether this version logs by log4j 2, and by log4j 1 otherwise."""
    return numbers(version) >= (4, 0)
