"""Writing capture files: columns to record batches, record batches to a file that appears only when it is whole."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from cutover_harness.capture.format import METADATA_KEY, SCHEMA, CaptureError, CaptureInfo

Header = tuple[str, bytes | None]


def record_batch(
    topics: Sequence[str],
    partitions: Sequence[int],
    offsets: Sequence[int],
    timestamps: Sequence[int],
    timestamp_types: Sequence[int],
    keys: Sequence[bytes | None],
    values: Sequence[bytes | None],
    headers: Sequence[Sequence[Header] | None],
) -> pa.RecordBatch:
    """Return columns of equal length as a batch of SCHEMA; timestamps in ms."""
    return pa.record_batch(
        [
            pa.array(topics, pa.string()).dictionary_encode(),
            pa.array(partitions, pa.int32()),
            pa.array(offsets, pa.int64()),
            pa.array(timestamps, pa.int64()),
            pa.array(timestamp_types, pa.int8()),
            pa.array(keys, pa.binary()),
            pa.array(values, pa.binary()),
            header_array(headers),
        ],
        schema=SCHEMA,
    )


def header_array(headers: Sequence[Sequence[Header] | None]) -> pa.Array:
    """Return the header lists as one Arrow array (faster than Arrow's own conversion of nested tuples)."""
    type_ = SCHEMA.field("headers").type
    if not any(headers):
        return pa.nulls(len(headers), type_)
    ends = [0]
    flat: list[Header] = []
    for each in headers:
        if each:
            flat.extend(each)
        ends.append(len(flat))
    names = pa.array([name for name, _ in flat], pa.string())
    values = pa.array([value for _, value in flat], pa.binary())
    structs = pa.StructArray.from_arrays([names, values], fields=list(type_.value_type))
    mask = pa.array([not each for each in headers], pa.bool_())
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), structs, type=type_, mask=mask)


class CaptureWriter:
    """Writes one capture; the file appears under its name, whole and synced, at `close(info)`, and never before.

    Leaving the context without `close()` removes what was written. Memory: the row group in hand.
    """

    def __init__(self, path: Path, *, schema: pa.Schema = SCHEMA) -> None:
        self.path = path
        self.records = 0
        self._partial = path.with_name(f".{path.name}.partial")
        try:
            self._writer: pq.ParquetWriter | None = pq.ParquetWriter(
                self._partial,
                schema,
                compression="zstd",
                compression_level=1,
                write_statistics=["topic", "partition", "offset", "timestamp"],
                use_dictionary=["topic", "key", "headers.list.element.name"],
                write_page_checksum=True,
            )
        except OSError as why:
            raise CaptureError(f"capture {path}: cannot be written ({why})") from why

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self._partial.unlink(missing_ok=True)

    def write(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Append `batch` as a row group; raises CaptureError when the disk is full."""
        assert self._writer is not None, "closed already"  # noqa: S101 - a defect of the caller
        table = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
        if table.num_rows == 0:
            return
        try:
            self._writer.write_table(table)
        except OSError as why:
            raise CaptureError(f"capture {self.path}: cannot be written ({why})") from why
        self.records += table.num_rows

    def close(self, info: CaptureInfo) -> None:
        """Write the metadata and the footer, sync, and give the file its name."""
        assert self._writer is not None, "closed already"  # noqa: S101 - a defect of the caller
        self._writer.add_key_value_metadata({METADATA_KEY.decode(): info.to_json()})
        self._writer.close()
        self._writer = None
        with self._partial.open("rb+") as raw:
            os.fsync(raw.fileno())
        self._partial.replace(self.path)
