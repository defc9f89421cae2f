"""The sealed form of a ledger: Parquet, sorted by stream, so that a judge reads one stream at a time."""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cutover_harness.ledger.arrow import (
    DECODING_ERRORS,
    SCHEMA,
    check_values,
    decoding,
    one_line,
    to_columns,
    whole_numbers,
)
from cutover_harness.ledger.columns import (
    ALL_STREAMS,
    Array,
    Columns,
    Int64,
    UInt64,
    by_stream,
    constant,
    in_range,
    is_constant,
    is_control,
)
from cutover_harness.ledger.errors import LedgerError
from cutover_harness.ledger.files import parse_json, reading, require_file
from cutover_harness.ledger.format import (
    MAX_TOPICS,
    ROW_DTYPE,
    VERSION,
    is_topic,
)
from cutover_harness.ledger.journal import JournalRows
from cutover_harness.privacy import write_private

#: Parquet key-value metadata that promises the order: control rows first, then by stream.
SORTED_KEY = b"kafka-cutover.ledger"
SORTED_VALUE = f"{VERSION} sorted by stream".encode()
TOPICS_KEY = b"kafka-cutover.topics"

_OFTEN_CONSTANT = ("event", "cluster", "topic", "partition", "stream")
_ROW_GROUP = 1 << 16
_SEAL_AT_ONCE = 1 << 22
_TIMED_GROUPS = 8
#: Rows that are decoded together, if they are in several row groups.
_ROWS_AT_ONCE = 1 << 18
#: Row groups of so many rows are decoded together also if they are of different streams.
_SMALL = 1 << 14
_BLOCK = 1 << 20
#: Rows in a row group, which is decoded as a whole: 640 MiB.
MOST_IN_GROUP = 1 << 24


