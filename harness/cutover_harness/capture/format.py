"""The capture file: recorded traffic as one Parquet file, read in constant memory.

A capture is a Parquet file whose rows are records in the order in which they are replayed: by *due time*, the largest
timestamp seen so far in the record's partition (a partition's own order is never changed, even where producers' clocks
went back). Facts about the recorded cluster are JSON under the key `kafka-cutover` in the file's metadata.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from cutover_harness.closing import Closing
from cutover_harness.errors import UsageError

FORMAT = 1
METADATA_KEY = b"kafka-cutover"
SHARD_NOTE = "shard"
MAGIC = b"PAR1"

HEADERS = pa.list_(pa.struct([pa.field("name", pa.string(), nullable=False), pa.field("value", pa.binary())]))
SCHEMA = pa.schema(
    [
        pa.field("topic", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("timestamp", pa.int64(), nullable=False),
        pa.field("timestamp_type", pa.int8(), nullable=False),
        pa.field("key", pa.binary()),
        pa.field("value", pa.binary()),
        pa.field("headers", HEADERS),
    ]
)
"""Columns of a capture. `timestamp`: ms since the epoch; `timestamp_type`: 0 none, 1 create time, 2 log append time."""


class CaptureError(UsageError):
    """The file is no usable capture; the message is one line with the file and the reason."""


@dataclass(frozen=True)
class TopicInfo:
    """A recorded topic: its partition count, and its properties that differ from the broker's defaults."""

    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class GroupOffsets:
    """A consumer group of the recorded cluster and its committed offsets, `{topic: {partition: next offset}}`."""

    group: str
    committed: Mapping[str, Mapping[int, int]]


@dataclass(frozen=True)
class CaptureInfo:
    """The metadata of a capture: the recorded cluster and the recording."""

    recorded: str
    topics: Mapping[str, TopicInfo]
    groups: Sequence[GroupOffsets] = ()
    notes: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the text for the file's metadata."""
        return json.dumps(
            {
                "format": FORMAT,
                "recorded": self.recorded,
                "topics": {n: {"partitions": t.partitions, "config": dict(t.config)} for n, t in self.topics.items()},
                "groups": [
                    {
                        "group": g.group,
                        "committed": {t: {str(p): o for p, o in ps.items()} for t, ps in g.committed.items()},
                    }
                    for g in self.groups
                ],
                "notes": dict(self.notes),
            }
        )

    @classmethod
    def from_json(cls, text: bytes | str) -> Self:
        """Return the metadata in `text`. Raises ValueError, KeyError or TypeError for anything else."""
        raw = json.loads(text)
        if raw["format"] != FORMAT:
            raise ValueError(f"capture format {raw['format']}, and this version reads format {FORMAT}")
        return cls(
            recorded=str(raw["recorded"]),
            topics={
                name: TopicInfo(int(t["partitions"]), {str(k): str(v) for k, v in t.get("config", {}).items()})
                for name, t in raw["topics"].items()
            },
            groups=tuple(
                GroupOffsets(
                    g["group"], {t: {int(p): int(o) for p, o in ps.items()} for t, ps in g["committed"].items()}
                )
                for g in raw.get("groups", [])
            ),
            notes={str(k): str(v) for k, v in raw.get("notes", {}).items()},
        )


class CaptureReader(Closing):
    """An open capture, validated; `batches()` may be called repeatedly. Use as a context manager, or `close()`.

    Raises CaptureError if the file is missing, empty, truncated, not Parquet, of another schema or without records.
    `may_be_empty`: whether a shard without records is accepted.
    """

    def __init__(self, path: Path, *, may_be_empty: bool = False) -> None:
        self.path = path
        self._file = _open(path)
        try:
            _check_schema(path, self._file.schema_arrow)
            self.info = _read_info(path, self._file)
            self.records: int = self._file.metadata.num_rows
            if not self.records and not (may_be_empty and SHARD_NOTE in self.info.notes):
                raise _without_records(path, self.info)
        except CaptureError:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()

    def batches(self, *, columns: Sequence[str] | None = None, rows: int = 8192) -> Iterator[pa.RecordBatch]:
        """Yield the records in order, at most `rows` at a time and one row group in memory."""
        try:
            for group in range(self._file.num_row_groups):
                yield from self._file.iter_batches(rows, row_groups=[group], columns=columns, use_threads=False)
        except (OSError, pa.ArrowException) as why:
            raise _damaged(self.path, why) from why

    def span_ms(self) -> tuple[int, int]:
        """Return the smallest and largest timestamp (ms), from statistics if the file has them."""
        meta = self._file.metadata
        column = self._file.schema_arrow.names.index("timestamp")
        low, high = [], []
        for group in range(meta.num_row_groups):
            found = meta.row_group(group).column(_leaf(meta, group, "timestamp", column)).statistics
            if found is None or not found.has_min_max:
                return self._scan_span()
            low.append(found.min)
            high.append(found.max)
        return min(low), max(high)

    def _scan_span(self) -> tuple[int, int]:
        low, high = [], []
        for batch in self.batches(columns=["timestamp"]):
            stamps = batch.column(0).to_numpy()
            low.append(int(stamps.min()))
            high.append(int(stamps.max()))
        return min(low), max(high)


