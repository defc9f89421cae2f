"""The first records that violate a measure, described for a person who looks for them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from cutover_harness.judge.delivered import Delivered
from cutover_harness.judge.measures import BY_NAME, CAUSES
from cutover_harness.judge.model import Offender
from cutover_harness.judge.partial import MAX_OFFENDERS
from cutover_harness.judge.produced import Produced
from cutover_harness.judge.record_index import Places
from cutover_harness.ledger.columns import Array, Columns, Int64, Mask
from cutover_harness.ledger.format import ACKED, CLUSTER_NAMES


@dataclass(frozen=True)
class Scene:
    """The context to describe a record of a shard."""

    produced: Produced
    places: Places
    topics: tuple[str, ...]
    labels: list[str]


def of_deliveries(scene: Scene, group: str, got: Delivered, chosen: dict[str, Mask]) -> dict[str, list[Offender]]:
    """Describe the first ten of each kind's chosen deliveries; masks have shape (deliveries,)."""
    picked = {kind: pick(got.rows, mask) for kind, mask in chosen.items() if mask.any()}
    rows = np.unique(np.concatenate([*picked.values(), np.empty(0, np.int64)]))
    seen = _seen_by(scene, got, got.ids[rows[got.is_known[rows]]])
    overtaker = dict(zip(np.flatnonzero(got.is_reordered).tolist(), got.overtaker.tolist(), strict=True))
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
    wanted = np.zeros(produced.record_index.size, np.bool_)
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
            detail=BY_NAME[kind].detail,
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
    if kind != "reordered" or overtaker is None:
        return BY_NAME[kind].detail
    return BY_NAME[kind].detail.format(overtaker=int(scene.produced.record_index.sequence_of(np.array([overtaker]))[0]))


def _seen_by(scene: Scene, got: Delivered | None, ids: Int64) -> dict[int, list[str]]:
    """Return by record the ledgers that contain it, those of its producers first, then the group's by time."""
    if not len(ids):
        return {}
    wanted = np.zeros(scene.produced.record_index.size, np.bool_)
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
    """Return which deliveries are duplicates, by cause."""
    return {name: got.cause == number for number, name in enumerate(CAUSES)}
