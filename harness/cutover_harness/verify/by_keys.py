"""Compares a compacted partition by the last record of each key, if compaction has changed both logs too differently.

The comparison itself is the mirror's (`mirror.key_comparison`), which also bounds the memory.
"""

from __future__ import annotations

from collections.abc import Callable

from cutover_harness.mirror.comparison import Comparison, Entry
from cutover_harness.mirror.comparison import Findings as Counts
from cutover_harness.mirror.key_comparison import KeyComparison
from cutover_harness.verify.piece import Piece, PieceResult
from cutover_harness.verify.reader import Chunk, Reader
from cutover_harness.verify.tally import Findings
from cutover_harness.words import counted

# Keys that a worker holds at a time: about 330 bytes each.
MOST_KEYS = 100_000
_TAIL = 100


def compare_by_keys(piece: Piece, source: Reader, target: Reader, read: Callable[[Reader], Chunk]) -> PieceResult:
    """Compare the piece by its keys; `read` returns the next chunk of a reader."""
    end = piece.target_end if piece.native_from is None else min(piece.target_end, piece.native_from)
    comparison = KeyComparison(
        _tail(piece, target, end, read),
        source_begin=piece.source_begin,
        source_end=piece.source_end,
        target_begin=piece.target_begin,
        target_log_start=piece.target_begin,
        most_keys=MOST_KEYS,
    )
    reader, until = source, piece.source_end
    side: str | None = None
    while not comparison.done:
        if side != comparison.side or reader.at != comparison.position:
            side = comparison.side
            reader, until = (source, piece.source_end) if side == "source" else (target, end)
            reader.begin(piece.partition, comparison.position, until)
        entries = _entries(read(reader), piece)
        comparison.feed(entries, ended=reader.ended)
    rest = comparison.result(Counts(), compared=piece.source_begin, source_start=piece.source_begin)
    if rest is None or comparison.pair is None:
        why = (
            "compaction has removed too many different records on the two clusters to compare them in order, and none "
            "of the target's last records is on the source, so that their keys cannot be compared either"
        )
        return PieceResult(Findings(), (why,))
    _continue(piece, rest, source, target, comparison.pair, end, read)
    return _result(rest, comparison.keys)


def _tail(piece: Piece, target: Reader, end: int, read: Callable[[Reader], Chunk]) -> list[Entry]:
    step = 2 * _TAIL
    while True:
        begin = max(piece.target_begin, end - step)
        target.begin(piece.partition, begin, end)
        found: list[Entry] = []
        while not target.ended:
            found += _entries(read(target), piece)
        if len(found) >= _TAIL or begin == piece.target_begin:
            return found[-_TAIL:]
        step *= 16


def _continue(
    piece: Piece,
    rest: Comparison,
    source: Reader,
    target: Reader,
    pair: tuple[int, int],
    end: int,
    read: Callable[[Reader], Chunk],
) -> None:
    """Compare in order what is behind the pair."""
    source.begin(piece.partition, pair[0] + 1, piece.source_end)
    target.begin(piece.partition, pair[1] + 1, end)
    while True:
        rest.advance(source_ended=source.ended)
        if not rest.wants_target and rest.wants_source and not source.ended:
            rest.feed_source(_entries(read(source), piece))
        elif rest.wants_target and not target.ended:
            rest.feed_target(_entries(read(target), piece))
        elif not source.ended:
            rest.feed_source(_entries(read(source), piece))
        elif rest.wants_target:
            return


def _entries(chunk: Chunk, piece: Piece) -> list[Entry]:
    return [
        Entry(
            offset,
            hash((key, value, tuple(headers or ()), None if piece.stamped else time_ms)),
            hash(key),
            value is None,
        )
        for offset, (key, value, headers, time_ms) in zip(chunk.offsets, chunk.rows, strict=True)
    ]


def _result(rest: Comparison, keys: int) -> PieceResult:
    counts, found = rest.findings, Findings()
    found.compared = counts.compared + keys
    found.compacted_target = counts.superseded
    for offset in sorted([*counts.missing, *rest.unmatched]):
        found.missing.add(offset, None, None)
    found.missing.count += counts.missing_more
    found.missing_at_end = rest.waiting
    for offset in counts.extra_first:
        found.extra.add(None, offset, None)
    found.extra.count = counts.extra
    found.reordered.count, found.twice.count = counts.late, counts.twice
    note = f"by the last record of each of {counted(keys, 'key')}: compaction has changed the two logs too differently"
    return PieceResult(found, (note,), keys)
