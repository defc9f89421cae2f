"""Walks through both logs of a piece: reads what the walk wants, and counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from cutover_harness.token_bucket import TokenBucket
from cutover_harness.verify.piece import Checkpoint, Piece, PieceResult
from cutover_harness.verify.reader import Chunk, Reader
from cutover_harness.verify.rows import Row
from cutover_harness.verify.tally import Findings
from cutover_harness.verify.walk import AHEAD, Walk

SEGMENT_AHEAD = 2_000
# Source records that are read again, nearest first, to find one that the mirror has repeated.
_BACK_STEPS = (20_000, 100_000, 300_000)
_AROUND = 2_000
# A checkpoint with more unexplained records would be too large to be written often.
_MOST_HELD = 2_000
# Records whose times show where the target has the first of them.
_FIRST = 100


class PieceWalk:
    """One piece's comparison. `report` is called after each chunk, with the records and bytes read since."""

    def __init__(
        self,
        piece: Piece,
        source: Reader,
        target: Reader,
        *,
        bucket: TokenBucket,
        report: Callable[[int, int], None],
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.piece = piece if checkpoint is None else piece.continued(checkpoint)
        self._source, self._target = source, target
        self._bucket, self._report = bucket, report
        its = self.piece
        self.walk = Walk(
            compacted=its.compacted,
            cut_source=its.cut_source,
            cut_target=its.cut_target,
            open_end=its.segment,
            native_from=its.native_from,
            ahead=SEGMENT_AHEAD if its.segment else AHEAD,
            found=None if checkpoint is None else checkpoint.found,
            count_from=its.compare_from,
        )
        if checkpoint is not None:
            self.walk.restore(checkpoint.source_at, checkpoint.target_at, checkpoint.missing, checkpoint.extra)
        if its.stamped:
            self.walk.ignore_timestamps()
        self._records = self._bytes = self._skipped = 0

    def run(self) -> PieceResult | None:
        """Compare; return None if a compacted partition has to be compared by keys."""
        its, walk = self.piece, self.walk
        target_begin = self._target_begin()
        self._begin(its.source_begin, target_begin)
        while True:
            walk.advance()
            if its.compacted and (walk.lost is not None or walk.tally.overrun):
                return None
            if walk.rewind is not None:
                self._source.begin(its.partition, walk.rewind, its.source_end)
                walk.rewound()
            elif walk.wants_back is not None:
                self._look_back()
            elif walk.done:
                return self._result()
            else:
                self._read_more()

    def _begin(self, source_at: int, target_at: int) -> None:
        its, walk = self.piece, self.walk
        self._source.begin(its.partition, source_at, its.source_end)
        self._target.begin(its.partition, target_at, its.target_end)
        walk.source.ended, walk.target.ended = self._source.ended, self._target.ended

    def _target_begin(self) -> int:
        """Return where to read the target from: not before the first record's time if earlier ones do not matter."""
        its = self.piece
        if not its.cut_source or its.stamped or its.compacted:
            return its.target_begin
        self._source.begin(its.partition, its.source_begin, its.source_end)
        first = [] if self._source.ended else self._read(self._source).rows[:_FIRST]
        earliest = min((time_ms for *_, time_ms in first if time_ms is not None), default=None)
        found = None if earliest is None else self._target.first_at_time(its.partition, earliest)
        if found is None or found <= its.target_begin:
            return its.target_begin
        # The target reaches back farther than the source. Only the first segment of a sample says something of that.
        self._skipped = 0 if its.compare_from else found - its.target_begin
        self.walk.only_source_cut()
        return found

    def checkpoint(self) -> Checkpoint | None:
        """Return a place to continue from; None if there is none just now."""
        walk = self.walk
        if not walk.quiet or self.piece.segment or not walk.source_at:
            return None
        missing, extra = walk.tally.missing, walk.tally.extra
        if len(missing) + len(extra) > _MOST_HELD:
            return None
        return Checkpoint(walk.source_at, walk.target_at, walk.stamped, walk.tally.found, tuple(missing), tuple(extra))

    def _read_more(self) -> None:
        walk = self.walk
        # The target first: its client fetches while the source is read.
        for reader, log, wanted in (
            (self._target, walk.target, walk.wants_target),
            (self._source, walk.source, walk.wants_source),
        ):
            if not wanted:
                continue
            chunk = self._read(reader)
            if chunk.removed_to is not None:
                walk.removed(source=reader is self._source)
            if chunk.stamped and not walk.stamped and reader is self._target:
                walk.ignore_timestamps()
                its = self.piece
                self._begin(max(its.source_begin, walk.source_at), max(its.target_begin, walk.target_at))
                return
            log.feed(chunk.offsets, _rows(chunk, stamped=walk.stamped))
            log.ended = reader.ended

    def _read(self, reader: Reader) -> Chunk:
        while (wait := self._bucket.wait_s) > 0:
            time.sleep(min(wait, 0.2))
            self._report(0, 0)
        chunk = reader.read()
        self._bucket.take(chunk.bytes)
        self._records += len(chunk.offsets)
        self._bytes += chunk.bytes
        self._report(len(chunk.offsets), chunk.bytes)
        return chunk

    def _look_back(self) -> None:
        """Read source records again, until the one that the target repeats is found."""
        its, walk = self.piece, self.walk
        before, resume_at = walk.source_at, self._source.at
        for begin, end in self._places_back(before):
            self._source.begin(its.partition, begin, end)
            while not self._source.ended:
                chunk = self._read(self._source)
                if walk.look_back(chunk.offsets, _rows(chunk, stamped=walk.stamped)):
                    return
        walk.not_back()
        self._source.begin(its.partition, resume_at, its.source_end)

    def _places_back(self, before: int) -> Iterator[tuple[int, int]]:
        begin = self.piece.log_begin
        wanted = self.walk.wants_back
        yield begin, min(before, begin + _AROUND)
        if wanted is not None and wanted.time is not None:
            at = self._source.first_at_time(self.piece.partition, wanted.time)
            if at is not None:
                yield max(begin, at - _AROUND), min(before, at + _AROUND)
        upto = before
        for step in _BACK_STEPS:
            if upto <= begin:
                return
            start = max(begin, before - step)
            yield start, upto
            upto = start

    def _result(self) -> PieceResult:
        notes = [] if self.walk.lost is None else [self.walk.lost]
        found: Findings = self.walk.tally.conclude()
        if not self.walk.placed:
            its = self.piece
            notes.append(f"source offsets {its.compare_from} to {its.source_end - 1}: not found on the target")
            found = Findings()
        found.removed_source += self._skipped
        return PieceResult(found, tuple(notes), None, self._records, self._bytes, self.walk.stamped)


def _rows(chunk: Chunk, *, stamped: bool) -> list[Row]:
    return [(key, value, headers, None) for key, value, headers, _ in chunk.rows] if stamped else chunk.rows
