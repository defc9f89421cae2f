"""Two clusters on which preflight finds nothing, for tests."""

from __future__ import annotations

from dataclasses import replace

from cutover_harness.preflight import Cluster, Group, Topic

HOUR = 3_600_000
GOOD_TOPIC = Topic(3, 1, {"cleanup.policy": "delete", "retention.ms": str(7 * 24 * HOUR), "min.insync.replicas": "1"})
GOOD_BROKER = {"offsets.retention.minutes": "10080", "process.roles": "broker,controller"}
COMMITTED = {("orders", partition): 5 for partition in range(3)}
SOURCE = Cluster({"orders": GOOD_TOPIC}, {"billing": Group(("orders",), offsets=COMMITTED)}, (3, 4), GOOD_BROKER, 3)
TARGET = Cluster({"orders": replace(GOOD_TOPIC, records=0)}, {}, (3, 9), {}, 1, {"automq.version": 6})