def _leaf(meta: Any, group: int, name: str, guess: int) -> int:
    """Return the index of a flat column among a row group's leaves (nested columns may precede it)."""
    row_group = meta.row_group(group)
    for index in range(row_group.num_columns):
        if row_group.column(index).path_in_schema == name:
            return index
    return guess


def _open(path: Path) -> pq.ParquetFile:
    if not path.exists():
        raise CaptureError(f"capture {path}: no such file")
    if not path.is_file():
        raise CaptureError(f"capture {path}: is not a file")
    try:
        size = path.stat().st_size
        with path.open("rb") as raw:
            head = raw.read(4)
            raw.seek(max(size - 4, 0))
            tail = raw.read(4)
    except OSError as why:
        raise CaptureError(f"capture {path}: cannot be read ({why.strerror})") from why
    if size == 0:
        raise CaptureError(f"capture {path}: the file is empty")
    if head != MAGIC:
        raise CaptureError(f"capture {path}: not a Parquet file (it starts with {head!r}, not {MAGIC!r})")
    if size < 12 or tail != MAGIC:
        raise CaptureError(
            f"capture {path}: truncated, the Parquet footer is missing at {size} bytes; copy or record it again"
        )
    try:
        return pq.ParquetFile(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as why:
        raise _damaged(path, why) from why


def _damaged(path: Path, why: Exception) -> CaptureError:
    text = " ".join(str(why).split())
    return CaptureError(f"capture {path}: damaged ({text[:160]}); copy or record it again")


def _check_schema(path: Path, found: pa.Schema) -> None:
    for wanted in SCHEMA:
        index = found.get_field_index(wanted.name)
        if index < 0:
            raise CaptureError(
                f"capture {path}: no column {wanted.name!r} (found {', '.join(found.names) or 'none'}); "
                "captures are made with `kafka-cutover record`"
            )
        kind = found.field(index).type
        if not _same(kind, wanted.type):
            raise CaptureError(f"capture {path}: column {wanted.name!r} is {kind}, expected {wanted.type}")


def _without_records(path: Path, info: CaptureInfo) -> CaptureError:
    if (shard := info.notes.get(SHARD_NOTE)) is not None:
        return CaptureError(
            f"capture {path}: shard {shard} contains no records: merge all shards with `kafka-cutover record --merge`, "
            "and use that capture"
        )
    return CaptureError(f"capture {path}: contains no records; record for longer, or other topics")


def _same(found: pa.DataType, wanted: pa.DataType) -> bool:
    if pa.types.is_dictionary(wanted):
        return bool(found == pa.string() or (pa.types.is_dictionary(found) and found.value_type == pa.string()))
    if pa.types.is_list(wanted):  # names of the list's child differ between Parquet writers
        return bool(
            pa.types.is_list(found)
            and pa.types.is_struct(found.value_type)
            and [(f.name, f.type) for f in found.value_type] == [(f.name, f.type) for f in wanted.value_type]
        )
    return bool(found == wanted)


def _read_info(path: Path, file: pq.ParquetFile) -> CaptureInfo:
    text = (file.metadata.metadata or {}).get(METADATA_KEY)
    if text is None:
        raise CaptureError(
            f"capture {path}: no metadata {METADATA_KEY.decode()!r}; captures are made with `kafka-cutover record`"
        )
    try:
        return CaptureInfo.from_json(text)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as why:
        raise CaptureError(f"capture {path}: metadata {METADATA_KEY.decode()!r} cannot be used ({why!r})") from why
