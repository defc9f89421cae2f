"""Remove records, as retention does: from the source before they are mirrored, or from the target unread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from cutover_harness.faults.base import Fault, Injected, Proof
from cutover_harness.faults.context import FaultContext, TopicsContext
from cutover_harness.waits import wait_until
from cutover_harness.words import counted

if TYPE_CHECKING:
    from cutover_harness.admin import Admin
    from cutover_harness.types import PartitionId

_POLL_S = 0.25


class Expire(Fault):
    """Remove the records that all groups have read from the source, mirrored or not; or all from the target."""

    does = (
        "once the mirror is behind the groups, the records that all groups have read are removed from the source, "
        "as retention does; with `cluster: target`: once the groups are behind the mirror, all records are removed "
        "from the target"
    )
    proved_by = "some of them were not mirrored, or, on the target, not read by every group"
    leaves_open: ClassVar[Mapping[str, str]] = {
        "topics": "retention that removes records from the source before they are mirrored"
    }

    kind: Literal["expire"]
    of: Literal["topics"]
    cluster: Literal["source", "target"] = Field(default="source", description="Cluster that loses the records.")

    def inject(self, context: FaultContext) -> Injected:
        """Remove them once some of them are needed."""
        return self._from_target(context) if self.cluster == "target" else self._from_source(context)

    def _from_target(self, context: FaultContext) -> Injected:
        """Wait until the target has records that a group has not read, then remove all that is there."""
        topics = context.topics
        source, target = topics.admin("source"), topics.admin("target")
        with topics.mirror() as mirror:

            def unread() -> int:
                # The ends before the lag, so that the number of mirrored records is never overestimated.
                committed = [source.committed(group, topics.topics) for group in topics.groups]
                ends, lag = source.end_offsets(topics.topics), mirror.lag().records
                return sum(
                    max(0, end - lag.get(p, 0) - min(at.get(p, 0) for at in committed)) for p, end in ends.items()
                )

            left = wait_until(unread, context.patience_s, done=lambda found: found > 0, backoff_s=_POLL_S)
        target.delete_records({p: end for p, end in target.end_offsets(topics.topics).items() if end})
        words = f"removed all records from the target, about {left} of them not read by every group"
        return Injected.proved(Proof(held=left > 0, evidence=words))

    def _from_source(self, context: FaultContext) -> Injected:
        """Wait until the mirror is behind what all groups have read, then remove that; no reader misses it."""
        topics = context.topics
        admin = topics.admin("source")
        with topics.mirror() as mirror:

            def positions() -> tuple[dict[PartitionId, int], dict[PartitionId, tuple[int, int]]]:
                read = _read_by_all(admin, topics)
                # The ends after the lag, so that the number of mirrored records is never underestimated.
                lag = mirror.lag().records
                mirrored = {p: end - lag.get(p, 0) for p, end in admin.end_offsets(topics.topics).items()}
                return read, {p: (mirrored[p], offset) for p, offset in read.items() if offset > mirrored[p]}

            read, gone = wait_until(positions, context.patience_s, done=lambda found: bool(found[1]), backoff_s=_POLL_S)
        admin.delete_records(read)
        example = "".join(f", such as {t}-{n} from {a} to {b - 1}" for (t, n), (a, b) in list(gone.items())[:1])
        return Injected.proved(
            Proof(
                held=bool(gone),
                evidence=f"removed the records of {counted(len(read), 'partition')} that all groups have read, "
                f"{sum(b - a for a, b in gone.values())} of them not mirrored{example}",
            )
        )


def _read_by_all(admin: Admin, topics: TopicsContext) -> dict[PartitionId, int]:
    """Return up to which offset all groups have read, for the partitions whose logs start before it."""
    committed = [admin.committed(group, topics.topics) for group in topics.groups]
    starts = admin.start_offsets(topics.topics)
    read = {p: min(at.get(p, 0) for at in committed) for p in starts}
    return {p: offset for p, offset in read.items() if offset > starts[p]}
