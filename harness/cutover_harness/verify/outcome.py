"""What the results of partitions and groups prove. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cutover_harness import words
from cutover_harness.verify.model import Count, GroupOffset, Outcome, Partition, Place
from cutover_harness.verify.tally import FIRST
from cutover_harness.verify.tally import Count as Counted


def counted(counts: Iterable[Counted]) -> Count:
    """Return the counts of a partition's pieces as one."""
    its = list(counts)
    first = [Place(source=p.source, target=p.target, key=p.key) for each in its for p in each.first]
    return Count(count=sum(each.count for each in its), first=tuple(first[:FIRST]))


def of_records(
    partitions: Sequence[Partition], *, sample: bool, absent: Iterable[str] = ()
) -> tuple[Outcome, list[str]]:
    """Return the outcome of the comparison, and its reasons. absent: topics of the batch that the source lacks."""
    differences = [f"{its.name}: {_differences(its)}" for its in partitions if its.different]
    if differences:
        return "different", differences
    open_points = [f"{its.name}: {why}" for its in partitions for why in _unproved(its)]
    open_points += [f"{name}: the source has no such topic, or does not show it to this user" for name in absent]
    if sample:
        compared, total = sum(p.offsets for p in partitions), sum(p.source_end - p.source_begin for p in partitions)
        open_points.insert(0, f"a sample: {compared:,} of {total:,} source offsets were compared")
    if not sum(its.compared for its in partitions):
        open_points.append("no record was compared: the source's logs have none")
    return ("unproved", open_points) if open_points else ("equal", [])


def of_all(
    partitions: Sequence[Partition], groups: Sequence[GroupOffset], *, sample: bool, absent: Iterable[str] = ()
) -> tuple[Outcome, tuple[str, ...]]:
    """Return the outcome of everything, and its reasons: differences alone if there are any."""
    records, reasons = of_records(partitions, sample=sample, absent=absent)
    wrong = [_group(its) for its in groups if its.different]
    if records == "different" or wrong:
        return "different", (*(reasons if records == "different" else ()), *wrong)
    unproved = [*reasons, *(_group(its) for its in groups if not its.proved)]
    return ("unproved", tuple(unproved)) if unproved else ("equal", ())


def _differences(its: Partition) -> str:
    parts = [
        f"{kind.count:,} {name}{_shown(kind)}"
        for name, kind in (
            ("missing", its.missing),
            ("extra", its.extra),
            ("reordered", its.reordered),
            ("altered", its.altered),
            ("twice", its.twice),
        )
        if kind.count
    ]
    if its.missing_at_end:
        parts.append(
            f"{its.missing_at_end:,} of the missing ones are the source's last: the mirror may not have copied them yet"
        )
    return "; ".join(parts)


def _shown(kind: Count, most: int = 3) -> str:
    places = []
    for each in kind.first[:most]:
        sides = [
            f"{name} {offset}"
            for name, offset in (("source", each.source), ("target", each.target))
            if offset is not None
        ]
        places.append("/".join(sides))
    if not places:
        return ""
    return f" ({', '.join(places)}{', …' if kind.count > len(places) else ''})"


def _unproved(its: Partition) -> Iterable[str]:
    yield from its.notes
    if its.removed_source:
        offsets = words.counted(its.removed_source, "target offset")
        yield f"retention has removed the source records of {offsets}: not compared"
    if its.removed_target:
        yield f"retention has removed the copies of {words.counted(its.removed_target, 'source record')}: not compared"
    if its.after:
        after = words.counted(its.after, "target record")
        yield (
            f"{after} after the last mirrored record: written there by applications, or extra; the run's folder shows "
            "which (--until-ends)"
        )


def _group(its: GroupOffset) -> str:
    where = "" if its.topic is None else f" in {its.topic}-{its.partition}"
    return f"group {its.group}{where}: {its.reason}"
