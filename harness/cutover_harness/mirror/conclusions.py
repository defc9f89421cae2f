"""Conclusions from the comparison of both clusters' logs. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cutover_harness.mirror.comparison import Findings, Removed
from cutover_harness.mirror.gaps import Gap
from cutover_harness.mirror.partition_logs import LogEnds, PartitionLogs
from cutover_harness.types import PartitionId
from cutover_harness.words import counted

_BY_KEY = (
    "compaction has removed too many different records on the two clusters to compare them in order, so the last "
    "record of each key is compared; wait until it is complete"
)
_UNALIGNED = (
    "compaction has removed too many different records on the two clusters to compare them in order, and none of the "
    "target's last records is on the source, so their keys cannot be compared either; this is repeated as the mirror "
    "copies: if it copies nothing, another writer has written to the target, or the topic was recreated"
)

Ranges = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Conclusions:
    """Conclusions in words: `broken` does not heal by waiting, `waits` may.

    `summary`: what was compared. `ends`: end offsets of the source's logs at that moment.
    """

    broken: Sequence[str]
    waits: Sequence[str]
    summary: str
    ends: Mapping[PartitionId, int]


def conclude(
    pairs: Mapping[PartitionId, PartitionLogs],
    absent: Mapping[PartitionId, LogEnds],
    *,
    stored: Mapping[PartitionId, int] | None = None,
    gaps: Iterable[Gap] = (),
) -> Conclusions:
    """Judge what was compared. `stored`: the last source offsets that Connect has stored as mirrored.

    `gaps`: what retention removed before it was mirrored. The gate of mirror integrity reports gaps; here they do not
    count as missing.
    """
    known = _ranges(gaps)
    broken: list[str] = []
    waits: list[str] = []
    for partition, pair in sorted(pairs.items()):
        its = known.get(partition, ())
        # In a compacted topic a later record of the key may still account for a missing one.
        (waits if pair.comparison.compacted else broken).extend(_holes(partition, pair, its))
        broken += _late(partition, pair)
        its_stored = (stored or {}).get(partition, -1)
        broken += _unprovable(partition, pair, its_stored, its)
        if waiting := _waits(partition, pair, its_stored, its):
            waits.append(waiting)
    for (topic, number), ends in sorted(absent.items()):
        if ends.source_end > ends.source_start:
            waits.append(f"{topic}-{number} is not on the target yet")
    if not pairs and not absent:
        waits.append("the source has no topic of the batch, so nothing was compared")
    ends_now = {p: pair.ends.source_end for p, pair in pairs.items()} | {p: e.source_end for p, e in absent.items()}
    return Conclusions(
        broken, waits, _summary([pair.comparison.findings for pair in pairs.values()], len(ends_now)), ends_now
    )


def missing(
    pairs: Mapping[PartitionId, PartitionLogs], upto: Mapping[PartitionId, int], gaps: Iterable[Gap] = ()
) -> dict[PartitionId, int]:
    """Count the missing records before others that are there, up to source offsets `upto`, without the gaps."""
    known = _ranges(gaps)
    counts = {}
    for partition, pair in pairs.items():
        found = pair.comparison.findings
        last = upto.get(partition, -1)
        offsets = [offset for offset in _outside(found.missing, known.get(partition, ())) if offset <= last]
        if count := len(offsets) + found.missing_more:
            counts[partition] = count
    return counts


def not_compared(pairs: Mapping[PartitionId, PartitionLogs], mirrored: Mapping[PartitionId, int]) -> int:
    """Count source offsets up to the last mirrored ones that were not found on the target by comparison yet."""
    return sum(
        max(0, mirrored.get(partition, -1) + 1 - pair.next_source)
        for partition, pair in pairs.items()
        if not pair.complete or pair.comparison.waiting
    ) + sum(last + 1 for partition, last in mirrored.items() if partition not in pairs)


def _holes(partition: PartitionId, pair: PartitionLogs, gaps: Ranges) -> list[str]:
    comparison = pair.comparison
    found = comparison.findings
    if comparison.compacted and not pair.complete:
        return []
    offsets = _outside(found.missing, gaps)
    if count := len(offsets) + found.missing_more:
        words = (
            f"{_name(partition)}: {_count(count, 'source record')} missing on the target amid others that are there "
            f"({_offsets(offsets)})"
        )
        return [words]
    return []


def _late(partition: PartitionId, pair: PartitionLogs) -> list[str]:
    found = pair.comparison.findings
    if not found.late:
        return []
    words = (
        f"{_name(partition)}: {_count(found.late, 'source record')} out of order on the target, behind later ones "
        f"({_offsets(found.late_first)})"
    )
    return [words]


def _unprovable(partition: PartitionId, pair: PartitionLogs, stored: int, gaps: Ranges) -> list[str]:
    """Return which records the source removed unseen, although the mirror, which copies in order, is past them.

    In a compacted topic a later record of the key may still account for them.
    """
    if pair.comparison.compacted:
        return []
    return [
        f"{_name(partition)}: source records {gone.start} to {gone.end - 1} were removed before they were compared, "
        f"and the mirror has continued behind them with {counted(gone.copies, 'record')} in their place on the target, "
        "so nothing can prove any more that the target has them all"
        for gone in _unexplained(pair, gaps)
        if _is_past(pair, stored, gone.end)
    ]


def _unexplained(pair: PartitionLogs, gaps: Ranges) -> Iterator[Removed]:
    for gone in pair.comparison.findings.removed:
        if gone.copies < gone.end - gone.start - _overlap(gone.start, gone.end, gaps):
            yield gone


def _is_past(pair: PartitionLogs, stored: int, end: int) -> bool:
    """Whether the mirror has copied what follows source offset `end`, or everything before it if nothing follows."""
    last = pair.comparison.last_source
    if last is not None and last >= end:
        return True
    return pair.complete and end - 1 <= stored < pair.ends.source_end


def _waits(partition: PartitionId, pair: PartitionLogs, stored: int, gaps: Ranges) -> str | None:
    """Return why the partition is not at zero, None if it is, holes aside."""
    if pair.replaced is not None:
        return pair.replaced
    words = _not_there(pair, gaps) or _not_proved(pair, stored, gaps)
    return None if words is None else f"{_name(partition)}{words}"


def _not_there(pair: PartitionLogs, gaps: Ranges) -> str | None:
    """Return what is not on the target or was not compared yet."""
    comparison, found = pair.comparison, pair.comparison.findings
    if pair.gone is not None:
        return f" is not on the {pair.gone} any more"
    if pair.by_key is not None:
        passes = counted(pair.by_key.passes, "pass", "passes")
        return f": {_BY_KEY}; {pair.by_key.share:.0%} of the keys compared in {passes}"
    if comparison.overrun:
        return f": {_UNALIGNED if pair.unaligned else _BY_KEY}"
    due = next((offset for offset in comparison.unmatched if not _covered(offset, offset + 1, gaps)), None)
    if due is not None:
        extra = counted(found.extra, "record")
        foreign = f"; the target has {extra} that the source does not have ({_offsets(found.extra_first)})"
        return f": source record {due} not on the target" + (foreign if found.extra else "")
    if not pair.complete:
        return f": compared up to source offset {pair.source_at} of {pair.ends.source_end}"
    return None


def _not_proved(pair: PartitionLogs, stored: int, gaps: Ranges) -> str | None:
    """Return why logs that were compared to their ends are no proof."""
    comparison, ends, found = pair.comparison, pair.ends, pair.comparison.findings
    if ends.stable < ends.source_end:
        return f": a transaction has been open on the source since offset {ends.stable}"
    if comparison.repeating:
        return f": the mirror repeats records and has not come back to source record {comparison.last_source}"
    for gone in _unexplained(pair, gaps):
        return (
            f": source records {gone.start} to {gone.end - 1} were removed before they were compared, "
            f"and the target has {counted(gone.copies, 'record')} in their place"
        )
    for first, end in found.cut[:1]:
        return f": source records {first} to {end - 1} cannot be compared: the target's log starts behind them now"
    if found.unsure > stored:
        return f": records that may repeat an earlier one of their key wait for Connect's offset {found.unsure}"
    if comparison.ambiguous and stored < (comparison.last_source or 0):
        return ": records like the last one repeat, waits for Connect's offset"
    return None


def _summary(found: Sequence[Findings], partitions: int) -> str:
    compared = counted(sum(f.compared for f in found), "record")
    words = f"{counted(partitions, 'partition')}, {compared} compared on both sides, 0 missing"
    for count, what in (
        (sum(f.twice for f in found), "mirrored twice"),
        (sum(f.keys for f in found), "keys compared by their last record"),
        (sum(f.superseded for f in found), "compacted away on the target"),
        (sum(f.extra for f in found), "only on the target"),
        (sum(e.end - e.start for f in found for e in f.removed), "removed from the source before they were compared"),
    ):
        if count:
            words += f", {count:,} {what}"
    return words


def _ranges(gaps: Iterable[Gap]) -> dict[PartitionId, list[tuple[int, int]]]:
    ranges: dict[PartitionId, list[tuple[int, int]]] = {}
    for gap in gaps:
        ranges.setdefault((gap.topic, gap.partition), []).append((gap.start, gap.end))
    return ranges


def _outside(offsets: Iterable[int], ranges: Ranges) -> list[int]:
    return [offset for offset in offsets if not _covered(offset, offset + 1, ranges)]


def _covered(start: int, end: int, ranges: Ranges) -> bool:
    return any(first <= start and end <= last for first, last in ranges)


def _overlap(start: int, end: int, ranges: Ranges) -> int:
    return sum(max(0, min(end, last) - max(start, first)) for first, last in ranges)


def _count(count: int, what: str) -> str:
    return f"1 {what} is" if count == 1 else f"{count:,} {what}s are"


def _offsets(offsets: Sequence[int], most: int = 3) -> str:
    return f"offset {', '.join(map(str, offsets[:most]))}" + (", …" if len(offsets) > most else "")


def _name(partition: PartitionId) -> str:
    return f"{partition[0]}-{partition[1]}"
