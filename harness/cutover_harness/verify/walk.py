"""The walk through both logs of one partition in lockstep, record by record. Pure: it is fed what was read.

While both logs are equal, whole chunks are compared without a look at single records. Where they differ, records ahead
are held by their digests until the logs are equal again; what lies between is accounted for by `tally`.

A restarted MirrorMaker 2 repeats records, possibly many. If the target's next record was compared before, the walk asks
for the source to be read again from there, and counts what is equal as made twice.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from cutover_harness.verify.ahead import Ahead
from cutover_harness.verify.alignment import region
from cutover_harness.verify.recent import Recent
from cutover_harness.verify.rows import Entry, Row, entry
from cutover_harness.verify.tally import Findings, Held, Tally
from cutover_harness.words import counted

AHEAD = 100_000
"""Records of each log that are held ahead at most, to find where both are equal again."""
_FIRST_AHEAD = 256
# From here on a record that repeats one from long ago is looked for before more is read ahead.
_LOOK_BACK_AFTER = 4_096
_LOOK_BACKS = 8
# Records in a row that show a repetition.
_REPEATED = 4
# Unexplained target records in a row that are many.
_MANY = 128


class Walk:
    """The comparison of one partition.

    Feed the logs, call `advance`, and follow `wants_source`, `wants_target`, `wants_back` and `rewind` until it is
    `done`. `lost`: why it could not be completed.

    `cut_source`, `cut_target`: retention has removed the log's beginning on that side. `open_end`: the target continues
    behind the last source record, and that is not compared (a segment of a sample). `count_from`: earlier source
    records only show the place on the target. `native_from`: the target offset from which applications write to the
    target themselves.
    """

    def __init__(
        self,
        *,
        compacted: bool = False,
        cut_source: bool = False,
        cut_target: bool = False,
        open_end: bool = False,
        native_from: int | None = None,
        ahead: int = AHEAD,
        count_from: int = 0,
        found: Findings | None = None,
    ) -> None:
        self.source, self.target = Ahead(), Ahead()
        self.tally = Tally(compacted=compacted, native_from=native_from, found=found)
        self.lost: str | None = None
        self.rewind: int | None = None
        self.wants_back: Entry | None = None
        self.repeat_until = -1
        self._cut_source, self._cut_target = cut_source, cut_target
        self._open_end = open_end
        self._count_from = count_from
        self.placed = count_from == 0
        self._native_from = native_from
        self._most = ahead
        self._ahead = min(ahead, _FIRST_AHEAD)
        self._stuck = False
        self._back_tries = _LOOK_BACKS
        self._back_failed: int | None = None
        # Behind the last record that was accounted for, of each log; behind the last source record of all.
        self.source_at = self.target_at = 0
        self._known_source = 0
        self.stamped = False
        self._recent = Recent()

    @property
    def done(self) -> bool:
        """Whether everything is compared."""
        if self.lost is not None:
            return True
        if not self.source.ended or len(self.source):
            return False
        if self._open_end or (self.target.ended and not len(self.target)):
            return True
        at = self.target.next
        return self._native_from is not None and at is not None and at >= self._native_from and not self.tally.owes_keys

    @property
    def wants_source(self) -> bool:
        """Whether the next step needs more of the source."""
        return not self.source.ended and len(self.source) < (self._ahead if self._stuck else 1)

    @property
    def wants_target(self) -> bool:
        """Whether the next step needs more of the target."""
        return not self.target.ended and len(self.target) < (self._ahead if self._stuck else 1)

    @property
    def quiet(self) -> bool:
        """Whether a new walk could continue from `source_at` and `target_at`."""
        ahead = self._stuck or self.source.entries or self.target.entries
        return not ahead and not self.tally.compacted and self.source_at >= self.repeat_until

    def restore(self, source_at: int, target_at: int, missing: Iterable[Held], extra: Iterable[Held]) -> None:
        """Continue behind these offsets, with records that are still unexplained."""
        self._reach(source_at)
        self.target_at = target_at
        for each in missing:
            self.tally.missing.add(each)
        for each in extra:
            self.tally.extra.add(each)

    def ignore_timestamps(self) -> None:
        """Compare no timestamps from here on: the broker sets them. Read both logs again from `source_at` and so on."""
        self.stamped = True
        for log in (self.source, self.target):
            log.clear()
            log.ended = False
        self._recent.clear()
        self._calm()

    def only_source_cut(self) -> None:
        """Note that the target's log reaches back farther than the source's."""
        self._cut_target = False

    def removed(self, *, source: bool) -> None:
        """Note that retention has just removed records of one log that were to be read next."""
        if source:
            self._cut_source = True
        else:
            self._cut_target = True

    def advance(self) -> None:
        """Compare as far as both logs were fed."""
        while not self.done and self.rewind is None and self.wants_back is None:
            if not self.source.entries and not self.target.entries and not self._stuck:
                if not self._compare_rows():
                    return
            elif not self._compare_entries():
                return

    def rewound(self) -> None:
        """The source is read again from `rewind` on."""
        assert self.rewind is not None  # noqa: S101 - the caller has seen it
        self.repeat_until = max(self.repeat_until, self._known_source)
        self.source.clear()
        self.source.ended = False
        self._recent.clear()
        self.rewind = None
        self._calm()

    def look_back(self, offsets: list[int], rows: list[Row]) -> bool:
        """Look for the wanted record in source records that were read again; return whether it is there."""
        wanted = [each.digest for each in islice(self.target.entries, _REPEATED)]
        digests = [entry(*each).digest for each in zip(offsets, rows, strict=True)]
        for number, digest in enumerate(digests):
            if offsets[number] < self._known_source and digest == wanted[0]:
                its = digests[number : number + len(wanted)]
                if its == wanted[: len(its)]:
                    self.rewind, self.wants_back = offsets[number], None
                    return True
        return False

    def not_back(self) -> None:
        """The wanted record was not found."""
        self._back_failed = self.target.next
        self.wants_back = None

    def _compare_rows(self) -> bool:
        """Compare rows; return whether to continue."""
        source, target = self.source, self.target
        count = min(len(source.rows) - source.at, len(target.rows) - target.at)
        if not count:
            if self.wants_source or self.wants_target:
                return False
            self._stuck = True  # one log has ended
            return True
        ours = source.rows[source.at : source.at + count]
        theirs = target.rows[target.at : target.at + count]
        equal = count
        if ours != theirs:
            equal = next(n for n in range(count) if ours[n] != theirs[n])
            self._stuck = True
        if equal:
            offsets = source.offsets[source.at : source.at + equal]
            self._matched(ours[:equal], offsets, target.offsets[target.at : target.at + equal])
            self._recent.keep_rows(offsets, ours[:equal])
            source.at += equal
            target.at += equal
        return True

    def _compare_entries(self) -> bool:
        source, target = self.source, self.target
        wanted = self._ahead if self._stuck else max(1, len(source.entries), len(target.entries))
        source.digest(wanted)
        target.digest(wanted)
        if self._equal_entries():
            self._stuck = False
        if not self._stuck and not (source.entries and target.entries):
            if not source.entries and not target.entries:
                self._calm()
            lacking = target if source.entries else source
            if len(lacking):
                return True  # as many of its rows are compared with the entries of the other log
            if not lacking.ended:
                return False
        self._stuck = True
        if self.wants_source or self.wants_target:
            return False
        source.digest(self._ahead)
        target.digest(self._ahead)
        self._settle()
        return True

    def _equal_entries(self) -> bool:
        """Compare entries up to the first that differ; return whether any were equal."""
        ours, theirs = self.source.entries, self.target.entries
        equal: list[Entry] = []
        places: list[int] = []
        while ours and theirs and ours[0].digest == theirs[0].digest:
            equal.append(ours.popleft())
            places.append(theirs.popleft().offset)
        if equal:
            offsets = [each.offset for each in equal]
            self._matched(equal, offsets, places)
            self._recent.keep(offsets, [each.digest for each in equal])
            self._ahead = min(self._most, _FIRST_AHEAD)
        return bool(equal)

    def _settle(self) -> None:
        """Account for what is before the place where both logs are equal again, or ask for more."""
        source, target = self.source, self.target
        most = self._ahead >= self._most
        source_all = source.ended and len(source.entries) == len(source)
        target_all = target.ended and len(target.entries) == len(target)
        found = region(
            [each.digest for each in source.entries],
            [each.digest for each in target.entries],
            source_ended=source_all,
            target_ended=target_all and not self._open_end,
            most=most,
        )
        many = found is not None and found.target - len(found.pairs) > _MANY
        if found is not None and not (many and self._repeats(now=True)):
            self._account(found.source, found.target, found.pairs)
        elif self._repeats(now=False):
            pass
        elif target_all and not target.entries:
            self._account(len(source.entries), 0, [])
        elif source_all and not source.entries:
            self._account(0, len(target.entries), [])
        elif not most:
            self._ahead = min(self._most, 2 * self._ahead)
        elif target_all or (source_all and self._open_end) or (self._cut_target and not self._cut_source):
            self._account(len(source.entries), 0, [])
        elif source_all or (self._cut_source and not self._cut_target):
            self._account(0, len(target.entries), [])
        else:
            self._give_up()

    def _give_up(self) -> None:
        """Account for records of which none is equal; continue if most of them are the same ones, but altered."""
        ours, theirs = self.source.entries, self.target.entries
        words = (
            f"from source offset {ours[0].offset} and target offset {theirs[0].offset} on no record is equal within "
            f"{counted(len(ours), 'record')}: not compared any further"
        )
        if self.tally.compacted:  # compared by its keys instead
            self.lost = words
            return
        before, count = self.tally.found.altered.count, len(ours)
        self._account(len(ours), len(theirs), [])
        if self.tally.found.altered.count - before < count / 2:
            self.lost = words

    def _repeats(self, *, now: bool) -> bool:
        """Return whether the target repeats a record that was compared before, or that has to be looked for.

        Long ago it is only looked for if the logs differ in many records, or `now`.
        """
        target = self.target.entries
        if not target or self._open_end or (self._native_from is not None and target[0].offset >= self._native_from):
            return False
        self.rewind = self._recently()
        if self.rewind is not None:
            return True
        if self._known_source == 0 or self._back_tries <= 0 or target[0].offset == self._back_failed:
            return False
        at_end = self.source.ended and not len(self.source)
        if not now and not at_end and self._ahead < min(self._most, _LOOK_BACK_AFTER):
            return False
        self._back_tries -= 1
        self.wants_back = target[0]
        return True

    def _recently(self) -> int | None:
        """Return the source offset from which the target repeats records that were compared a short time ago.

        A single equal record shows nothing: topics without timestamps may have the same record thousands of times.
        """
        recent = self._recent.offsets()
        places = [recent.get(each.digest) for each in islice(self.target.entries, _REPEATED)]
        known = [place for place in places if place is not None]
        return known[0] if len(known) == len(places) and known == sorted(set(known)) else None

    def _account(self, source: int, target: int, pairs: Sequence[tuple[int, int]]) -> None:
        ours = [self.source.entries.popleft() for _ in range(source)]
        theirs = [self.target.entries.popleft() for _ in range(target)]
        recent = ChainMap({}, self._next(), self._recent.offsets()) if theirs else ChainMap[bytes, int]()
        begin, start = 0, 0
        for one, other in pairs:
            self._between(ours[begin:one], theirs[start:other], recent)
            self._matched([ours[one]], [ours[one].offset], [theirs[other].offset])
            recent[ours[one].digest] = ours[one].offset
            begin, start = one + 1, other + 1
        self._between(ours[begin:], theirs[start:], recent)
        if pairs:
            equal = [ours[one] for one, _ in pairs]
            self._recent.keep([each.offset for each in equal], [each.digest for each in equal])
        self._ahead = min(self._most, _FIRST_AHEAD)

    def _next(self) -> dict[bytes, int]:
        """Return source offsets of the records that both logs have next, by digest.

        Of two copies the first one may be before the place from which on both logs are equal.
        """
        theirs = {each.digest for each in islice(self.target.entries, _FIRST_AHEAD)}
        ours = islice(self.source.entries, _FIRST_AHEAD)
        return {each.digest: each.offset for each in ours if each.digest in theirs}

    def _between(self, ours: list[Entry], theirs: list[Entry], recent: Mapping[bytes, int]) -> None:
        if ours:
            self._reach(ours[-1].offset + 1)
            begin = max(self.repeat_until, self._count_from)
            ours = [each for each in ours if each.offset >= begin]
        if theirs:
            self.target_at = theirs[-1].offset + 1
            if not self.placed or self.source_at < self._count_from:
                theirs = []
        if self._cut_target:
            self.tally.cut(len(ours), 0)
            ours = []
        if self._cut_source:
            self.tally.cut(0, len(theirs))
            theirs = []
        self.tally.differ(ours, theirs, recent)

    def _matched(self, rows: Sequence[Row] | Sequence[Entry], offsets: list[int], places: list[int]) -> None:
        self._cut_source = self._cut_target = False
        if offsets[0] < self._count_from:
            self.placed = True
            context = sum(offset < self._count_from for offset in offsets)
            self.target_at = places[context - 1] + 1
            self._reach(offsets[context - 1] + 1)
            rows, offsets, places = rows[context:], offsets[context:], places[context:]
            if not offsets:
                return
        again = 0 if offsets[0] >= self.repeat_until else sum(offset < self.repeat_until for offset in offsets)
        if again:
            self.tally.repeated(rows[:again], offsets[:again], places[:again])
        if again < len(offsets):
            self.tally.matched(rows[again:], offsets[again:], places[again:])
        self.target_at = places[-1] + 1
        self._reach(offsets[-1] + 1)

    def _reach(self, source_at: int) -> None:
        self.source_at = source_at
        self._known_source = max(self._known_source, source_at)

    def _calm(self) -> None:
        self._stuck = False
        self._ahead = min(self._most, _FIRST_AHEAD)
