"""The drain proof: nothing was left to deliver when the consumers stopped, so what is missing is lost."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence

from cutover_harness.admin import Admin
from cutover_harness.conductor.gates import Gate, Progress, Reading, seldom, wait
from cutover_harness.conductor.protocols import ClusterLike, TopicPartitionKey
from cutover_harness.judge.model import Copied, DrainProof
from cutover_harness.mirror import Mirror
from cutover_harness.mirror.logs import LogReader
from cutover_harness.mirror.overtaken import without

POLL_S = 0.2


def prove(
    cluster: Admin,
    where: str,
    groups: Sequence[str],
    topics: Sequence[str],
    patience_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[DrainProof]:
    """Wait until each group has committed up to the log end of every partition; return what could be proved.

    Behind its last commit there may be markers of transactions and aborted records, which nobody is delivered.

    Only meaningful once no producer writes any more. It goes on as long as groups read on; a group that is still behind
    when none has come nearer to the end for `patience_s` has no proof, and the evidence says by how much.
    """
    progress = Progress(patience_s, clock)
    while True:
        ends = {key: end for key, end in cluster.end_offsets(topics).items() if end > 0}
        behind = {}
        for group in groups:
            committed = cluster.committed(group, topics)
            behind[group] = _with_records(cluster, where, _behind(ends, committed), ends, committed)
        if not any(behind.values()) or progress.stuck(sum(sum(rows.values()) for rows in behind.values())):
            break
        sleep(POLL_S)
    return [
        DrainProof(
            group=group,
            held=not rows,
            evidence=(
                f"{sum(rows.values())} records in {len(rows)} partitions of {where} left, "
                f"no progress for {patience_s:.0f} s"
                if rows
                else f"committed = log end in {len(ends)} partitions on {where}"
            ),
        )
        for group, rows in behind.items()
    ]


def prove_copied(mirror: Mirror, source: ClusterLike, topics: Sequence[str], patience_s: float) -> list[Copied]:
    """Wait until the mirror is at zero and return what that proves to be on the target: all that the source has.

    What retention removed before it was mirrored is left out, as far as it was seen.

    Raises GateMissedError where it makes no progress for `patience_s`. Only meaningful once no producer writes to the
    source any more.
    """

    def read() -> Reading:
        done, evidence = mirror.drained()
        return Reading(open=done, waits_for=evidence, evidence=evidence, left=None if done else left())

    left = seldom(lambda: mirror.lag().total)
    wait(Gate("mirror at zero", read, patience_s), lambda _waits, _elapsed: None)
    ends = source.end_offsets(topics)
    copied = without(ends, mirror.gaps(look=False))
    return [Copied("source", topic, partition, start, end) for (topic, partition), start, end in copied]


def _with_records(
    cluster: Admin,
    where: str,
    behind: dict[TopicPartitionKey, int],
    ends: Mapping[TopicPartitionKey, int],
    committed: Mapping[TopicPartitionKey, int],
) -> dict[TopicPartitionKey, int]:
    """Return those of the partitions that are behind in which there is a record left to deliver, or no telling."""
    short = {key: max(committed.get(key, 0), 0) for key in behind if committed.get(key, 0) < ends[key]}
    if not short:
        return behind
    with contextlib.closing(LogReader(cluster.config, where)) as log:
        left = log.read(short, lambda _partition, _record: False)
    return {key: count for key, count in behind.items() if key not in short or left[key]}


def _behind(ends: Mapping[TopicPartitionKey, int], at: Mapping[TopicPartitionKey, int]) -> dict[TopicPartitionKey, int]:
    """Return how far from the log's end each partition's offset is.

    Beyond the end is no proof either: such an offset is of a topic that was deleted and has been made again.
    """
    return {key: abs(end - max(at.get(key, 0), 0)) for key, end in ends.items() if at.get(key, 0) != end}
