"""Comparison of one compacted partition by keys, if its two logs differ too much to be compared in order.

Compaction removes records on each cluster at its own time. If it has removed many records in a row on one side only,
the target's next record is farther ahead in the source's log than `comparison` looks. Then only the last record of each
key counts: every earlier one may be gone. So this comparison accounts for each key by its last source record, up to a
pair of equal records, from which `comparison` continues in order.

The memory is bounded: the key space is divided into parts, and each part takes one pass over both logs. A part is
halved whenever it has more keys than are held at a time; its other half gets a pass of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from cutover_harness.mirror.comparison import AHEAD, REMEMBERED, WINDOW, Comparison, Entry, Findings

# Keys that are held at a time: about 330 bytes each.
MOST_KEYS = 250_000
_SPACE = 1 << 64
_PRINT_BITS = 64


class Phase(Enum):
    """What is read next, and what for."""

    ALIGN = "align"
    """The source, for the counterpart of the target's last records."""
    SOURCE = "source"
    """The source, for the last record of each key of the part."""
    TARGET = "target"
    """The target, for those records."""
    DONE = "done"
    """Nothing: the comparison is complete, or the logs cannot be aligned."""


@dataclass(slots=True)
class _Last:
    """The last source record of a key, and what the target has of the key."""

    entry: Entry
    # Bits of the fingerprints of all source records of the key: whether an earlier one may be equal to the last one.
    prints: int
    ambiguous: bool = False
    found: bool = False
    # The target has a record of the key that is no tombstone.
    alive: bool = False


