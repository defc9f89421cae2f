"""The search for the record from which a group resumes: both logs are read in lockstep, record by record. Pure.

A log is what a read_committed reader sees of one partition: offsets that only grow, each with a fingerprint that is
equal for the same record on both sides. The search relies on how MirrorMaker 2 writes: the target has the source's
records in order, except that a restarted task repeats records, beginning at the latest behind the record at which it
stopped. So every copy of a record has all later records behind it, at the latest when the mirror is drained: a group
can resume at any copy without a loss, and at the last copy without reading records again.
"""

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum

from cutover_harness.words import counted

OffsetPair = tuple[int, int]  # a record's offset on the source and on the target
Entry = tuple[int, int]  # an offset and a fingerprint

# Compared records among which a repeated one is recognised. A killed MirrorMaker 2 repeats what it copied since Connect
# last stored its offsets (`offset.flush.interval.ms`: 60 s by default).
WINDOW = 200_000
# Source records that are searched for the target's next record behind a gap.
GAP = 4_096
_TO_THE_END = 2**63


class Kind(Enum):
    """How a search ended. Only a search that WAITS may end otherwise later."""

    PROVED = "proved"
    WAITS = "waits"
    REFUSED = "refused"


@dataclass(frozen=True)
class Outcome:
    """The end of a search. `resume`: the target offset from which the group resumes, None unless proved."""

    kind: Kind
    resume: int | None
    evidence: str


@dataclass(frozen=True)
class SearchStart:
    """Where a search begins, and which differences between the logs are no contradiction.

    `pair` is a record at which it begins in both logs; None if it begins at the logs' starts. There retention may have
    removed records on the source only (`source_cut`) or on the target only (`target_cut`). With `compacted` records
    may be missing anywhere on either side.
    """

    pair: OffsetPair | None = None
    source_cut: bool = False
    target_cut: bool = False
    compacted: bool = False


def search_starts(
    committed: int, pairs: Iterable[OffsetPair], source_start: int, target_start: int, *, compacted: bool, limit: int
) -> list[SearchStart]:
    """Return where a search for the source offset `committed` may begin, the nearest first, none over `limit` away.

    After a task was restarted the latest of the pairs is nearer than the one with the highest source offset. The second
    one is needed if the task repeated records from before the first one and the pair written then is lost.
    """
    usable = [
        (u, d) for u, d in pairs if source_start <= u < committed and d >= target_start and committed - u <= limit
    ]
    found = [SearchStart(max(usable, key=lambda pair: pair[1]), compacted=compacted)] if usable else []
    if committed - source_start <= limit:
        found.append(SearchStart(None, source_cut=source_start > 0, target_cut=target_start > 0, compacted=compacted))
    elif len(usable) > 1:
        found.append(SearchStart(min(usable, key=lambda pair: pair[1]), compacted=compacted))
    return found


