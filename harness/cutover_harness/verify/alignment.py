"""Alignment of two sequences of digests that differ at their first elements. Pure functions."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

RUN = 16
"""Equal records in a row after which both logs count as aligned again."""
# Places of one digest that are tried: a log may repeat the same record thousands of times.
_PLACES = 8


class Region(NamedTuple):
    """The first `source` and `target` elements, which are aligned as far as they go; `pairs`: equal ones, in order."""

    source: int
    target: int
    pairs: list[tuple[int, int]]


def region(
    source: Sequence[bytes], target: Sequence[bytes], *, source_ended: bool, target_ended: bool, most: bool
) -> Region | None:
    """Return the region before the next equal run; None if none is known yet.

    The flags: whether a sequence ends with its log. `most`: no more elements will be given, so that the region may end
    at the last equal pair. Both logs ended: the region is everything.
    """
    places: dict[bytes, list[int]] = defaultdict(list)
    for number, digest in enumerate(source):
        its = places[digest]
        if len(its) < _PLACES:
            its.append(number)
    found = _run(source, target, places, ended=source_ended and target_ended)
    if found is not None:
        first, second = found
        return Region(first, second, in_order(source[:first], target[:second]))
    if source_ended and target_ended:
        return Region(len(source), len(target), in_order(source, target))
    if most and (pairs := in_order(source, target)):
        return Region(pairs[-1][0] + 1, pairs[-1][1] + 1, pairs)
    return None


def in_order(source: Sequence[bytes], target: Sequence[bytes]) -> list[tuple[int, int]]:
    """Return the longest list of equal pairs that is in order on both sides; the nth equal one is paired with the nth.

    The longest increasing subsequence, by patience sorting.
    """
    places: dict[bytes, list[int]] = defaultdict(list)
    for number, digest in enumerate(source):
        places[digest].append(number)
    used: dict[bytes, int] = defaultdict(int)
    pairs = []
    for number, digest in enumerate(target):
        its = places.get(digest)
        if its is not None and used[digest] < len(its):
            pairs.append((its[used[digest]], number))
            used[digest] += 1
    tops: list[int] = []
    top_pairs: list[int] = []
    before: list[int] = []
    for number, (place, _) in enumerate(pairs):
        pile = bisect_left(tops, place)
        before.append(top_pairs[pile - 1] if pile else -1)
        if pile == len(tops):
            tops.append(place)
            top_pairs.append(number)
        else:
            tops[pile], top_pairs[pile] = place, number
    chain = []
    at = top_pairs[-1] if top_pairs else -1
    while at >= 0:
        chain.append(pairs[at])
        at = before[at]
    return chain[::-1]


def _run(
    source: Sequence[bytes], target: Sequence[bytes], places: dict[bytes, list[int]], *, ended: bool
) -> tuple[int, int] | None:
    """Return where the nearest equal run begins; `ended`: a shorter one counts if it reaches both ends."""
    best: tuple[int, int] | None = None
    for second, digest in enumerate(target):
        if best is not None and second >= sum(best):
            break
        for first in places.get(digest, ()):
            if best is not None and first + second >= sum(best):
                break
            if source[first : first + RUN] != target[second : second + RUN]:
                continue
            whole = min(len(source) - first, len(target) - second) >= RUN
            if whole or ended:
                best = first, second
                break
    return best
