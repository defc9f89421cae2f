"""Comparison of one partition's two logs, record by record, from the first record to the last. Pure.

A log is what a read_committed reader sees: offsets that only grow, with a fingerprint that is equal for the same record
on both clusters. A source record is accounted for by one target record of its own, so that no number of equal records,
repeated records or records of other writers can replace one that is missing.

MirrorMaker 2 writes a partition in order. After a restart its task repeats some records (`twice`) and continues. So a
record that is absent although a later one is there is `missing`: it cannot come in order any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

# Source records that are read ahead of the first one that is not on the target, to find the target's next record.
AHEAD = 10_000
# Compared records among which a repeated one is recognised.
WINDOW = 100_000
# Missing records that are remembered one by one, so that they are recognised if they come late.
REMEMBERED = 20_000
# Target records of other writers whose offsets are remembered, the last ones.
FOREIGN = 1_000
_KEY_BITS = 1 << 24


class Entry(NamedTuple):
    """A record: its offset, fingerprints of the whole record and of its key, and whether its value is null."""

    offset: int
    print: int
    key: int = 0
    dead: bool = False


@dataclass
class Removed:
    """Source offsets from `start` to before `end` that were removed before they were read.

    `copies`: target records in their place that the source does not have, which are taken for their copies.
    """

    start: int
    end: int
    copies: int = 0

    @property
    def explained(self) -> bool:
        """Whether the target has a record for each offset."""
        return self.copies >= self.end - self.start


@dataclass
class Findings:
    """Counts of one partition so far; lists hold offsets: of the source, and of the target for `extra`."""

    compared: int = 0
    twice: int = 0
    superseded: int = 0
    # Offsets with their fingerprints, the first ones; `missing_more` counts the rest.
    missing: dict[int, int] = field(default_factory=dict)
    missing_more: int = 0
    late: int = 0
    late_first: list[int] = field(default_factory=list)
    extra: int = 0
    extra_first: list[int] = field(default_factory=list)
    extra_last: deque[int] = field(default_factory=lambda: deque(maxlen=FOREIGN))
    # Source records that may be among those that the target's log had lost before they were read: start, end.
    cut: list[tuple[int, int]] = field(default_factory=list)
    removed: list[Removed] = field(default_factory=list)
    # By a comparison by keys: how many, and the last source offset at which an equal record of the key may be meant.
    keys: int = 0
    unsure: int = -1


class Comparison:
    """The comparison of one partition from the given positions on.

    Read the target before the source, feed the next records of each log, and call `advance`. With `compacted` a record
    may be absent on either side if a later one of its key is there. `target_cut`: the target's log has lost its
    beginning.
    """

    def __init__(
        self, *, compacted: bool = False, target_cut: bool = False, ahead: int = AHEAD, window: int = WINDOW
    ) -> None:
        self.findings = Findings()
        self.compacted = compacted
        self._excused = target_cut
        self._cutting = False
        self._limit = ahead
        self._window = window
        self._source: deque[Entry] = deque()
        self._target: deque[Entry] = deque()
        # Fingerprints: of `_source`, counted; of compared records, with their place in the source's order.
        self._ahead: dict[int, int] = {}
        self._seen: dict[int, int] = {}
        self._places = 0
        # Place of the last record that the mirror wrote, and whether an equal record came before the last compared one.
        self._at = -1
        self._ambiguous = False
        self._last: int | None = None
        # Whether a target record was taken for unknown although the source has more than was read ahead.
        self._overran = False
        # Missing records: by fingerprint with offsets and places, and by key for compacted topics.
        self._missing: dict[int, list[tuple[int, int]]] = {}
        self._owed: dict[int, list[Entry]] = {}
        self._keys = bytearray(_KEY_BITS // 8) if compacted else bytearray()

    @property
    def ahead(self) -> int:
        """Source records that are read ahead at most."""
        return self._limit

    @property
    def window(self) -> int:
        """Compared records among which a repeated one is recognised."""
        return self._window

    @property
    def wants_target(self) -> bool:
        """Whether everything that was fed of the target is compared."""
        return not self._target

    @property
    def wants_source(self) -> bool:
        """Whether the next target record needs more of the source, unless the source has ended."""
        return bool(self._target) and len(self._source) < self._limit

    @property
    def waiting(self) -> int:
        """Source records that were read and are not on the target yet, unless `missing`."""
        return len(self._source)

    @property
    def next_source(self) -> int | None:
        """The offset of the first source record that was read and is not on the target yet."""
        return self._source[0].offset if self._source else None

    @property
    def unmatched(self) -> Iterable[int]:
        """The offsets of the source records that were read and are not on the target yet."""
        return (entry.offset for entry in self._source)

    @property
    def last_source(self) -> int | None:
        """The offset of the last source record that was found on the target."""
        return self._last

    @property
    def repeating(self) -> bool:
        """Whether the mirror repeats records and has not reached its last record again."""
        return self._at < self._places - 1

    @property
    def ambiguous(self) -> bool:
        """Whether the last record found could be the copy of an equal one before it."""
        return self._ambiguous

    @property
    def overrun(self) -> bool:
        """Whether compaction has removed too many different records on the two sides to compare them in order."""
        found = self.findings
        stuck = self._overran and (len(self._source) >= self._limit or bool(found.missing))
        return self.compacted and (stuck or found.missing_more > 0)

    def feed_source(self, entries: Iterable[Entry]) -> None:
        """Append the next records of the source's log."""
        for entry in entries:
            self._source.append(entry)
            self._ahead[entry.print] = self._ahead.get(entry.print, 0) + 1

    def feed_target(self, entries: Iterable[Entry]) -> None:
        """Append the next records of the target's log."""
        self._target.extend(entries)

    def note_before(self, entries: Iterable[Entry]) -> None:
        """Note the keys of target records before those that are compared: a tombstone may delete one of them."""
        for entry in entries:
            self._note_key(entry)

    def begin_behind(self, recent: Iterable[Entry], last: int) -> None:
        """Begin behind source offset `last`, which is on the target; `recent`: the source records up to there."""
        for entry in recent:
            self._remember(entry.print)
        self._last = last

    def owe(self, entry: Entry) -> None:
        """Note a source record, before those that are compared, that is missing unless a later one of its key comes."""
        self._miss(entry)

    def source_removed(self, start: int, end: int) -> None:
        """Note that the source's records from `start` to before `end` were removed before they were read."""
        self.findings.removed.append(Removed(start, end))

    def target_removed(self) -> None:
        """Note that records were removed from the target before they were read."""
        self._excused = True

    def forget_before(self, source_start: int) -> None:
        """Forget records that could not be compared and that the source has removed as well."""
        found = self.findings
        found.cut = [(max(start, source_start), end) for start, end in found.cut if end > source_start]

    def advance(self, *, source_ended: bool) -> None:
        """Compare as far as both feeds reach. `source_ended`: the source was read to its end, after the target."""
        while self._target:
            entry = self._target[0]
            if not self._source and not source_ended:
                return
            if self._source and self._source[0].print == entry.print:
                self._match(entry)
            elif entry.print in self._seen:
                self._repeat(entry)
            elif entry.print in self._missing:
                self._come_late(entry)
            elif entry.print in self._ahead:
                while self._source[0].print != entry.print:
                    self._skip()
                self._match(entry)
            elif not source_ended and len(self._source) < self._limit:
                return
            else:
                self._overran = self._overran or not source_ended
                self._unknown(entry)
            self._target.popleft()

    def _match(self, entry: Entry) -> None:
        found = self._take()
        self._remember(found.print)
        self._last = found.offset
        self._excused = self._cutting = False
        self.findings.compared += 1
        self._note_key(entry)
        if self.compacted:
            self._supersede(found)

    def _remember(self, fingerprint: int) -> None:
        """Note that the target has the next source record."""
        self._ambiguous = fingerprint in self._seen
        self._seen.pop(fingerprint, None)
        self._seen[fingerprint] = self._at = self._places
        if len(self._seen) > self._window:
            del self._seen[next(iter(self._seen))]
        self._places += 1

    def _repeat(self, entry: Entry) -> None:
        self._at = self._seen[entry.print]
        self.findings.twice += 1
        self._note_key(entry)

    def _come_late(self, entry: Entry) -> None:
        known = self._missing[entry.print]
        offset, place = known.pop(0)
        if not known:
            del self._missing[entry.print]
        self._at = min(place, self._places) - 1
        found = self.findings
        del found.missing[offset]
        found.late += 1
        _note(found.late_first, offset)
        self._note_key(entry)

    def _skip(self) -> None:
        """Account for the first source record as absent: a later one is on the target."""
        entry = self._take()
        found = self.findings
        if self._excused:
            begin = found.cut.pop()[0] if self._cutting else entry.offset
            found.cut.append((begin, entry.offset + 1))
            self._cutting = True
            return
        if self.compacted and entry.dead and not self._has_key(entry.key):
            # The target has no value of the key, as the tombstone demands.
            self._supersede(entry)
            found.superseded += 1
            return
        self._miss(entry)

    def _miss(self, entry: Entry) -> None:
        found = self.findings
        if len(found.missing) >= REMEMBERED:
            found.missing_more += 1
            return
        found.missing[entry.offset] = entry.print
        self._missing.setdefault(entry.print, []).append((entry.offset, self._places))
        if self.compacted:
            self._owed.setdefault(entry.key, []).append(entry)

    def _supersede(self, later: Entry) -> None:
        """Account for missing records by a later one of their key."""
        found = self.findings
        for entry in self._owed.pop(later.key, ()):
            if found.missing.pop(entry.offset, None) is None:
                continue  # came late
            found.superseded += 1
            left = [each for each in self._missing.pop(entry.print) if each[0] != entry.offset]
            if left:
                self._missing[entry.print] = left

    def _unknown(self, entry: Entry) -> None:
        """Note a target record that the source does not have: of another writer, or removed from the source since."""
        found = self.findings
        owed = next((each for each in found.removed if not each.explained), None)
        if owed is not None and (not self._source or self._source[0].offset >= owed.end):
            owed.copies += 1
        found.extra += 1
        _note(found.extra_first, entry.offset)
        found.extra_last.append(entry.offset)
        self._note_key(entry)

    def _take(self) -> Entry:
        entry = self._source.popleft()
        left = self._ahead.pop(entry.print) - 1
        if left:
            self._ahead[entry.print] = left
        return entry

    def _note_key(self, entry: Entry) -> None:
        if self.compacted and not entry.dead:
            bit = entry.key % _KEY_BITS
            self._keys[bit >> 3] |= 1 << (bit & 7)

    def _has_key(self, key: int) -> bool:
        bit = key % _KEY_BITS
        return bool(self._keys[bit >> 3] & 1 << (bit & 7))


def _note(first: list[int], offset: int, most: int = 10) -> None:
    if len(first) < most:
        first.append(offset)
