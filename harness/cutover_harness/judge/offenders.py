"""The first records that violate a measure, described for a person who looks for them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from cutover_harness.judge.delivered import Delivered
from cutover_harness.judge.measures import BY_NAME
from cutover_harness.judge.model import Offender
from cutover_harness.judge.partial import MAX_OFFENDERS
from cutover_harness.judge.produced import Produced
from cutover_harness.judge.rows import Rows
from cutover_harness.judge.runs import distinct, edges
from cutover_harness.ledger.columns import Columns, Int64
from cutover_harness.ledger.format import CLUSTER_NAMES


@dataclass(frozen=True)
class Scene:
    """The context to describe a record of a shard."""

    produced: Produced
    topics: tuple[str, ...]
    labels: list[str]


def of_deliveries(scene: Scene, group: str, got: Delivered, chosen: Mapping[str, Int64]) -> dict[str, list[Offender]]:
    """Describe the first ten of each kind's chosen deliveries."""
    picked = {kind: pick(got.rows, rows) for kind, rows in chosen.items() if len(rows)}
    rows = distinct(np.concatenate([*picked.values(), np.empty(0, np.int64)]))
    ids = _ids_of(scene, got.rows.take(rows))
    record = dict(zip(rows.tolist(), ids.tolist(), strict=True))
    seen = _seen_by(scene, got, distinct(ids[ids >= 0]))
    overtaker = dict(zip(got.reordered.tolist(), got.overtakers.tolist(), strict=True))
    found: dict[str, list[Offender]] = {}
    for kind, numbers in picked.items():
        labels = [scene.labels[number] for number in got.rows.instance(numbers).tolist()]
        found[kind] = [
            replace(
                each,
                kind=kind,
                group=group,
                seen_by=seen[record[row]] if record[row] >= 0 else [label],
                detail=_detail(scene, kind, overtaker.get(row)),
            )
            for each, row, label in zip(
                _described(scene, got.rows.take(numbers)), numbers.tolist(), labels, strict=True
            )
        ]
    return found


def of_records(
    scene: Scene, kind: str, group: str | None, ids: Int64, got: Delivered | None = None, *, latest: bool = False
) -> list[Offender]:
    """Describe the first (or the latest) ten of some acknowledged records by their acknowledgement."""
    produced = scene.produced
    wanted = np.zeros(produced.record_index.size, np.bool_)
    wanted[ids] = True
    rows = pick(produced.acks, produced.ack_runs.within(*edges(wanted)).rows(), latest=latest)
    acks = produced.acks.take(rows)
    records = _ids_of(scene, acks)
    seen = _seen_by(scene, got, distinct(records))
    return [
        replace(each, kind=kind, group=group, seen_by=seen[record], detail=BY_NAME[kind].detail)
        for each, record in zip(_described(scene, acks), records.tolist(), strict=True)
    ]


def pick(rows: Rows, chosen: Int64, *, latest: bool = False) -> Int64:
    """Return the first (or the latest) ten of the chosen rows by time, stream, sequence, offset and cluster."""
    if len(chosen) > MAX_OFFENDERS:
        times = rows.times(chosen)
        nth = len(chosen) - MAX_OFFENDERS if latest else MAX_OFFENDERS - 1
        limit = np.partition(times, nth)[nth]
        chosen = chosen[times >= limit if latest else times <= limit]
    of = rows.take(chosen)
    found = chosen[np.lexsort((of.cluster, of.offset, of.sequence, of.stream, of.time_ns))]
    return found[-MAX_OFFENDERS:] if latest else found[:MAX_OFFENDERS]


def _ids_of(scene: Scene, rows: Columns) -> Int64:
    """Return the ids of the known records that some rows are about, -1 for others."""
    produced = scene.produced
    index = produced.record_index.places(rows.stream)
    ids, known = produced.record_index.ids(index, rows.sequence)
    if produced.record_index.size:
        known &= produced.is_known[ids]
    return np.where(known, ids, -1)


def _described(scene: Scene, rows: Columns) -> list[Offender]:
    return [
        Offender(
            kind="",
            group=None,
            topic=scene.topics[rows.topic[row]],
            partition=int(rows.partition[row]),
            offset=int(rows.offset[row]),
            cluster=CLUSTER_NAMES.get(int(rows.cluster[row]), "unknown"),
            stream=int(rows.stream[row]),
            sequence=int(rows.sequence[row]),
            time_ns=int(rows.time_ns[row]),
        )
        for row in range(len(rows))
    ]


def _detail(scene: Scene, kind: str, overtaker: int | None) -> str:
    if kind != "reordered" or overtaker is None:
        return BY_NAME[kind].detail
    return BY_NAME[kind].detail.format(overtaker=int(scene.produced.record_index.sequence_of(np.array([overtaker]))[0]))


def _seen_by(scene: Scene, got: Delivered | None, ids: Int64) -> dict[int, list[str]]:
    """Return by record the ledgers that contain it, those of its producers first, then the group's by time."""
    seen: dict[int, dict[str, None]] = {record: {} for record in ids.tolist()}
    for record, instance in scene.produced.seen_by(ids):
        seen[record][scene.labels[instance]] = None
    if got is not None:
        its = got.runs.within(ids, ids + 1)
        for record, instance in zip(its.first.tolist(), got.rows.instance(its.row).tolist(), strict=True):
            seen[record][scene.labels[instance]] = None
    return {record: list(labels) for record, labels in seen.items()}