class ParquetRows:
    """Rows of a sealed ledger; reads only the row groups with the wanted streams.

    Arrow ends the process for some damaged files instead of raising an error, and most damage it does not notice: call
    `require_intact` first, or `probe.require_readable` for a file of another tool.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _open(path) as file, decoding(path):
            _check_columns(path, file.schema_arrow)
            self._metadata = metadata = file.metadata
            self.count: int = metadata.num_rows
            notes = file.schema_arrow.metadata or {}
            self.sorted = notes.get(SORTED_KEY) == SORTED_VALUE
            column = {metadata.schema.column(i).path: i for i in range(metadata.num_columns)}
            groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
            # A column need not be read if a row group's statistics show a single value.
            self._sizes = [group.num_rows for group in groups]
            _check_sizes(path, self._sizes)
            self._constants = [
                {name: v for name in _OFTEN_CONSTANT if (v := _only_value(group.column(column[name]))) is not None}
                for group in groups
            ]
            self._bounds = [_bounds(group.column(column["stream"])) for group in groups]
            self._is_control = [_only_control(group.column(column["event"])) for group in groups]
            self.topics = _named_topics(path, notes[TOPICS_KEY]) if TOPICS_KEY in notes else _topics(path, file)

    def records(self, low: int, high: int) -> Columns:
        """Return the rows of records in the streams [low, high], by stream, each in the ledger's order."""
        wanted = self._wanted(low, high)
        parts = (self._chosen(columns, low, high) for columns in self._read(wanted))
        # Copied one by one: a decoded row group is freed before the next one.
        return by_stream(Columns.collect(parts, sum(self._sizes[i] for i in wanted)))

    def pieces(self, low: int, high: int) -> Iterator[Columns]:
        """Return the rows of `records` some at a time, in its order: of a row group at a time if the file is sorted."""
        wanted = self._wanted(low, high)
        bounds = [self._bounds[group] for group in wanted]
        if not self.sorted or any(first < last for (_, last), (first, _) in pairwise(bounds)):
            yield self.records(low, high)
            return
        before = 0
        for columns in self._read(wanted, at_once=_ROWS_AT_ONCE):
            chosen = self._chosen(columns, low, high)
            if not len(chosen):
                continue
            if int(chosen.stream[0]) < before:
                raise LedgerError(f"{self.path}: damaged: marked as sorted by stream, but is not")
            before = int(chosen.stream[-1])
            # A few rows must not keep whole row groups in memory.
            yield chosen.copied() if len(chosen) * 2 < len(columns) else chosen

    def _wanted(self, low: int, high: int) -> list[int]:
        return [
            i
            for i, (first, last) in enumerate(self._bounds)
            if not self._is_control[i] and first <= high and last >= low
        ]

    def control(self) -> Columns:
        """Return the rows of commits and assignments in the ledger's order."""
        wanted = [i for i, only in enumerate(self._is_control) if only or not self.sorted]
        return Columns.concat(c.take(is_control(c.event)) for c in self._read(wanted))

    def everything(self) -> Columns:
        """Return all rows, in the file's order."""
        return Columns.concat(self.parts())

    def parts(self) -> Iterator[Columns]:
        """Return all rows, in the file's order, some at a time."""
        return self._read(range(len(self._bounds)))

    def sample(self, size: int) -> UInt64:
        """Return the streams of up to about `size` records, evenly spread over the ledger."""
        parts = []
        step = max(1, self.count // size)
        with _open(self.path, self._metadata) as file, decoding(self.path):
            for group, control in enumerate(self._is_control):
                if not control:
                    first, last = self._bounds[group]
                    if first == last:
                        parts.append(np.full(max(1, self._sizes[group] // step), first, np.uint64))
                    else:
                        table = file.read_row_group(group, ["stream"], use_threads=False)
                        parts.append(whole_numbers(table, "stream", pa.uint64())[::step].copy())
        return np.concatenate(parts) if parts else np.empty(0, np.uint64)

    def times(self, size: int) -> Int64:
        """Return the times of up to about `size` events, from a few row groups that are evenly spread."""
        groups = range(len(self._sizes))[:: max(1, len(self._sizes) // _TIMED_GROUPS)]
        step = max(1, sum(self._sizes[group] for group in groups) // size)
        with _open(self.path, self._metadata) as file, decoding(self.path):
            tables = (file.read_row_group(group, ["time_ns"], use_threads=False) for group in groups)
            parts = [whole_numbers(table, "time_ns", pa.int64())[::step].copy() for table in tables]
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def _chosen(self, columns: Columns, low: int, high: int) -> Columns:
        if not self.sorted:
            return columns.take(~is_control(columns.event) & in_range(columns.stream, low, high))
        if is_constant(columns.stream):
            return columns  # the row group was chosen by its stream
        if not (columns.stream[1:] >= columns.stream[:-1]).all():
            raise LedgerError(f"{self.path}: damaged: marked as sorted by stream, but is not")
        start = int(np.searchsorted(columns.stream, np.uint64(low)))
        end = int(np.searchsorted(columns.stream, np.uint64(high), side="right"))
        return columns.take(slice(start, end))

    def _read(self, groups: Sequence[int], at_once: int = 1) -> Iterator[Columns]:
        """Yield the rows of some row groups, of several together as long as these have no more rows than `at_once`."""
        number = {name: i for i, name in enumerate(self.topics)}
        if not groups:
            return
        with _open(self.path, self._metadata) as file:
            for together in self._together(groups, at_once):
                with decoding(self.path):
                    known, size = self._known(together, number), sum(self._sizes[group] for group in together)
                    names = [name for name in SCHEMA.names if name not in known]
                    table = file.read_row_groups(together, names, use_threads=False)
                    if table.num_rows != size:
                        raise LedgerError(
                            f"{self.path}: damaged: a row group has {table.num_rows} rows and says {size}"
                        )
                    columns = to_columns(table, known, size, number)
                    check_values(self.path, columns)
                yield columns

    def _together(self, groups: Sequence[int], at_once: int) -> Iterator[list[int]]:
        """Split row groups into those that are read together: one, or several with equal constants, or small ones."""
        found: list[int] = []
        size = largest = 0
        for group in groups:
            its = self._sizes[group]
            alike = not found or self._constants[group] == self._constants[found[0]]
            if found and (size + its > at_once or not (alike or max(largest, its) <= _SMALL)):
                yield found
                found, size, largest = [], 0, 0
            found.append(group)
            size, largest = size + its, max(largest, its)
        yield found

    def _known(self, groups: Sequence[int], number: Mapping[str, int]) -> dict[str, Array]:
        """Return the columns of some row groups that are constant in each of them."""
        known = {}
        for name in _OFTEN_CONSTANT:
            if all(name in self._constants[group] for group in groups):
                values = [self._constants[group][name] for group in groups]
                codes = np.array([number[v] for v in values] if name == "topic" else values, ROW_DTYPE[name])
                sizes = [self._sizes[group] for group in groups]
                same = bool((codes == codes[0]).all())
                known[name] = constant(codes[0], sum(sizes), codes.dtype) if same else np.repeat(codes, sizes)
        return known


def sealed_parts(rows: JournalRows) -> Iterator[Columns]:
    """Return a journal's rows in the sealed form's order, in memory that does not grow with the journal."""
    ranges = stream_ranges(rows.sample(1 << 16), rows.count, _SEAL_AT_ONCE)
    return chain([rows.control()], (rows.records(low, high) for low, high in ranges))


def write_sealed(path: Path, topics: tuple[str, ...], parts: Iterable[Columns]) -> None:
    """Write rows in the sealed form's order: commits and assignments first, then by stream."""
    write_private(path, "")  # Arrow keeps the mode of an existing file
    with pq.ParquetWriter(
        path,
        SCHEMA.with_metadata({SORTED_KEY: SORTED_VALUE, TOPICS_KEY: json.dumps(topics)}),
        compression="none",
        use_dictionary=["event", "cluster", "topic", "partition", "stream"],
        # These increase within a stream: delta encoding is smaller than compression, and several times as fast to read.
        column_encoding=dict.fromkeys(("offset", "sequence", "time_ns"), "DELTA_BINARY_PACKED"),
    ) as writer:
        for columns in parts:
            if len(columns):
                writer.write_table(to_table(columns, topics), row_group_size=_ROW_GROUP)


def checksum(path: Path) -> tuple[int, int]:
    """Return a file's length and CRC-32."""
    size = crc = 0
    require_file(path)
    with reading(path), path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            size += len(block)
            crc = zlib.crc32(block, crc)
    return size, crc


def require_intact(path: Path, sealed: tuple[int, int]) -> None:
    """Raise LedgerError unless the file has the length and CRC-32 of its seal."""
    found = checksum(path)
    if found[0] != sealed[0]:
        raise LedgerError(f"{path}: truncated: {found[0]} bytes of {sealed[0]}; copy it again")
    if found != sealed:
        raise LedgerError(f"{path}: damaged: its CRC-32 is {found[1]:08x} and was {sealed[1]:08x}; copy it again")


def stream_ranges(sample: UInt64, count: int, at_once: int) -> list[tuple[int, int]]:
    """Split all streams into ranges [low, high] of about `at_once` of `count` rows; no stream is split."""
    low, high = ALL_STREAMS
    pieces = -(-count // at_once)
    if pieces < 2 or not len(sample):
        return [(low, high)]
    ordered = np.sort(sample)
    edges = {int(ordered[len(ordered) * i // pieces]) for i in range(1, pieces)}
    firsts = [low, *sorted(edge for edge in edges if edge > low)]
    return list(zip(firsts, [*(first - 1 for first in firsts[1:]), high], strict=True))


def to_table(columns: Columns, topics: tuple[str, ...]) -> pa.Table:
    """Return rows as an Arrow table of the sealed form's schema."""
    names = pa.DictionaryArray.from_arrays(pa.array(columns.topic, pa.int32()), pa.array(topics, pa.string()))
    arrays = [names if field.name == "topic" else pa.array(getattr(columns, field.name)) for field in SCHEMA]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _open(path: Path, metadata: pq.FileMetaData | None = None) -> pq.ParquetFile:
    """Open a file; with its metadata from before, the end of the file is not read and parsed again."""
    require_file(path)
    try:
        return pq.ParquetFile(path, memory_map=True, metadata=metadata)
    except DECODING_ERRORS as error:
        raise LedgerError(f"{path}: truncated or not Parquet: {one_line(error)}") from error


def _check_columns(path: Path, schema: pa.Schema) -> None:
    """Raise LedgerError unless each column exists once, with an unambiguous type."""
    for field in SCHEMA:
        found = [schema.field(i) for i in range(len(schema.names)) if schema.names[i] == field.name]
        if not found:
            raise LedgerError(f"{path}: not a ledger: column {field.name!r} is missing")
        if len(found) > 1:
            raise LedgerError(f"{path}: not a ledger: column {field.name!r} is there {len(found)} times")
        kind = found[0].type
        fits = _is_text(kind) if field.name == "topic" else pa.types.is_integer(kind)
        if not fits:
            expected = "text" if field.name == "topic" else f"{field.type} or another whole number"
            raise LedgerError(f"{path}: column {field.name!r} is {one_line(kind):.80}; expected {expected}")


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _check_sizes(path: Path, sizes: Sequence[int]) -> None:
    """Raise LedgerError for a row group that takes too much memory: a value can repeat in a few bytes."""
    if max(sizes, default=0) > MOST_IN_GROUP:
        raise LedgerError(f"{path}: a row group of {max(sizes)} rows; the most is {MOST_IN_GROUP}: write smaller ones")


def _named_topics(path: Path, note: bytes) -> tuple[str, ...]:
    names = parse_json(note.decode(), f"{path}: its list of topics")
    if not isinstance(names, list):
        raise LedgerError(f"{path}: damaged: its list of topics is {names!r:.60}")
    return _checked_topics(path, names)


def _checked_topics(path: Path, names: Iterable[object]) -> tuple[str, ...]:
    topics = tuple(names)
    for name in topics:
        if not isinstance(name, str) or not is_topic(name):
            raise LedgerError(f"{path}: column 'topic': found {name!r:.60}, which is no topic's name")
    if len(topics) > MAX_TOPICS:
        raise LedgerError(f"{path}: column 'topic': more than {MAX_TOPICS} topics in one ledger")
    return cast("tuple[str, ...]", topics)


def _bounds(column: Any) -> tuple[int, int]:
    statistics = column.statistics
    return (statistics.min, statistics.max) if statistics is not None and statistics.has_min_max else ALL_STREAMS


def _only_value(column: Any) -> Any:
    """Return the only value in a row group's column, None if there may be several or none."""
    statistics = column.statistics
    if statistics is None or not statistics.has_min_max or statistics.null_count or statistics.min != statistics.max:
        return None
    return statistics.min


def _only_control(column: Any) -> bool:
    statistics = column.statistics
    return bool(statistics is not None and statistics.has_min_max and statistics.min >= 5 and statistics.max <= 7)


def _topics(path: Path, file: pq.ParquetFile) -> tuple[str, ...]:
    found: dict[object, None] = {}
    for group in range(file.num_row_groups):
        for value in file.read_row_group(group, ["topic"], use_threads=False)["topic"].unique().to_pylist():
            found[value] = None
    return _checked_topics(path, found)
