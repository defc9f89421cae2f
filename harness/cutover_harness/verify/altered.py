"""Records that are the same one with something changed. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable

from cutover_harness.verify.rows import Entry

Trait = Callable[[Entry], Hashable | None]


def pair_altered(source: list[Entry], target: list[Entry], *, compacted: bool) -> list[tuple[Entry, Entry]]:
    """Take out the pairs of records between equal ones that have something in common, and return them.

    The same key and time; otherwise the same value; without times the same key. In a compacted topic only the first
    counts: two records of a key may stand at the same place because compaction has removed one on each side.
    """
    found: list[tuple[Entry, Entry]] = []
    for trait in (_key_and_time,) if compacted else (_key_and_time, _value, _key_without_time):
        if source and target:
            found += _pairs(source, target, trait)
    return sorted(found)


def _pairs(source: list[Entry], target: list[Entry], trait: Trait) -> list[tuple[Entry, Entry]]:
    there: dict[Hashable, deque[Entry]] = {}
    for other in target:
        its = trait(other)
        if its is not None:
            there.setdefault(its, deque()).append(other)
    pairs = []
    for one in source:
        its = trait(one)
        if its is not None and there.get(its):
            pairs.append((one, there[its].popleft()))
    if pairs:
        ours, theirs = {one.offset for one, _ in pairs}, {other.offset for _, other in pairs}
        source[:] = [each for each in source if each.offset not in ours]
        target[:] = [each for each in target if each.offset not in theirs]
    return pairs


def _key_and_time(each: Entry) -> Hashable | None:
    return None if each.time is None else (each.key, each.time)


def _value(each: Entry) -> Hashable | None:
    return each.value


def _key_without_time(each: Entry) -> Hashable | None:
    return each.key if each.time is None else None
