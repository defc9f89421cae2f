"""Where comparisons begin and end: whole partitions, or the segments of a sample. Pure functions."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cutover_harness.types import PartitionId
from cutover_harness.verify.clusters import Logs, Pair
from cutover_harness.verify.piece import Piece

SEGMENT = 10_000
"""Source offsets of a segment at most."""
_LEAST_SEGMENT = 500
# Source records before a segment that show its place on the target.
_CONTEXT = 100
# Target offsets behind the expected end of a segment: records may be there twice.
_SLACK = 50_000


@dataclass(frozen=True)
class Sample:
    """Part of the offsets that is compared, from 0 to 1, and the seed that chooses them."""

    share: float
    seed: int


def whole(number: int, partition: PartitionId, logs: Logs, pairs: Sequence[Pair], native_from: int | None) -> Piece:
    """Return the whole partition, from the first mirrored record on."""
    source_begin, target_begin, exact = _begin(logs, pairs)
    return Piece(
        number,
        partition,
        source_begin,
        min(logs.source_end, logs.stable),
        target_begin,
        logs.target_end or 0,
        log_begin=source_begin,
        compacted=logs.compacted,
        stamped=logs.stamped,
        cut_source=not exact and source_begin > 0,
        cut_target=not exact and target_begin > 0,
        native_from=native_from,
    )


def grown(pieces: Sequence[Piece], logs: Mapping[PartitionId, Logs]) -> list[PartitionId]:
    """Return the partitions of which the source has records behind the pieces, which were cut earlier."""
    ends: dict[PartitionId, int] = {}
    for each in pieces:
        ends[each.partition] = max(each.source_end, ends.get(each.partition, 0))
    return [at for at, its in logs.items() if min(its.source_end, its.stable) > ends.get(at, 0)]


def segments(
    number: int,
    partition: PartitionId,
    logs: Logs,
    pairs: Sequence[Pair],
    native_from: int | None,
    sample: Sample,
) -> list[Piece]:
    """Return the pieces of a sample, at least one; a compacted partition is compared whole.

    There a later record of the key explains why one is gone, which a segment need not contain.
    """
    all_of_it = whole(number, partition, logs, pairs, native_from)
    count = all_of_it.source_end - all_of_it.source_begin
    length = max(_LEAST_SEGMENT, min(SEGMENT, int(count * sample.share)))
    if logs.compacted or logs.target_end is None or length >= count:
        return [all_of_it]
    dice = random.Random(f"{sample.seed}/{partition[0]}/{partition[1]}")  # noqa: S311 - repeatable
    places = range(-(-count // length))
    wanted = max(1, round(sample.share * len(places)))
    chosen = sorted(dice.sample(places, min(wanted, len(places))))
    return [
        _segment(number + n, all_of_it, pairs, all_of_it.source_begin + place * length, length)
        for n, place in enumerate(chosen)
    ]


def _segment(number: int, of: Piece, pairs: Sequence[Pair], begin: int, length: int) -> Piece:
    first = begin == of.source_begin
    end = min(of.source_end, begin + length)
    source_begin = max(of.source_begin, begin - _CONTEXT)
    before = max((down for up, down in pairs if up <= source_begin), default=of.target_begin)
    behind = min((down for up, down in pairs if up >= end), default=None)
    target_begin = max(of.target_begin, before)
    if first:
        target_begin = of.target_begin
    target_end = of.target_end if behind is None else min(of.target_end, behind + _SLACK)
    return Piece(
        number,
        of.partition,
        source_begin,
        end,
        target_begin,
        target_end,
        log_begin=source_begin,
        compare_from=0 if first else begin,
        stamped=of.stamped,
        cut_source=of.cut_source if first else True,
        cut_target=of.cut_target if first else False,
        segment=end < of.source_end,
        native_from=of.native_from,
    )


def _begin(logs: Logs, pairs: Sequence[Pair]) -> tuple[int, int, bool]:
    """Return the first offset of both logs to compare, and whether these two are known to be the same record."""
    start, target_start = logs.source_start, logs.target_start or 0
    there = [
        (down, up)
        for up, down in pairs
        if start <= up < logs.source_end and target_start <= down < (logs.target_end or 0)
    ]
    first = min(there, default=None)
    if first is not None and first[0] == target_start and first[1] > start:
        return first[1], first[0], True
    if start > 0:
        earlier = [down for up, down in pairs if up <= start]
        target_start = max([target_start, *(down for down in earlier if down < (logs.target_end or 0))])
    return start, target_start, False


def of_batch(
    logs: Mapping[PartitionId, Logs],
    pairs: Mapping[PartitionId, Sequence[Pair]],
    natives: Mapping[PartitionId, int],
    sample: Sample | None,
) -> list[Piece]:
    """Return the pieces of all partitions, numbered from 0."""
    found: list[Piece] = []
    for partition, its in sorted(logs.items()):
        known, native_from = pairs.get(partition, ()), natives.get(partition)
        if sample is None:
            found.append(whole(len(found), partition, its, known, native_from))
        else:
            found += segments(len(found), partition, its, known, native_from, sample)
    return found
