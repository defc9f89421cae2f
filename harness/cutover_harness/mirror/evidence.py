"""Conclusions from the comparison of both clusters' logs. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cutover_harness.admin import Partition
from cutover_harness.mirror.compare import Findings
from cutover_harness.mirror.overtaken import Gap
from cutover_harness.mirror.walker import Ends, Pair

Ranges = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Told:
    """What the comparison says in words: `broken` does not heal by waiting, `waits` may.

    `summary` is what was compared. `ends`: where the source's logs ended at that moment.
    """

    broken: Sequence[str]
    waits: Sequence[str]
    summary: str
    ends: Mapping[Partition, int]


def told(
    pairs: Mapping[Partition, Pair],
    absent: Mapping[Partition, Ends],
    *,
    stored: Mapping[Partition, int] | None = None,
    gaps: Iterable[Gap] = (),
) -> Told:
    """Judge what was compared. `stored`: the last source offsets that Connect has stored as mirrored.

    `gaps`: what retention removed before it was mirrored. It is reported elsewhere, and is neither missing nor there.
    """
    known = _ranges(gaps)
    broken: list[str] = []
    waits: list[str] = []
    for partition, pair in sorted(pairs.items()):
        its = known.get(partition, ())
        # What compaction removed is accounted for by a later record, so only at the end of the log.
        (waits if pair.comparison.compacted else broken).extend(_holes(partition, pair, its))
        broken += _late(partition, pair)
        if waiting := _waits(partition, pair, (stored or {}).get(partition, -1), its):
            waits.append(waiting)
    for (topic, number), ends in sorted(absent.items()):
        if ends.source_end > ends.source_start:
            waits.append(f"{topic}-{number} is not on the target yet")
    if not pairs and not absent:
        waits.append("the source has no topic of the batch, so nothing was compared")
    ends_now = {p: pair.ends.source_end for p, pair in pairs.items()} | {p: e.source_end for p, e in absent.items()}
    return Told(broken, waits, _summary([pair.comparison.findings for pair in pairs.values()], len(ends_now)), ends_now)


def missing(
    pairs: Mapping[Partition, Pair], upto: Mapping[Partition, int], gaps: Iterable[Gap] = ()
) -> dict[Partition, int]:
    """Count the records that are missing amid others, of source offsets up to `upto`, without the gaps."""
    known = _ranges(gaps)
    counts = {}
    for partition, pair in pairs.items():
        found = pair.comparison.findings
        last = upto.get(partition, -1)
        offsets = [offset for offset in _outside(found.missing, known.get(partition, ())) if offset <= last]
        if count := len(offsets) + found.missing_more:
            counts[partition] = count
    return counts


def not_compared(pairs: Mapping[Partition, Pair], mirrored: Mapping[Partition, int]) -> int:
    """Count source offsets up to the last mirrored ones that are not known to be on the target by comparison."""
    return sum(
        max(0, mirrored.get(partition, -1) + 1 - pair.next_source)
        for partition, pair in pairs.items()
        if not pair.complete or pair.comparison.waiting
    ) + sum(last + 1 for partition, last in mirrored.items() if partition not in pairs)


def _holes(partition: Partition, pair: Pair, gaps: Ranges) -> list[str]:
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


def _late(partition: Partition, pair: Pair) -> list[str]:
    found = pair.comparison.findings
    if not found.late:
        return []
    words = (
        f"{_name(partition)}: {_count(found.late, 'source record')} out of order on the target, behind later ones "
        f"({_offsets(found.late_first)})"
    )
    return [words]


def _waits(partition: Partition, pair: Pair, stored: int, gaps: Ranges) -> str | None:
    """Return why the partition is not at zero, None if it is, holes aside."""
    name, comparison, ends = _name(partition), pair.comparison, pair.ends
    found = comparison.findings
    gone = [
        each for each in found.removed if each.copies < each.end - each.start - _overlap(each.start, each.end, gaps)
    ]
    due = next((offset for offset in comparison.unmatched if not _covered(offset, offset + 1, gaps)), None)
    if pair.replaced is not None:
        return pair.replaced
    if pair.gone is not None:
        return f"{name} is not on the {pair.gone} any more"
    if due is not None:
        foreign = (
            f"; the target has {found.extra} records that the source does not have ({_offsets(found.extra_first)})"
        )
        return f"{name}: source record {due} not on the target" + (foreign if found.extra else "")
    if not pair.complete:
        return f"{name}: compared up to source offset {pair.source_at} of {ends.source_end}"
    if ends.stable < ends.source_end:
        return f"{name}: a transaction has been open on the source since offset {ends.stable}"
    if comparison.repeating:
        return f"{name}: the mirror repeats records and has not come back to source record {comparison.last_source}"
    if gone:
        return (
            f"{name}: source records {gone[0].start} to {gone[0].end - 1} were removed before they were compared, "
            f"and the target has {gone[0].copies} records in their place"
        )
    if found.cut:
        first, end = found.cut[0]
        return (
            f"{name}: source records {first} to {end - 1} cannot be compared: the target's log starts behind them now"
        )
    if comparison.ambiguous and stored < (comparison.last_source or 0):
        return f"{name}: records like the last one repeat, waits for Connect's offset"
    return None


def _summary(found: Sequence[Findings], partitions: int) -> str:
    words = f"{partitions} partitions, {sum(f.compared for f in found):,} records compared on both sides, 0 missing"
    for count, what in (
        (sum(f.twice for f in found), "mirrored twice"),
        (sum(f.superseded for f in found), "compacted away on the target"),
        (sum(f.extra for f in found), "only on the target"),
        (sum(e.end - e.start for f in found for e in f.removed), "removed from the source before they were compared"),
    ):
        if count:
            words += f", {count:,} {what}"
    return words


def _ranges(gaps: Iterable[Gap]) -> dict[Partition, list[tuple[int, int]]]:
    ranges: dict[Partition, list[tuple[int, int]]] = {}
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


def _name(partition: Partition) -> str:
    return f"{partition[0]}-{partition[1]}"
