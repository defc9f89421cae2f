"""Write capture files: columns to record batches, record batches to a file that appears only when complete."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import pyarrow as pa
import pyarrow.parquet as pq

from cutover_harness.capture.appending import PartWriter, read_parts, whole_footer
from cutover_harness.capture.format import SCHEMA, CaptureError, CaptureInfo
from cutover_harness.privacy import opened

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
    """Writes one capture; the file appears under its name, complete and synced, at `close(info)`, never before.

    Until then it is written to `partial`, by default next to it. Leaving the context without `close()` removes what was
    written, or after `keep()` leaves it to be made whole by `recover`. Memory: the row group in hand.
    """

    def __init__(self, path: Path, *, partial: Path | None = None) -> None:
        self.path = path
        self.records = 0
        self._partial = path.with_name(f".{path.name}.partial") if partial is None else partial
        self._parts: list[pq.FileMetaData] = []
        try:
            self._file: BinaryIO | None = open(self._partial, "wb", opener=opened)  # noqa: SIM115
            self._writer = PartWriter(self._file, self._parts)
        except OSError as why:
            raise CaptureError(f"capture {path}: cannot be written ({why.strerror})") from why

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self.keep()
            self._partial.unlink(missing_ok=True)

    def write(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Append `batch` as a row group; raises CaptureError when the disk is full."""
        table = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
        if table.num_rows == 0:
            return
        with self._writing():
            self._writer.write(table)
        self.records += table.num_rows

    def checkpoint(self) -> int:
        """Return how many bytes of the partial file `recover` needs for the records so far."""
        file = self._open
        with self._writing():
            self._writer.close()
            file.flush()
            length = file.tell()
            self._writer = PartWriter(file, self._parts)
        return length

    def keep(self) -> None:
        """Close the partial file with the records of the last `checkpoint()`; does nothing after `close()`."""
        if self._file is None:
            return
        self._writer.drop()
        with suppress(OSError):  # the disk may be too full for the buffered bytes
            self._file.close()
        self._file = None

    def close(self, info: CaptureInfo) -> None:
        """Write the metadata and the footer, sync, and give the file its name."""
        file = self._open
        with self._writing():
            self._writer.close()
            file.write(whole_footer(self._parts, info))
            file.flush()
            os.fsync(file.fileno())
            file.close()
        self._file = None
        self._partial.replace(self.path)

    @property
    def _open(self) -> BinaryIO:
        assert self._file is not None, "closed already"  # noqa: S101 - a defect of the caller
        return self._file

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as why:
            raise CaptureError(f"capture {self.path}: cannot be written ({why})") from why


def recover(partial: Path, length: int, info: CaptureInfo) -> None:
    """Turn the first `length` bytes of an unfinished file, from `checkpoint()`, into a capture. Raises CaptureError."""
    try:
        with partial.open("rb+") as file:
            parts = read_parts(file, length)
            file.truncate(length)
            file.seek(length)
            file.write(whole_footer(parts, info))
    except (OSError, ValueError, pa.ArrowException) as why:
        raise CaptureError(f"capture {partial}: damaged ({' '.join(str(why).split())[:160]}); record it again") from why