class KeyComparison:
    """One comparison by keys. Read the log of `side` from `position` on and `feed` its records until it is `done`.

    `tail`: the target's last records. `source_begin`, `target_begin`: offsets at which the comparison begins;
    `target_log_start`: first offset of the target's log, because earlier records matter to tombstones. `source_end`:
    end offset of the source's log. `most_keys`: keys that are held at a time. `ahead`, `window`: see `Comparison`.
    """

    def __init__(
        self,
        tail: Sequence[Entry],
        *,
        source_begin: int,
        source_end: int,
        target_begin: int = 0,
        target_log_start: int = 0,
        most_keys: int = MOST_KEYS,
        ahead: int = AHEAD,
        window: int = WINDOW,
    ) -> None:
        self.phase = Phase.ALIGN
        self.position = source_begin
        self.source_begin = source_begin
        self.keys = 0
        self.passes = 0
        self._source_end = source_end
        self._target_begin = target_begin
        self._target_log_start = min(target_begin, target_log_start)
        self._most_keys = most_keys
        # Target offsets of the tail by fingerprint, the last source offset of each, and the source's last records.
        self._tail = {entry.print: entry.offset for entry in tail}
        self._counterparts: dict[int, int] = {}
        self._recent: deque[Entry] = deque(maxlen=window)
        self.pair: tuple[int, int] | None = None
        # The part of the key space, and its keys.
        self._low, self._high = 0, _SPACE
        self._last: dict[int, _Last] = {}
        # Keys of the target, for tombstones that come later; last source records that the target lacks.
        self._fresh = Comparison(compacted=True, ahead=ahead, window=window)
        self._open: list[Entry] = []
        self._open_more = 0
        self._unsure = -1

    @property
    def side(self) -> Literal["source", "target"]:
        """The log to read."""
        return "target" if self.phase == Phase.TARGET else "source"

    @property
    def done(self) -> bool:
        """Whether nothing is left to read."""
        return self.phase == Phase.DONE

    @property
    def share(self) -> float:
        """The part of the key space that is compared, from 0 to 1."""
        return self._low / _SPACE

    def feed(self, entries: Sequence[Entry], *, ended: bool) -> None:
        """Take the next records of the log; `ended`: there are no more."""
        end = self._end
        taken = [entry for entry in entries if entry.offset < end]
        {Phase.ALIGN: self._align, Phase.SOURCE: self._take_source, Phase.TARGET: self._take_target}[self.phase](taken)
        if taken:
            self.position = taken[-1].offset + 1
        if ended or len(taken) < len(entries) or self.position >= end:
            self._next_phase()

    def result(self, before: Findings, *, compared: int, source_start: int) -> Comparison | None:
        """Return the comparison that continues in order behind the pair; None if the logs could not be aligned.

        `before`: findings of the comparison that could not continue. It had accounted for the source records before
        offset `compared`. `source_start`: where the source's log starts now.
        """
        if self.pair is None:
            return None
        upto = self.pair[0]
        fresh, found = self._fresh, self._fresh.findings
        fresh.begin_behind([entry for entry in self._recent if entry.offset <= upto], upto)
        for entry in sorted(self._open):
            fresh.owe(entry)
        found.missing_more += self._open_more
        found.keys, found.unsure = self.keys, self._unsure
        found.late, found.late_first = before.late, before.late_first
        found.twice, found.removed, found.cut = before.twice, before.removed, before.cut
        known = max(self.source_begin, compared)
        if source_start > known:
            fresh.source_removed(known, source_start)
        return fresh

    @property
    def _end(self) -> int:
        if self.pair is None:
            return self._source_end
        return self.pair[0] + 1 if self.phase == Phase.SOURCE else self.pair[1] + 1

    def _align(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._recent.append(entry)
            if entry.print in self._tail:
                self._counterparts[entry.print] = entry.offset

    def _take_source(self, entries: Iterable[Entry]) -> None:
        last, low, high = self._last, self._low, self._high
        for entry in entries:
            if not low <= entry.key % _SPACE < high:
                continue
            known = last.get(entry.key)
            if known is None:
                last[entry.key] = _Last(entry, 1 << entry.print % _PRINT_BITS)
                if len(last) > self._most_keys:
                    high = self._halve()
                    last = self._last
            else:
                bit = 1 << entry.print % _PRINT_BITS
                known.ambiguous = bool(known.prints & bit)
                known.prints |= bit
                known.entry = entry
        self._high = high

    def _halve(self) -> int:
        """Leave the upper half of the part to a pass of its own."""
        while len(self._last) > self._most_keys:
            high = (self._low + self._high) // 2
            self._last = {key: each for key, each in self._last.items() if key % _SPACE < high}
            self._high = high
        return self._high

    def _take_target(self, entries: Sequence[Entry]) -> None:
        if self._low == 0:
            self._fresh.note_before(entries)
        for entry in entries:
            known = self._last.get(entry.key)
            if known is None:
                continue
            known.alive = known.alive or not entry.dead
            if entry.offset >= self._target_begin and entry.print == known.entry.print:
                known.found = True

    def _next_phase(self) -> None:
        if self.phase == Phase.ALIGN:
            for fingerprint, target_offset in self._tail.items():
                if fingerprint in self._counterparts and (self.pair is None or target_offset > self.pair[1]):
                    self.pair = self._counterparts[fingerprint], target_offset
            self.phase = Phase.DONE if self.pair is None else Phase.SOURCE
            self.position = self.source_begin
        elif self.phase == Phase.SOURCE:
            self.phase, self.position = Phase.TARGET, self._target_log_start
        else:
            self._resolve()
            self.passes += 1
            self._low, self._high = self._high, _SPACE
            self.phase, self.position = Phase.SOURCE if self._low < _SPACE else Phase.DONE, self.source_begin

    def _resolve(self) -> None:
        """Account for the keys of the part."""
        for known in self._last.values():
            self.keys += 1
            if known.found:
                if known.ambiguous:
                    self._unsure = max(self._unsure, known.entry.offset)
            elif known.entry.dead and not known.alive:
                continue  # neither cluster has anything of the key
            elif len(self._open) < REMEMBERED:
                self._open.append(known.entry)
            else:
                self._open_more += 1
        self._last = {}
