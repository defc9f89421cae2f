"""The drain proof: no record was left to deliver when the consumers stopped, so a missing record is lost."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence

from cutover_harness.admin import Admin
from cutover_harness.conductor.waiting import Progress, wait
from cutover_harness.judge.model import Copied, DrainProof
from cutover_harness.mirror import Mirror
from cutover_harness.mirror.gaps import without
from cutover_harness.mirror.log_reader import LogReader
from cutover_harness.procedure.gates import Gate, Reading, seldom
from cutover_harness.procedure.protocols import ClusterLike
from cutover_harness.types import ClusterName, PartitionId
from cutover_harness.words import counted

POLL_S = 0.2


def prove(
    cluster: Admin,
    cluster_name: ClusterName,
    groups: Sequence[str],
    topics: Sequence[str],
    patience_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[DrainProof]:
    """Wait until each group has committed up to the log end of every partition; return what could be proved.

    Behind its last commit there may be markers of transactions and aborted records, which no consumer receives.

    Only meaningful once no producer writes any more. The wait lasts as long as groups make progress; a group that is
    still behind when none has come nearer to the end for `patience_s` has no proof; the evidence states by how much.
    """
    progress = Progress(patience_s, clock)
    while True:
        found = cluster.end_offsets(topics)
        # A broker that has just started may not list a topic that exists: that is no end that groups have reached.
        absent = sorted({*topics} - {topic for topic, _ in found})
        ends = {key: end for key, end in found.items() if end > 0}
        behind = {}
        for group in groups:
            committed = cluster.committed(group, topics)
            behind[group] = _with_records(cluster, cluster_name, _behind(ends, committed), ends, committed)
        left = sum(sum(rows.values()) for rows in behind.values()) + len(absent)
        if not left or progress.stuck(left):
            break
        sleep(POLL_S)
    if absent:
        return [DrainProof(group, False, f"{cluster_name} does not list {', '.join(absent)}") for group in groups]
    return [
        DrainProof(
            group=group,
            held=not rows,
            evidence=(
                f"{counted(sum(rows.values()), 'record')} in {counted(len(rows), 'partition')} of {cluster_name} left, "
                f"no progress for {patience_s:.0f} s"
                if rows
                else f"committed = log end in {counted(len(ends), 'partition')} on {cluster_name}"
            ),
        )
        for group, rows in behind.items()
    ]


def prove_copied(mirror: Mirror, source: ClusterLike, topics: Sequence[str], patience_s: float) -> list[Copied]:
    """Wait until the mirror is at zero; return the offsets that are then proved to be on the target: all of the source.

    Records that retention removed before they were mirrored are left out, as far as that was noticed.

    Raises GateMissedError if it makes no progress for `patience_s`. Only meaningful once no producer writes to the
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
    cluster_name: ClusterName,
    behind: dict[PartitionId, int],
    ends: Mapping[PartitionId, int],
    committed: Mapping[PartitionId, int],
) -> dict[PartitionId, int]:
    """Return those of the partitions that are behind in which a record is left to deliver, or may be."""
    short = {key: max(committed.get(key, 0), 0) for key in behind if committed.get(key, 0) < ends[key]}
    if not short:
        return behind
    with contextlib.closing(LogReader(cluster.config, cluster_name)) as log:
        left = log.read(short, lambda _partition, _record: False, cluster.stable_offsets({topic for topic, _ in short}))
    return {key: count for key, count in behind.items() if key not in short or left[key]}


def _behind(ends: Mapping[PartitionId, int], at: Mapping[PartitionId, int]) -> dict[PartitionId, int]:
    """Return how far from the log's end each partition's offset is.

    Beyond the end is no proof either: such an offset is of a topic that was deleted and recreated.
    """
    return {key: abs(end - max(at.get(key, 0), 0)) for key, end in ends.items() if at.get(key, 0) != end}
