"""Log compaction on both clusters before groups are held."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from cutover_harness.faults.base import Fault, Injected, Proof, Rehearsed
from cutover_harness.faults.context import FaultContext, TopicsContext
from cutover_harness.waits import wait_until
from cutover_harness.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cutover_harness.mirror.log_reader import LogReader
    from cutover_harness.types import ClusterName

_POLL_S = 0.25
_LONG_MS = 3_600_000


class Compact(Fault):
    """Wait until the log cleaner has removed records on both clusters, then delay further compaction."""

    does = (
        "the path waits, at most `seconds`, for the log cleaner; then `min.compaction.lag.ms` is raised on both "
        "clusters, as operators do before groups are held"
    )
    proved_by = "offsets without records in a compacted topic, on both clusters"
    leaves_open: ClassVar[Mapping[str, str]] = {"topics": "topics that are compacted during the migration"}

    kind: Literal["compact"]
    of: Literal["topics"]
    seconds: float = Field(default=3.0, gt=0, le=600, description="How long compaction may take.")

    def unfit(self, rehearsed: Rehearsed) -> str | None:
        """Refuse traffic without a compacted topic."""
        return None if rehearsed.compacted else "compact needs a topic with cleanup.policy compact in traffic"

    def inject(self, context: FaultContext) -> Injected:
        """Wait until both clusters' logs have gaps, then delay the log cleaner."""
        topics = context.topics
        compacted = [
            name for name, topic in topics.topics.items() if "compact" in topic.config.get("cleanup.policy", "")
        ]
        with topics.log_reader("source") as source, topics.log_reader("target") as target:

            def removed() -> tuple[int, int]:
                on_source = _removed(topics, "source", source, compacted)
                return on_source, _removed(topics, "target", target, compacted)

            on_source, on_target = wait_until(removed, self.seconds, done=all, backoff_s=_POLL_S)
        clusters: tuple[ClusterName, ...] = ("source", "target")
        for cluster in clusters:
            for name in compacted:
                topics.admin(cluster).set_topic_config(name, {"min.compaction.lag.ms": str(_LONG_MS)})
        return Injected.proved(
            Proof(
                bool(on_source and on_target),
                f"the log cleaner has removed {counted(on_source, 'record')} of {', '.join(compacted)} on the source "
                f"and {on_target} on the target",
            )
        )


def _removed(topics: TopicsContext, cluster: ClusterName, log: LogReader, names: Sequence[str]) -> int:
    """Return how many offsets of the topics' logs no longer have a record."""
    counts = topics.admin(cluster).partitions(names)
    logs = log.read({(topic, number): 0 for topic, count in counts.items() for number in range(count)})
    return sum(records[-1].offset + 1 - len(records) for records in logs.values() if records)
