"""Why a record was delivered to a group more than once."""

import numpy as np

from cutover_harness.ledger.columns import Array, Int64, Mask
from cutover_harness.ledger.format import SOURCE

#: Numbers of the causes, in the order of `judge.measures.CAUSES`; FIRST is no duplicate.
FIRST, RE_READ, RE_READ_ACROSS, MIRRORED_TWICE, PRODUCER_RETRY = -1, 0, 1, 2, 3


def classify(record: Int64, cluster: Array, place: Int64, offset: Int64, produced_here: Mask) -> Array:
    """Return each delivery's cause; all arrays have shape (deliveries,), of one group, in the order of delivery.

    place: topic and partition. produced_here: whether a producer sent the record to the cluster that delivers it.
    Per record, by the definitions of `judge.model.Duplicated`: an offset that came before is a re-read; another offset
    of a cluster that delivered before is a second copy in that cluster's log; a new cluster is a re-read across.
    """
    cause = np.full(len(record), FIRST, np.int8)
    if not len(record):
        return cause
    seen = _repeats(record)
    same_cluster = _repeats(record, cluster)
    same_offset = _repeats(record, cluster, place, offset)
    cause[seen] = RE_READ_ACROSS
    cause[same_cluster] = np.where(produced_here[same_cluster], PRODUCER_RETRY, MIRRORED_TWICE)
    cause[same_offset] = RE_READ
    return cause


def produced_where(sent_to: Array, cluster: Array) -> Mask:
    """Return whether a record was produced on the delivering cluster.

    sent_to: bits of the clusters (as `produced.CLUSTER_BITS`) that the record was sent to or acknowledged by, 0 if
    unknown: then it counts as produced on the source, since traffic comes from there until a producer moved.
    """
    bit = cluster_bit(cluster)
    found: Mask = np.where(sent_to == 0, cluster == SOURCE, sent_to & bit != 0)
    return found


def cluster_bit(cluster: Array) -> Array:
    """Return 1 for the source, 2 for the target, 4 for an unknown cluster."""
    bits = np.full(256, 4, np.uint8)
    bits[:2] = 1, 2
    return bits[cluster]


def _repeats(*keys: Array) -> Mask:
    """Return which rows repeat an earlier row in all keys."""
    order = np.lexsort(keys[::-1])  # stable: among equal keys the earliest row comes first
    equal = np.ones(len(order) - 1, np.bool_)
    for key in keys:
        ordered = key[order]
        equal &= ordered[1:] == ordered[:-1]
    result = np.zeros(len(order), np.bool_)
    result[order[1:]] = equal
    return result
