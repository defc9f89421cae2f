"""The drain proof: nothing was left to deliver when the consumers stopped, so what is missing is lost."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from cutover_harness.conductor.protocols import ClusterLike, TopicPartitionKey
from cutover_harness.judge.model import DrainProof

POLL_S = 0.2


def prove(
    cluster: ClusterLike,
    where: str,
    groups: Sequence[str],
    topics: Sequence[str],
    deadline_s: float,
) -> list[DrainProof]:
    """Wait until each group has committed up to the log end of every partition; return what could be proved.

    Only meaningful once no producer writes any more. A group that is behind at the deadline has no proof, and the
    evidence says by how much.
    """
    deadline = time.monotonic() + deadline_s
    while True:
        ends = {key: end for key, end in cluster.end_offsets(topics).items() if end > 0}
        behind = {group: _behind(ends, cluster.committed(group, topics)) for group in groups}
        if not any(behind.values()) or time.monotonic() > deadline:
            break
        time.sleep(POLL_S)
    return [
        DrainProof(
            group=group,
            held=not rows,
            evidence=(
                f"{sum(rows.values())} records in {len(rows)} partitions of {where} left after {deadline_s:.0f} s"
                if rows
                else f"committed = log end in {len(ends)} partitions on {where}"
            ),
        )
        for group, rows in behind.items()
    ]


def _behind(ends: Mapping[TopicPartitionKey, int], at: Mapping[TopicPartitionKey, int]) -> dict[TopicPartitionKey, int]:
    return {key: end - max(at.get(key, 0), 0) for key, end in ends.items() if at.get(key, 0) < end}
