"""The first records that violate a measure, described so that a person can find them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from cutover_harness.judge.delivered import Delivered
from cutover_harness.judge.model import CAUSES, Offender
from cutover_harness.judge.partial import MAX_OFFENDERS
from cutover_harness.judge.produced import Produced
from cutover_harness.judge.universe import Places
from cutover_harness.ledger.columns import Array, Columns, Int64, Mask
from cutover_harness.ledger.format import ACKED, CLUSTER_NAMES

DETAILS = {
    "missing": "acknowledged here, never delivered to the group",
    "phantom": "delivered, but no producer logged it",
    "aborted_read": "delivered, but its transaction was aborted",
    "re_read": "delivered again from the same offset",
    "re_read_across": "delivered before from the other cluster",
    "mirrored_twice": "a second copy in the log of a cluster where no producer put it",
    "producer_retry": "a second copy in the log of a cluster where a producer sent it",
    "disordered": "delivered after sequence {overtaker} of the same stream",
    "log_order": "lies in the target's log behind a later record of the same stream",
    "stranded": "acknowledged here, on no log of the cluster that the producers went to",
}


@dataclass(frozen=True)
class Scene:
    """What is needed to describe a record of a share."""

    produced: Produced
    places: Places
    topics: tuple[str, ...]
    labels: list[str]


def of_deliveries(scene: Scene, group: str, got: Delivered, chosen: dict[str, Mask]) -> dict[str, list[Offender]]:
    """Describe the first ten of each kind's chosen deliveries; masks have shape (deliveries,)."""
    picked = {kind: pick(got.rows, mask) for kind, mask in chosen.items() if mask.any()}
    rows = np.unique(np.concatenate([*picked.values(), np.empty(0, np.int64)]))
    seen = _seen_by(scene, got, got.ids[rows[got.is_known[rows]]])
    overtaker = dict(zip(np.flatnonzero(got.is_disordered).tolist(), got.overtaker.tolist(), strict=True))
    found: dict[str, list[Offender]] = {}
    for kind, numbers in picked.items():
        found[kind] = [
            replace(
                _of_delivery(scene, kind, group, got, int(row)),
                seen_by=seen.get(int(got.ids[row]), []) if got.is_known[row] else [scene.labels[got.instance[row]]],
                detail=_detail(scene, kind, overtaker.get(int(row))),
            )
            for row in numbers
        ]
    return found


def of_records(
    scene: Scene, kind: str, group: str | None, ids: Int64, got: Delivered | None = None, *, latest: bool = False
) -> list[Offender]:
    """Describe the first (or the latest) ten of some acknowledged records by their acknowledgement."""
    produced = scene.produced
    wanted = np.zeros(produced.universe.size, np.bool_)
    wanted[ids] = True
    acked = wanted[produced.row_ids] & (produced.rows.event == ACKED)
    rows = pick(produced.rows, acked, latest=latest)
    seen = _seen_by(scene, got, produced.row_ids[rows])
    return [
        Offender(
            kind=kind,
            group=group,
            topic=scene.topics[produced.rows.topic[row]],
            partition=int(produced.rows.partition[row]),
            offset=int(produced.rows.offset[row]),
            cluster=CLUSTER_NAMES.get(int(produced.rows.cluster[row]), "unknown"),
            stream=int(produced.rows.stream[row]),
            sequence=int(produced.rows.sequence[row]),
            time_ns=int(produced.rows.time_ns[row]),
            seen_by=seen.get(int(produced.row_ids[row]), []),
            detail=DETAILS[kind],
        )
        for row in rows.tolist()
    ]


def pick(rows: Columns, chosen: Mask, *, latest: bool = False) -> Int64:
    """Return the first (or the latest) ten of the chosen rows by time, stream, sequence and offset."""
    found = np.flatnonzero(chosen)
    times = rows.time_ns[found]
    if len(found) > MAX_OFFENDERS:
        nth = len(found) - MAX_OFFENDERS if latest else MAX_OFFENDERS - 1
        limit = np.partition(times, nth)[nth]
        found = found[times >= limit if latest else times <= limit]
    keys = (rows.cluster, rows.offset, rows.sequence, rows.stream, rows.time_ns)
    found = found[np.lexsort([key[found] for key in keys])]
    return found[-MAX_OFFENDERS:] if latest else found[:MAX_OFFENDERS]


def _of_delivery(scene: Scene, kind: str, group: str, got: Delivered, row: int) -> Offender:
    return Offender(
        kind=kind,
        group=group,
        topic=scene.topics[got.rows.topic[row]],
        partition=int(got.rows.partition[row]),
        offset=int(got.rows.offset[row]),
        cluster=CLUSTER_NAMES.get(int(got.rows.cluster[row]), "unknown"),
        stream=int(got.rows.stream[row]),
        sequence=int(got.rows.sequence[row]),
        time_ns=int(got.rows.time_ns[row]),
    )


def _detail(scene: Scene, kind: str, overtaker: int | None) -> str:
    if kind != "disordered" or overtaker is None:
        return DETAILS[kind]
    return DETAILS[kind].format(overtaker=int(scene.produced.universe.sequence_of(np.array([overtaker]))[0]))


def _seen_by(scene: Scene, got: Delivered | None, ids: Int64) -> dict[int, list[str]]:
    """Return by record the ledgers that know it, those of its producers first, then the group's by time."""
    if not len(ids):
        return {}
    wanted = np.zeros(scene.produced.universe.size, np.bool_)
    wanted[ids] = True
    seen: dict[int, dict[str, None]] = {}
    for record, instance in _hits(wanted, scene.produced.row_ids, scene.produced.row_instance, None):
        seen.setdefault(record, {})[scene.labels[instance]] = None
    if got is not None:
        for record, instance in _hits(wanted, got.ids, got.instance, got.is_known):
            seen.setdefault(record, {})[scene.labels[instance]] = None
    return {record: list(labels) for record, labels in seen.items()}


def _hits(wanted: Mask, ids: Int64, instance: Array, known: Mask | None) -> Iterable[tuple[int, int]]:
    rows = np.flatnonzero(wanted[ids] if known is None else wanted[ids] & known)
    return zip(ids[rows].tolist(), instance[rows].tolist(), strict=True)


def cause_masks(got: Delivered) -> dict[str, Mask]:
    """Return where a delivery is a duplicate, by cause."""
    return {name: got.cause == number for number, name in enumerate(CAUSES)}
