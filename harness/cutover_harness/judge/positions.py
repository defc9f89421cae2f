"""A group's committed positions, which must not go back."""

import numpy as np

from cutover_harness.judge.measures import BY_NAME
from cutover_harness.judge.model import Offender
from cutover_harness.judge.runs import run_heads
from cutover_harness.ledger.columns import Array, Int64
from cutover_harness.ledger.format import CLUSTER_NAMES, COMMITTED
from cutover_harness.ledger.reader import Ledgers

# Between two processes, clocks differ and a commit is logged when its answer came.
SKEW_NS = 1_000_000_000


def regressions(ledgers: Ledgers, group: str) -> list[Offender] | None:
    """Return the group's commits that lie below an earlier one on the same cluster, topic and partition.

    None if no commit was logged. Earlier: in the ledger of the same process before it, or in another's by more than a
    second.
    """
    parts = []
    for number, instance in enumerate(ledgers.instances):
        if instance.meta.group == group and instance.meta.role == "consumer":
            rows = instance.rows.control()
            rows = rows.take(rows.event == COMMITTED)
            if len(rows):
                topic = ledgers.renumber(instance, rows.topic).astype(np.int64)
                key = (topic << 40) | ((rows.partition.astype(np.int64) & 0xFFFF_FFFF) << 8) | rows.cluster
                parts.append((key, np.full(len(rows), number), rows.offset, rows.time_ns))
    if not parts:
        return None
    key, owner, offset, time = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(key, kind="stable")
    heads = run_heads(key[order])
    below = []
    for start, end in zip(heads.tolist(), [*heads[1:].tolist(), len(key)], strict=True):
        chosen = order[start:end]
        below += chosen[_below(owner[chosen], offset[chosen], time[chosen])].tolist()
    found = [
        Offender(
            kind="offset_regression",
            group=group,
            topic=ledgers.topics[int(key[row]) >> 40],
            partition=int(key[row]) >> 8 & 0xFFFF_FFFF,
            offset=int(offset[row]),
            cluster=CLUSTER_NAMES.get(int(key[row]) & 255, "unknown"),
            stream=0,
            sequence=-1,
            time_ns=int(time[row]),
            seen_by=[ledgers.instances[owner[row]].label],
            detail=BY_NAME["offset_regression"].detail,
        )
        for row in below
    ]
    return sorted(found, key=lambda o: (o.time_ns, o.topic, o.partition, o.offset))


def _below(owner: Int64, offset: Int64, time: Int64) -> Array:
    """Return which commits of one partition lie below an earlier one; each owner's rows are in its ledger's order."""
    below = np.zeros(len(offset), np.bool_)
    for one in np.unique(owner):
        mine = owner == one
        below[mine] = np.maximum.accumulate(offset[mine]) > offset[mine]
    by_time = np.argsort(time, kind="stable")
    highest = np.maximum.accumulate(offset[by_time])
    least = np.iinfo(np.int64).min
    before = np.searchsorted(time[by_time], np.maximum(time, least + SKEW_NS) - SKEW_NS)  # that are a second back
    earlier = before > 0
    below[earlier] |= highest[before[earlier] - 1] > offset[earlier]
    return below
