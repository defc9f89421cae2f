"""Order within a log: records that lie behind a later one of their stream."""

import numpy as np

from cutover_harness.judge.produced import Produced
from cutover_harness.judge.runs import among, distinct
from cutover_harness.ledger.columns import Int64, Mask
from cutover_harness.ledger.format import SOURCE

#: The offset of a record that was not seen in the log.
NOWHERE = int(np.iinfo(np.int64).max)


def log_reordered(produced: Produced, on_target: Int64) -> Int64:
    """Return the ids of records that the target's log has behind a later record of their stream.

    on_target: each record's lowest known offset there, NOWHERE if none; shape (ids,). A record that the source's log
    has behind the later one as well is in the order in which it was mirrored, and does not count.
    """
    known = np.flatnonzero(on_target != NOWHERE)
    behind = known[_behind(produced, known, on_target[known])]
    if not len(behind) or SOURCE not in produced.offsets:
        return behind
    on_source = produced.offsets[SOURCE]
    there = np.flatnonzero(on_source >= 0)
    excused = there[_behind(produced, there, on_source[there])]
    return np.setdiff1d(behind, excused, assume_unique=True)


def _behind(produced: Produced, ids: Int64, offset: Int64) -> Mask:
    """Return which records have a greater offset than some later one of the same stream, topic and partition."""
    result = np.zeros(len(ids), np.bool_)
    drop = np.flatnonzero(offset[1:] < offset[:-1])
    stream_of = produced.record_index.stream_of
    touched = distinct(stream_of(ids[drop])[stream_of(ids[drop]) == stream_of(ids[drop + 1])])
    if not len(touched):
        return result
    chosen = np.flatnonzero(among(stream_of(ids), touched))
    ids, offset = ids[chosen], offset[chosen]
    stream = stream_of(ids)
    place = produced.place[ids]
    order = np.lexsort((ids, place, stream))
    segment = np.cumsum(
        np.append(0, (stream[order][1:] != stream[order][:-1]) | (place[order][1:] != place[order][:-1]))
    )
    # Ranks: the offset and the segment then fit in one number.
    rank = np.unique(offset, return_inverse=True)[1][order]
    value = segment * len(rank) + rank
    later = np.minimum.accumulate(value[::-1])[::-1]
    result[chosen[order]] = value > later
    return result
