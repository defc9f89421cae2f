"""Delete and recreate a source topic."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import ClassVar, Literal

from cutover_harness.faults.base import Deleted, Fault, Injected, Proof
from cutover_harness.faults.context import FaultContext


class Recreate(Fault):
    """Delete the first topic on the source and create it again under its name."""

    does = "the first topic is deleted on the source and created again"
    proved_by = "its topic id is another one"
    leaves_open: ClassVar[Mapping[str, str]] = {"topics": "a source topic that is recreated during the migration"}

    kind: Literal["recreate"]
    of: Literal["topics"]

    def inject(self, context: FaultContext) -> Injected:
        """Delete and create it."""
        topics = context.topics
        admin, (name, topic) = topics.admin("source"), next(iter(topics.topics.items()))
        before = admin.topic_ids([name])
        admin.delete_topics([name])
        # Read before the topic can exist again, so that no record of the new one counts as destroyed.
        until_ns = time.time_ns()
        admin.create_topics({name: topic.partitions}, topic.config)
        after = admin.topic_ids([name])
        evidence = f"{name} had the id {before.get(name)} and has {after.get(name)}"
        if not before or not after:  # brokers before 2.8
            evidence = f"{name} has no topic id, which would prove it"
        return Injected.proved(
            Proof(bool(before and after) and before != after, evidence, (Deleted("source", name, until_ns),))
        )
