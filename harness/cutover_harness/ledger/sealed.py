"""The sealed form of a ledger: Parquet, sorted by stream, so that a judge reads one stream at a time."""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cutover_harness.ledger.columns import (
    ALL_STREAMS,
    Columns,
    UInt64,
    by_stream,
    constant,
    in_range,
    is_constant,
    is_control,
)
from cutover_harness.ledger.format import ROW_DTYPE, VERSION, LedgerError
from cutover_harness.ledger.journal import JournalRows

#: Parquet key-value metadata that promises the order: control rows first, then by stream.
SORTED_KEY = b"kafka-cutover.ledger"
SORTED_VALUE = f"{VERSION} sorted by stream".encode()
TOPICS_KEY = b"kafka-cutover.topics"

_OFTEN_CONSTANT = ("event", "cluster", "topic", "partition", "stream")
_ROW_GROUP = 1 << 16
_SEAL_AT_ONCE = 1 << 22

SCHEMA = pa.schema(
    [
        ("event", pa.uint8()),
        ("cluster", pa.uint8()),
        ("topic", pa.dictionary(pa.int32(), pa.string())),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("stream", pa.uint64()),
        ("sequence", pa.int64()),
        ("time_ns", pa.int64()),
    ]
)


class ParquetRows:
    """Rows of a sealed ledger; reads the row groups that hold the wanted streams and no others."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _open(path) as file:
            missing = sorted(set(SCHEMA.names) - set(file.schema_arrow.names))
            if missing:
                raise LedgerError(f"{path}: not a ledger: column {missing[0]!r} is missing")
            metadata = file.metadata
            self.count: int = metadata.num_rows
            notes = file.schema_arrow.metadata or {}
            self.sorted = notes.get(SORTED_KEY) == SORTED_VALUE
            column = {metadata.schema.column(i).name: i for i in range(metadata.num_columns)}
            groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
            # Where a row group's statistics say that a column holds one value, it need not be read.
            self._sizes = [group.num_rows for group in groups]
            self._constants = [
                {name: v for name in _OFTEN_CONSTANT if (v := _only_value(group.column(column[name]))) is not None}
                for group in groups
            ]
            self._bounds = [_bounds(group.column(column["stream"])) for group in groups]
            self._is_control = [_only_control(group.column(column["event"])) for group in groups]
            self.topics = tuple(json.loads(notes[TOPICS_KEY])) if TOPICS_KEY in notes else _topics(file)

    def records(self, low: int, high: int) -> Columns:
        """Return the rows about records of the streams in [low, high], by stream, each in the ledger's order."""
        wanted = [
            i
            for i, (first, last) in enumerate(self._bounds)
            if not self._is_control[i] and first <= high and last >= low
        ]
        parts = (self._chosen(columns, low, high) for columns in self._read(wanted))
        # Copied one by one: a row group that was decoded goes away before the next one is.
        return by_stream(Columns.collect(parts, sum(self._sizes[i] for i in wanted)))

    def control(self) -> Columns:
        """Return the rows about positions and assignments in the ledger's order."""
        wanted = [i for i, only in enumerate(self._is_control) if only or not self.sorted]
        return Columns.concat(c.take(is_control(c.event)) for c in self._read(wanted))

    def everything(self) -> Columns:
        """Return all rows, in the file's order."""
        return Columns.concat(self._read(range(len(self._bounds))))

    def sample(self, size: int) -> UInt64:
        """Return the streams of up to about `size` records, evenly spread over the ledger."""
        parts = []
        step = max(1, self.count // size)
        with _open(self.path) as file:
            for group, control in enumerate(self._is_control):
                if not control:
                    first, last = self._bounds[group]
                    rows = file.metadata.row_group(group).num_rows
                    if first == last:
                        parts.append(np.full(max(1, rows // step), first, np.uint64))
                    else:
                        parts.append(file.read_row_group(group, ["stream"])["stream"].to_numpy()[::step])
        return np.concatenate(parts) if parts else np.empty(0, np.uint64)

    def _chosen(self, columns: Columns, low: int, high: int) -> Columns:
        if not self.sorted:
            return columns.take(~is_control(columns.event) & in_range(columns.stream, low, high))
        if is_constant(columns.stream):
            return columns  # the row group was chosen by its stream
        start = int(np.searchsorted(columns.stream, np.uint64(low)))
        end = int(np.searchsorted(columns.stream, np.uint64(high), side="right"))
        return columns.take(slice(start, end))

    def _read(self, groups: Any) -> Iterator[Columns]:
        number = {name: i for i, name in enumerate(self.topics)}
        with _open(self.path) as file:
            for group in groups:
                try:
                    known = self._constants[group]
                    names = [name for name in SCHEMA.names if name not in known]
                    table = file.read_row_group(group, names, use_threads=False)
                    yield _columns(table, known, self._sizes[group], number)
                except (pa.ArrowException, OSError) as error:
                    raise LedgerError(f"{self.path}: damaged: {_line(error)}") from error


def seal(rows: JournalRows, path: Path) -> None:
    """Write a journal's rows as Parquet, in memory that does not grow with the journal."""
    ranges = stream_ranges(rows.sample(1 << 16), rows.count, _SEAL_AT_ONCE)
    write_sealed(path, rows.topics, chain([rows.control()], (rows.records(low, high) for low, high in ranges)))


def write_sealed(path: Path, topics: tuple[str, ...], parts: Iterable[Columns]) -> None:
    """Write rows that come in the sealed form's order: those about positions and assignments first, then by stream."""
    partial = path.with_name(path.name + ".tmp")
    with pq.ParquetWriter(
        partial,
        SCHEMA.with_metadata({SORTED_KEY: SORTED_VALUE, TOPICS_KEY: json.dumps(topics)}),
        compression="none",
        use_dictionary=["event", "cluster", "topic", "partition", "stream"],
        # Within a stream these grow steadily: smaller than compressed, and several times as fast to read.
        column_encoding=dict.fromkeys(("offset", "sequence", "time_ns"), "DELTA_BINARY_PACKED"),
    ) as writer:
        for columns in parts:
            if len(columns):
                writer.write_table(to_table(columns, topics), row_group_size=_ROW_GROUP)
    partial.replace(path)


def stream_ranges(sample: UInt64, count: int, at_once: int) -> list[tuple[int, int]]:
    """Cut all streams into ranges [low, high] that hold about `at_once` of `count` rows; no stream is cut."""
    low, high = ALL_STREAMS
    pieces = -(-count // at_once)
    if pieces < 2 or not len(sample):
        return [(low, high)]
    ordered = np.sort(sample)
    edges = np.unique(ordered[[len(ordered) * i // pieces for i in range(1, pieces)]])
    firsts = [low, *(int(edge) for edge in edges if int(edge) > low)]
    return list(zip(firsts, [*(first - 1 for first in firsts[1:]), high], strict=True))


def to_table(columns: Columns, topics: tuple[str, ...]) -> pa.Table:
    """Return rows as an Arrow table of the sealed form's schema."""
    names = pa.DictionaryArray.from_arrays(pa.array(columns.topic, pa.int32()), pa.array(topics, pa.string()))
    arrays = [names if field.name == "topic" else pa.array(getattr(columns, field.name)) for field in SCHEMA]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, memory_map=True)
    except (pa.ArrowException, OSError) as error:
        raise LedgerError(f"{path}: truncated or not Parquet: {_line(error)}") from error


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _bounds(column: Any) -> tuple[int, int]:
    statistics = column.statistics
    return (statistics.min, statistics.max) if statistics is not None and statistics.has_min_max else ALL_STREAMS


def _only_value(column: Any) -> Any:
    """Return the only value in a row group's column, None where there may be several or none."""
    statistics = column.statistics
    if statistics is None or not statistics.has_min_max or statistics.null_count or statistics.min != statistics.max:
        return None
    return statistics.min


def _only_control(column: Any) -> bool:
    statistics = column.statistics
    return bool(statistics is not None and statistics.has_min_max and statistics.min >= 5 and statistics.max <= 7)


def _topics(file: pq.ParquetFile) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for group in range(file.num_row_groups):
        for value in file.read_row_group(group, ["topic"], use_threads=False)["topic"].unique().to_pylist():
            found[str(value)] = None
    return tuple(found)


def _columns(table: pa.Table, known: Mapping[str, Any], size: int, number: dict[str, int]) -> Columns:
    values = {}
    for field in SCHEMA:
        if field.name in known:
            value = number[known["topic"]] if field.name == "topic" else known[field.name]
            values[field.name] = constant(value, size, ROW_DTYPE[field.name])
            continue
        column = table[field.name].combine_chunks()
        chunk = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
        if chunk.null_count:
            raise pa.ArrowInvalid(f"column {field.name!r} has {chunk.null_count} empty values")
        if field.name == "topic":
            chunk = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
            codes = np.array([number[name] for name in chunk.dictionary.to_pylist()], np.uint16)
            one = len(codes) == 1
            values["topic"] = constant(codes[0], size, np.uint16) if one else codes[chunk.indices.to_numpy()]
        else:
            values[field.name] = chunk.cast(field.type).to_numpy(zero_copy_only=False)
    return Columns(**values)
