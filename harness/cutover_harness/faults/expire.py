"""Remove records from the source before they are mirrored, as retention does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from cutover_harness.faults.base import Fault, Injected, Proof
from cutover_harness.faults.context import FaultContext, TopicsContext
from cutover_harness.waits import wait_until

if TYPE_CHECKING:
    from cutover_harness.admin import Admin
    from cutover_harness.types import PartitionId

_POLL_S = 0.25


class Expire(Fault):
    """Remove the records that all groups have read from the source, mirrored or not."""

    does = (
        "once the mirror is behind the groups, the records that all groups have read are removed from the source, "
        "as retention does"
    )
    proved_by = "some of them were not mirrored"
    leaves_open: ClassVar[Mapping[str, str]] = {
        "topics": "retention that removes records from the source before they are mirrored"
    }

    kind: Literal["expire"]
    of: Literal["topics"]

    def inject(self, context: FaultContext) -> Injected:
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
                evidence=f"removed the records of {len(read)} partitions that all groups have read, "
                f"{sum(b - a for a, b in gone.values())} of them not mirrored{example}",
            )
        )


def _read_by_all(admin: Admin, topics: TopicsContext) -> dict[PartitionId, int]:
    """Return up to which offset all groups have read, for the partitions whose logs start before it."""
    committed = [admin.committed(group, topics.topics) for group in topics.groups]
    starts = admin.start_offsets(topics.topics)
    read = {p: min(at.get(p, 0) for at in committed) for p in starts}
    return {p: offset for p, offset in read.items() if offset > starts[p]}
