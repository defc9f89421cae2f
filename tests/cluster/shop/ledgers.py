"""Ledgers of the shop's clients, and what they prove. Pure but for reading the files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path


@dataclass(frozen=True)
class Line:
    """One record that was acknowledged or delivered. stream: topic and key."""

    at_ns: int
    stream: str
    number: int


@dataclass(frozen=True)
class Ledger:
    """The lines of one or several clients in the order of their times."""

    lines: tuple[Line, ...]

    @classmethod
    def of(cls, files: Iterable[Path]) -> Ledger:
        """Read ledgers; a last line that is being written is left out."""
        found = []
        for file in files:
            for line in file.read_text().splitlines(keepends=True):
                if line.endswith("\n"):
                    at, topic, key, number = line.split()
                    found.append(Line(int(at), f"{topic}/{key}", int(number)))
        return cls(tuple(sorted(found, key=lambda line: line.at_ns)))

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def streams(self) -> Mapping[str, list[int]]:
        """The numbers of each stream, in their order."""
        found: dict[str, list[int]] = {}
        for line in self.lines:
            found.setdefault(line.stream, []).append(line.number)
        return found

    def longest_gap_s(self, from_ns: int, to_ns: int) -> float:
        """Return the longest time between two lines that overlaps the interval; 0 without two lines."""
        gaps = [b.at_ns - a.at_ns for a, b in pairwise(self.lines) if a.at_ns < to_ns and b.at_ns > from_ns]
        return max(gaps, default=0) / 1e9


@dataclass(frozen=True)
class Difference:
    """What a group got against what was acknowledged: `STREAM NUMBER` of each record that is not as it should be."""

    lost: tuple[str, ...] = ()
    re_read: tuple[str, ...] = ()
    reordered: tuple[str, ...] = ()


def difference(read: Ledger, acked: Ledger) -> Difference:
    """Compare what a group has read with what was acknowledged. A record that is read again is not reordered."""
    lost, again, reordered = [], [], []
    for stream, sent in acked.streams.items():
        got = read.streams.get(stream, [])
        lost += [f"{stream} {number}" for number in sorted(set(sent) - set(got))]
        again += [f"{stream} {number}" for number, count in Counter(got).items() if count > 1]
        first = list(dict.fromkeys(got))
        reordered += [f"{stream} {b}" for a, b in pairwise(first) if b < a]
    return Difference(tuple(lost), tuple(again), tuple(reordered))
