"""Sets of sequence numbers as spans: the acknowledged or delivered records of a stream are nearly always one span."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator


class Spans:
    """A set of whole numbers as sorted, disjoint half-open spans; `flat` is [start, end, start, end, …]."""

    __slots__ = ("flat",)

    def __init__(self, flat: Iterable[int] = ()) -> None:
        self.flat = list(flat)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self.flat[::2], self.flat[1::2], strict=True))

    def __len__(self) -> int:
        return sum(self.flat[1::2]) - sum(self.flat[::2])

    def __contains__(self, number: int) -> bool:
        return bisect_right(self.flat, number) % 2 == 1

    @property
    def last(self) -> int:
        """The largest member, -1 if there is none."""
        return self.flat[-1] - 1 if self.flat else -1

    def add(self, number: int) -> bool:
        """Add `number`; return False if it is already a member. Fast at the end, where most numbers are added."""
        flat = self.flat
        if flat and number == flat[-1]:
            flat[-1] = number + 1
            return True
        at = bisect_right(flat, number)
        if at % 2:
            return False
        after = at < len(flat) and flat[at] == number + 1
        before = at > 0 and flat[at - 1] == number
        if before and after:
            del flat[at - 1 : at + 1]
        elif before:
            flat[at - 1] = number + 1
        elif after:
            flat[at] = number
        else:
            flat[at:at] = [number, number + 1]
        return True

    def union(self, other: Spans) -> Spans:
        """Return the union."""
        flat: list[int] = []
        for start, end in sorted([*self, *other]):
            if flat and start <= flat[-1]:
                flat[-1] = max(flat[-1], end)
            else:
                flat += [start, end]
        return Spans(flat)

    def minus(self, other: Spans) -> Spans:
        """Return the members that are not in `other`."""
        flat: list[int] = []
        for start, end in self:
            at = start
            for low, high in other:
                if high <= at:
                    continue
                if low >= end:
                    break
                if low > at:
                    flat += [at, low]
                at = high
            if at < end:
                flat += [at, end]
        return Spans(flat)
