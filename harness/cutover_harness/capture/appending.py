"""Appending to a Parquet file, so that each byte is written once and a killed process loses almost nothing.

The file is a row of *parts*, each of which ends with a footer of its own about its row groups; the last footer is about
all of them, and it is the only one that readers look at. If a file ends with the footer of a part, the others are
found from it, from behind.
"""

from __future__ import annotations

import io
import mmap
from contextlib import suppress
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from cutover_harness.capture.format import MAGIC, METADATA_KEY, SCHEMA, CaptureInfo

_BUFFER = 8 << 20
_TAIL = 4 + len(MAGIC)  # a footer ends with its length and the magic
_SKIP = memoryview(mmap.mmap(-1, 256 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ))


class _Sink(io.RawIOBase):
    """The sink of a Parquet writer: `file`; while `skipping` it discards everything."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.skipping = False

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]
        return len(data) if self.skipping else self._file.write(data)


class PartWriter:
    """Writes a part at the end of `file`, which stays open; its closing adds the part's footer to `footers`.

    Parquet's writer begins every file at 0. Offsets are of the whole file all the same, as it counts what it believes
    to have written, which is as much as there is already (address space that is never touched).
    """

    def __init__(self, file: BinaryIO, footers: list[pq.FileMetaData]) -> None:
        at = file.tell()
        self._sink = _Sink(file)
        self._sink.skipping = at > 0
        # Buffered, as each write to the sink waits for the interpreter's lock.
        self._stream = pa.BufferedOutputStream(pa.PythonFile(self._sink, "w"), _BUFFER)
        self._writer = _writer(self._stream, footers)
        left = at - len(MAGIC)
        while left > 0:
            self._stream.write(_SKIP[:left])
            left -= len(_SKIP)
        self._stream.flush()
        self._sink.skipping = False

    def write(self, table: pa.Table) -> None:
        """Write a row group; raises OSError."""
        self._writer.write_table(table)

    def close(self) -> None:
        """Write the footer; raises OSError."""
        self._writer.close()
        self._stream.close()

    def drop(self) -> None:
        """End without writing anything, also after an error; an incomplete part does not count."""
        self._sink.skipping = True
        with suppress(OSError, RuntimeError, pa.ArrowException):  # a failed writer has no footer
            self.close()


def whole_footer(parts: list[pq.FileMetaData], info: CaptureInfo) -> bytes:
    """Return the footer of a file with the row groups of all `parts`."""
    found: list[pq.FileMetaData] = []
    with _writer(pa.BufferOutputStream(), found) as empty:
        empty.add_key_value_metadata({METADATA_KEY.decode(): info.to_json()})
    whole = found[0]
    for part in parts:
        whole.append_row_groups(part)
    text = io.BytesIO()
    whole.write_metadata_file(text)
    return text.getvalue()[len(MAGIC) :]


def read_parts(file: BinaryIO, length: int) -> list[pq.FileMetaData]:
    """Return the footers of the parts in the first `length` bytes of `file`. Raises ValueError if there are none."""
    parts: list[pq.FileMetaData] = []
    end = length
    while end > len(MAGIC):
        file.seek(end - _TAIL)
        tail = file.read(_TAIL)
        size = int.from_bytes(tail[:4], "little") + _TAIL
        if tail[4:] != MAGIC or size > end:
            raise ValueError(f"no footer of a part at byte {end}")
        file.seek(end - size)
        part = pq.read_metadata(pa.BufferReader(MAGIC + file.read(size)))
        parts.append(part)
        begin = _begin(part, end - size)
        if not begin < end:
            raise ValueError(f"a part at byte {end} begins at byte {begin}")
        end = begin
    return parts[::-1]


def _begin(part: pq.FileMetaData, footer: int) -> int:
    """Return the start of a part: its first column, or its footer at `footer` if it is empty."""
    if not part.num_row_groups:
        return footer
    first = part.row_group(0).column(0)
    return int(first.dictionary_page_offset if first.has_dictionary_page else first.data_page_offset)


def _writer(where: pa.NativeFile, footers: list[pq.FileMetaData]) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        where,
        SCHEMA,
        compression="zstd",
        compression_level=1,
        write_statistics=["topic", "partition", "offset", "timestamp"],
        use_dictionary=["topic", "key", "headers.list.element.name"],
        write_page_checksum=True,
        metadata_collector=footers,
    )
