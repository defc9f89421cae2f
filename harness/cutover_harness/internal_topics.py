"""Topics that belong to Kafka, MirrorMaker 2 or AutoMQ: never recorded, mirrored or judged unless they are named."""

from __future__ import annotations

import re

AUTOMQ = ("__auto_balancer_metrics", "__automq_cluster_events", "__automq_table_control", "__automq_table_data")
PATTERNS = ("__.*", r"mm2-.*\.internal", r".*\.checkpoints\.internal", "heartbeats")
"""Regular expressions, Java's and Python's. MirrorMaker 2's default also matches names of users ("*.replica")."""
OFFSET_SYNCS = re.compile(r"mm2-offset-syncs\..*\.internal")
"""MirrorMaker 2's topic of pairs of offsets."""
_INTERNAL = re.compile("|".join(PATTERNS))
# org.apache.kafka.connect.mirror.ReplicationPolicy.isInternalTopic: no setting makes it mirror one of these.
_NEVER_MIRRORED = re.compile(r"__.*|\..*|.*[.-]internal")


def internal(topic: str) -> bool:
    """Return whether a topic belongs to Kafka, MirrorMaker 2 or AutoMQ by its name."""
    return _INTERNAL.fullmatch(topic) is not None


def never_mirrored(topic: str) -> bool:
    """Return whether MirrorMaker 2 refuses a topic for its name, whatever is configured; `heartbeats` it excludes."""
    return _NEVER_MIRRORED.fullmatch(topic) is not None
