"""Accounts for the records of one partition that are not equal in order on both sides. Pure.

A source record that the target lacks is missing until a copy of it comes later (reordered) or, in a compacted topic, a
later record of its key explains why it is gone. A target record that the source lacks is extra, by the same rules.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cutover_harness.verify.altered import pair_altered
from cutover_harness.verify.rows import Entry, Row, key_hash

FIRST = 10
"""Records of each kind that are shown."""
REMEMBERED = 50_000
"""Records of each kind that are held one by one, so that they are recognised if they come later."""
_KEY_BITS = 1 << 24


@dataclass(frozen=True)
class Place:
    """A record by its offsets and the hash of its key."""

    source: int | None
    target: int | None
    key: str | None


@dataclass
class Count:
    """How many records of a kind, and the first ones."""

    count: int = 0
    first: list[Place] = field(default_factory=list)

    def add(self, source: int | None, target: int | None, shown: str | None) -> None:
        """Count a record; `shown`: the hash of its key."""
        self.count += 1
        if len(self.first) < FIRST:
            self.first.append(Place(source, target, shown))


@dataclass
class Findings:
    """What the comparison of one partition found, when it is complete."""

    compared: int = 0
    missing: Count = field(default_factory=Count)
    extra: Count = field(default_factory=Count)
    reordered: Count = field(default_factory=Count)
    altered: Count = field(default_factory=Count)
    twice: Count = field(default_factory=Count)
    # Of the missing ones: at the source's end, behind everything that the target has.
    missing_at_end: int = 0
    # Target records that no source record explains, behind the last one that was mirrored.
    after: int = 0
    # Target records at or behind the bound from which applications write to the target themselves.
    native: int = 0
    # Records that compaction has removed on the target, and on the source.
    compacted_target: int = 0
    compacted_source: int = 0
    # Records that the other side's retention removed before they were compared.
    removed_source: int = 0
    removed_target: int = 0

    @property
    def different(self) -> int:
        """How many records differ."""
        return self.missing.count + self.extra.count + self.reordered.count + self.altered.count + self.twice.count


class Held(NamedTuple):
    """An unexplained record. `key`: None if the topic is not compacted, where no key explains anything."""

    offset: int
    digest: bytes
    shown: str | None
    key: bytes | None = None
    dead: bool = False


class _Outstanding:
    """Unexplained records of one side, by digest and by key; beyond `REMEMBERED` only their number."""

    def __init__(self, *, by_key: bool) -> None:
        self._by_digest: dict[bytes, deque[Held]] = {}
        self._by_key: dict[bytes, list[Held]] | None = {} if by_key else None
        self._held = 0
        self.more = 0
        self.more_at_end = 0

    def __iter__(self) -> Iterator[Held]:
        return iter(sorted(each for its in self._by_digest.values() for each in its))

    def __len__(self) -> int:
        return self._held + self.more

    @property
    def any_key(self) -> bool:
        return bool(self._by_key)

    def add(self, new: Held) -> None:
        if self._held >= REMEMBERED:
            self.more += 1
            self.more_at_end += 1
            return
        self._held += 1
        self._by_digest.setdefault(new.digest, deque()).append(new)
        if self._by_key is not None and new.key is not None:
            self._by_key.setdefault(new.key, []).append(new)

    def take(self, digest: bytes) -> Held | None:
        """Remove and return the first one with this digest."""
        its = self._by_digest.get(digest)
        if not its:
            return None
        found = its[0]
        self._remove(found)
        return found

    def take_offsets(self, offsets: Sequence[int]) -> dict[int, Held]:
        """Remove and return those at these offsets."""
        if not self._held:
            return {}
        wanted = set(offsets)
        found = [each for each in self if each.offset in wanted]
        for each in found:
            self._remove(each)
        return {each.offset: each for each in found}

    def take_key(self, key: bytes | None) -> int:
        """Remove all of this key and return their number."""
        if not self._by_key or key is None:
            return 0
        found = self._by_key.pop(key, ())
        for each in found:
            self._drop(each)
        return len(found)

    def last_of_keys(self) -> list[tuple[bytes, Held]]:
        """Return each key with its last record."""
        return [(key, its[-1]) for key, its in (self._by_key or {}).items()]

    def _remove(self, found: Held) -> None:
        self._drop(found)
        if self._by_key is not None and found.key is not None:
            self._by_key[found.key].remove(found)
            if not self._by_key[found.key]:
                del self._by_key[found.key]

    def _drop(self, found: Held) -> None:
        its = self._by_digest[found.digest]
        its.remove(found)
        self._held -= 1
        if not its:
            del self._by_digest[found.digest]


class Tally:
    """Findings of one partition. `native_from`: the target offset from which applications write themselves."""

    def __init__(self, *, compacted: bool, native_from: int | None = None, found: Findings | None = None) -> None:
        self.found = found or Findings()
        self.compacted = compacted
        self._native_from = native_from
        self.missing = _Outstanding(by_key=compacted)
        self.extra = _Outstanding(by_key=compacted)
        self._last_source = self._last_target = -1
        # Keys with a value: on the target, and among the records that both sides have.
        self._alive_target = bytearray(_KEY_BITS // 8 if compacted else 0)
        self._alive_both = bytearray(_KEY_BITS // 8 if compacted else 0)

    @property
    def overrun(self) -> bool:
        """Whether there are too many unexplained records to hold."""
        return bool(self.missing.more or self.extra.more)

    @property
    def owes_keys(self) -> bool:
        """Whether a later target record could explain why one is missing."""
        return self.missing.any_key

    def matched(self, rows: Sequence[Row] | Sequence[Entry], source: Sequence[int], target: Sequence[int]) -> None:
        """Count records that are equal and in order, at these offsets."""
        self.found.compared += len(source)
        self._note_match(rows, source[-1], target[-1])

    def repeated(self, rows: Sequence[Row] | Sequence[Entry], source: Sequence[int], target: Sequence[int]) -> None:
        """Count second copies of records that were compared before, at these offsets."""
        twice = self.found.twice
        first_copies = self.missing.take_offsets(source)
        shown = max(0, FIRST - len(twice.first)) + len(first_copies)
        for number, (one, other) in enumerate(zip(source[:shown], target, strict=False)):
            key, _ = _key_and_value(rows[number])
            if one not in first_copies:
                twice.add(one, other, key_hash(key))
        left = sum(one not in first_copies for one in source[shown:]) if first_copies else len(source) - shown
        twice.count += max(0, left)
        for one, other in zip(source, target, strict=True) if first_copies else ():
            if one in first_copies:
                self.found.reordered.add(one, other, first_copies[one].shown)
        self._note_match(rows, source[-1], target[-1])

    def _note_match(self, rows: Iterable[Row] | Iterable[Entry], source: int, target: int) -> None:
        found = self.found
        self._last_source, self._last_target = max(self._last_source, source), target
        self.missing.more_at_end = self.extra.more_at_end = 0
        if self.compacted:
            for row in rows:
                key, value = _key_and_value(row)
                if value is not None:
                    _set(self._alive_target, key)
                    _set(self._alive_both, key)
                found.compacted_target += self.missing.take_key(key)
                found.compacted_source += self.extra.take_key(key)

    def differ(self, source: Sequence[Entry], target: Sequence[Entry], recent: Mapping[bytes, int]) -> None:
        """Account for records between equal ones. `recent`: source offsets of records compared before, by digest."""
        left, foreign = self._same(source, target, recent)
        bound = self._native_from
        native = [other for other in foreign if bound is not None and other.offset >= bound]
        # What applications write themselves is no altered copy, even with the same key at the same time.
        others = foreign[: len(foreign) - len(native)]
        for one, other in pair_altered(left, others, compacted=self.compacted):
            self.found.altered.add(one.offset, other.offset, key_hash(one.key))
            self._note_alive(other)
        for one in left:
            self.found.compacted_source += self.extra.take_key(one.key) if self.compacted else 0
            self.missing.add(self._held(one))
        for other in others:
            self._note_alive(other)
            self.extra.add(self._held(other))
        for other in native:
            if self.compacted:
                self.found.compacted_target += self.missing.take_key(other.key)
            self._note_alive(other)
        self.found.native += len(native)

    def cut(self, source: int, target: int) -> None:
        """Count records whose counterparts retention has removed: of the source, and of the target."""
        self.found.removed_target += source
        self.found.removed_source += target

    def _same(
        self, source: Sequence[Entry], target: Sequence[Entry], recent: Mapping[bytes, int]
    ) -> tuple[list[Entry], list[Entry]]:
        """Account for records that are on both sides; return the others."""
        here: dict[bytes, deque[Entry]] = {}
        for one in source:
            early = self.extra.take(one.digest)
            if early is not None:
                self.found.reordered.add(one.offset, early.offset, early.shown)
            else:
                here.setdefault(one.digest, deque()).append(one)
        foreign = []
        for other in target:
            mate = here[other.digest].popleft() if here.get(other.digest) else self.missing.take(other.digest)
            if mate is not None:
                self.found.reordered.add(mate.offset, other.offset, key_hash(other.key))
            elif other.digest in recent:
                self.found.twice.add(recent[other.digest], other.offset, key_hash(other.key))
            else:
                foreign.append(other)
                continue
            self._note_alive(other)
        return sorted(each for its in here.values() for each in its), foreign

    def _held(self, one: Entry) -> Held:
        key = one.key if self.compacted else None
        return Held(one.offset, one.digest, key_hash(one.key), key, dead=one.value is None)

    def _note_alive(self, other: Entry) -> None:
        if self.compacted and other.value is not None:
            _set(self._alive_target, other.key)

    def conclude(self) -> Findings:
        """Return the findings, with what is still unexplained as missing and extra."""
        found = self.found
        if self.compacted:
            for key, last in self.missing.last_of_keys():
                if last.dead and not _has(self._alive_target, key):
                    found.compacted_target += self.missing.take_key(key)
            for key, last in self.extra.last_of_keys():
                if last.dead and not _has(self._alive_both, key):
                    found.compacted_source += self.extra.take_key(key)
        for one in self.missing:
            found.missing.add(one.offset, None, one.shown)
            found.missing_at_end += one.offset > self._last_source
        found.missing.count += self.missing.more
        found.missing_at_end += self.missing.more_at_end
        for other in self.extra:
            if self._native_from is None and other.offset > self._last_target:
                found.after += 1
            else:
                found.extra.add(None, other.offset, other.shown)
        beyond = self.extra.more_at_end if self._native_from is None else 0
        found.after += beyond
        found.extra.count += self.extra.more - beyond
        return found


def _key_and_value(row: Row | Entry) -> tuple[bytes | None, bytes | None]:
    return (row.key, row.value) if isinstance(row, Entry) else (row[0], row[1])


def _set(bits: bytearray, key: bytes | None) -> None:
    bit = hash(key) % _KEY_BITS
    bits[bit >> 3] |= 1 << (bit & 7)


def _has(bits: bytearray, key: bytes | None) -> bool:
    bit = hash(key) % _KEY_BITS
    return bool(bits[bit >> 3] & 1 << (bit & 7))