class ResumeSearch:
    """One partition's search for the copy of the first source record at `committed` or behind it.

    Feed both logs in offset order from `start` on and call `advance` until `outcome` is set. Read the source after the
    target: then the source has every record that the target has. `pairs`: all known pairs of offsets, which limit how
    far away later copies can be. The search fails after `limit` records.
    """

    def __init__(
        self,
        committed: int,
        start: SearchStart,
        pairs: Collection[OffsetPair] = (),
        *,
        limit: int = WINDOW,
        window: int = WINDOW,
        gap: int = GAP,
    ) -> None:
        self.outcome: Outcome | None = None
        self.duplicates = 0
        self._committed = committed
        self._begin = start
        self._pairs = pairs
        self._limit = limit
        self._window = window
        self._gap = gap
        self._source: deque[Entry] = deque()
        self._target: deque[Entry] = deque()
        self._compared = 0
        # Fingerprints: of `_source`, counted; of records equal on both sides, with their place in order; of the rest.
        self._ahead: dict[int, int] = {}
        self._seen: dict[int, int] = {}
        self._skipped: set[int] = set()
        self._matches = 0
        self._last: OffsetPair | None = None
        # Of the target's last record: its offset, its place in order, and the first one in a row before it that the
        # source no longer has.
        self._tail = -1
        self._at = -1
        self._foreign: int | None = None
        self._foreigners = 0
        # The record searched for: its first copy, the records before it, and the copy to resume at.
        self._found: OffsetPair | None = None
        self._before: OffsetPair | None = None
        self._print = 0
        self._place = -1
        self._unique = False
        self._resume = 0
        self._until = _TO_THE_END

    @property
    def wants_source(self) -> bool:
        """Whether the next step needs more of the source, unless it has ended."""
        return len(self._source) < (self._gap if self._may_skip_source else 1)

    @property
    def wants_target(self) -> bool:
        """Whether everything that was fed of the target is compared."""
        return not self._target

    def feed(self, source: Iterable[Entry], target: Iterable[Entry]) -> None:
        """Append the next records of each log."""
        for entry in source:
            self._source.append(entry)
            self._ahead[entry[1]] = self._ahead.get(entry[1], 0) + 1
        self._target.extend(target)

    def advance(self, *, source_ended: bool, target_ended: bool) -> None:
        """Compare as far as both feeds reach. The flags: whether a log has been fed to its end."""
        while self.outcome is None and self._target:
            if self._target[0][0] > self._until:
                self._prove()
            elif self._compared >= self._limit:
                self._stop(f"{counted(self._compared, 'record')} compared")
            elif self.wants_source and not source_ended:
                return
            else:
                self._step(*self._target.popleft())
        if self.outcome is None and target_ended and (self._found or self._source or source_ended):
            self._conclude()

    @property
    def _may_skip_source(self) -> bool:
        return self._begin.compacted or (self._begin.target_cut and not self._matches)

    @property
    def _may_skip_target(self) -> bool:
        return self._begin.compacted or (self._begin.source_cut and not self._matches)

    def _step(self, offset: int, fingerprint: int) -> None:
        self._compared += 1
        self._tail = offset
        if self._source and self._source[0][1] == fingerprint:
            self._match(offset)
        elif fingerprint in self._seen:
            self._repeat(offset, fingerprint)
        elif self._may_skip_source and fingerprint in self._ahead:
            self._skip_to(fingerprint)
            if self.outcome is None:
                self._match(offset)
        elif self._may_skip_target and fingerprint not in self._skipped:
            self._foreigners += 1
            self._foreign = offset if self._foreign is None else self._foreign
        else:
            due = f"{self._source[0][0]} is next there" if self._source else "it has no more"
            self._stop(f"target record {offset} is not what the source has: {due}")

    def _match(self, offset: int) -> None:
        upstream, fingerprint = self._take()
        pair = self._begin.pair
        if not self._matches and pair is not None and pair != (upstream, offset) and not self._begin.compacted:
            self._stop(f"the offset sync {pair[0]} = {pair[1]} is not of these logs")
            return
        self._at = self._matches
        self._matches += 1
        if self._found is None and upstream >= self._committed:
            self._found, self._before = (upstream, offset), self._last
            self._print, self._place, self._unique = fingerprint, self._at, fingerprint not in self._seen
            self._resume_at(offset)
        elif fingerprint == self._print:
            self._unique = False
        self._remember(fingerprint)
        self._last, self._foreign = (upstream, offset), None

    def _repeat(self, offset: int, fingerprint: int) -> None:
        self.duplicates += 1
        self._at = self._seen[fingerprint]
        # If several records are equal, this may be a copy of any of them, and the first copy loses nothing.
        if self._found is not None and self._at == self._place and self._unique:
            self._resume_at(offset)
        self._foreign = None

    def _resume_at(self, offset: int) -> None:
        """Choose this copy, with the records right before it that compaction may have removed from the source since."""
        compacted = self._begin.compacted and self._foreign is not None
        self._resume = self._foreign if compacted and self._foreign is not None else offset
        assert self._found is not None  # noqa: S101 - the callers found it
        self._until = _copies_until(self._pairs, (self._found[0], offset))

    def _skip_to(self, fingerprint: int) -> None:
        while self._source[0][1] != fingerprint:
            upstream, skipped = self._take()
            self._compared += 1
            self._skipped.add(skipped)
            if upstream >= self._committed and not self._begin.compacted:
                self._stop(f"retention has removed from the target what the group reads next, source record {upstream}")
                return

    def _take(self) -> Entry:
        entry = self._source.popleft()
        left = self._ahead.pop(entry[1]) - 1
        if left:
            self._ahead[entry[1]] = left
        return entry

    def _remember(self, fingerprint: int) -> None:
        self._seen.pop(fingerprint, None)
        self._seen[fingerprint] = self._at
        if len(self._seen) > self._window:
            del self._seen[next(iter(self._seen))]

    def _conclude(self) -> None:
        """End the search: the target has no more records."""
        repeats = "MirrorMaker 2 is repeating records and has not come back to source record"
        if self._found is not None and self._at < self._place:
            self._finish(Kind.WAITS, None, f"{repeats} {self._found[0]}")
        elif self._found is not None:
            self._prove()
        elif self._source:
            due = next((at for at, _ in self._source if at >= self._committed), self._source[0][0])
            self._finish(Kind.WAITS, None, f"source record {due} is not on the target yet")
        elif self._foreign is not None:
            self._stop(f"target record {self._foreign} is not what the source has: it has no more")
        elif self._last is not None and self._at < self._matches - 1:
            self._finish(Kind.WAITS, None, f"{repeats} {self._last[0]}")
        elif self._last is not None:
            same = f"the last records are equal, source {self._last[0]} and target {self._tail}"
            self._finish(Kind.PROVED, self._tail + 1, f"{same}; {self._counts()}")
        elif self._begin.pair is None and not self._begin.source_cut and not self._begin.target_cut:
            self._finish(Kind.PROVED, 0, "no record on either side")
        else:
            self._stop("no record is left to compare")

    def _prove(self, note: str = "") -> None:
        assert self._found is not None  # noqa: S101 - the callers found it
        before = self._before
        first = f"source record {self._found[0]} equals target record {self._found[1]}"
        then = f"as do {before[0]} and {before[1]} before them" if before else "the first on both sides"
        again = "" if self._resume == self._found[1] else f", resumed at {self._resume}"
        self._finish(Kind.PROVED, self._resume, f"{first}, {then}{again}; {self._counts()}{note}")

    def _counts(self) -> str:
        counts = f"{counted(self._compared, 'record')} compared"
        if self.duplicates:
            counts += f", {self.duplicates} of them mirrored twice"
        if self._skipped or self._foreigners:
            counts += f", {len(self._skipped)} missing on the target, {self._foreigners} missing on the source"
        return counts

    def _stop(self, why: str) -> None:
        """Refuse, unless the record is found already: then only a later copy of it could have been missed."""
        if self._found is None:
            self._finish(Kind.REFUSED, None, why)
        else:
            self._prove(f"; not searched further: {why}")

    def _finish(self, kind: Kind, resume: int | None, evidence: str) -> None:
        self.outcome = Outcome(kind, resume, evidence)


def _copies_until(pairs: Iterable[OffsetPair], at: OffsetPair) -> int:
    """Return the last target offset at which another copy of the record may be.

    If a later pair is as far away on the target as on the source, there is no room for copies in between.
    """
    beyond = [(u, d) for u, d in pairs if d > at[1]]
    if not beyond:
        return _TO_THE_END
    return max((d for u, d in beyond if d - u != at[1] - at[0]), default=at[1])
