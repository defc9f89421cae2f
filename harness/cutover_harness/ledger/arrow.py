"""Arrow's tables as columns of a ledger, with their values checked."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from cutover_harness.ledger.columns import Array, Columns, constant, is_constant
from cutover_harness.ledger.errors import LedgerError
from cutover_harness.ledger.format import CLUSTER_NAMES, EVENTS, RANGES

#: No value is ever missing: columns that cannot be empty are decoded in less time.
SCHEMA = pa.schema(
    [
        pa.field(name, kind, nullable=False)
        for name, kind in (
            ("event", pa.uint8()),
            ("cluster", pa.uint8()),
            ("topic", pa.dictionary(pa.int32(), pa.string())),
            ("partition", pa.int32()),
            ("offset", pa.int64()),
            ("stream", pa.uint64()),
            ("sequence", pa.int64()),
            ("time_ns", pa.int64()),
        )
    ]
)

# Arrow raises various errors for damaged bytes, also in the statistics.
DECODING_ERRORS = (
    pa.ArrowException,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    MemoryError,
    NotImplementedError,
)


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Raise LedgerError for what Arrow raises while it decodes a file."""
    try:
        yield
    except DECODING_ERRORS as error:
        raise LedgerError(f"{path}: damaged: {one_line(error) or type(error).__name__}") from error


def one_line(error: object) -> str:
    """Return a text without line breaks."""
    return " ".join(str(error).split())


def to_columns(table: pa.Table, known: Mapping[str, Array], size: int, number: Mapping[str, int]) -> Columns:
    """Return a row group as columns, without a copy. Raises ArrowInvalid for an empty value or an unknown topic.

    known: the columns that are not in the table. number: of topics.
    """
    values: dict[str, Any] = {}
    for field in SCHEMA:
        if field.name in known:
            values[field.name] = known[field.name]
            continue
        column = table[field.name]
        if column.num_chunks != 1:  # Arrow would copy a single chunk, too
            column = column.combine_chunks()
        chunk = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
        if chunk.null_count:
            raise pa.ArrowInvalid(f"column {field.name!r} has {chunk.null_count} empty values")
        if field.name == "topic":
            chunk = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
            names = chunk.dictionary.to_pylist()
            if unknown := [name for name in names if name not in number]:
                raise pa.ArrowInvalid(f"topic {unknown[0]!r:.60} is not in its list of topics")
            codes = np.array([number[name] for name in names], np.uint16)
            one = len(codes) == 1
            values["topic"] = constant(codes[0], size, np.uint16) if one else codes[_numbers(chunk.indices)]
        else:
            values[field.name] = _numbers(chunk if chunk.type == field.type else chunk.cast(field.type))
    return Columns(**values)


def _numbers(array: pa.Array) -> Array:
    """Return whole numbers, none of them null, without a copy. Arrow's `to_numpy` imports pandas: 0.3 s and 50 MB."""
    kind = f"{'i' if pa.types.is_signed_integer(array.type) else 'u'}{array.type.bit_width // 8}"
    if not len(array):
        return np.empty(0, kind)
    return np.frombuffer(array.buffers()[1], kind, len(array), array.offset * np.dtype(kind).itemsize)


def whole_numbers(table: pa.Table, name: str, kind: pa.DataType) -> Array:
    """Return a table's column of whole numbers. Raises ArrowInvalid for an empty value."""
    column = table[name]
    if column.null_count:
        raise pa.ArrowInvalid(f"column {name!r} has {column.null_count} empty values")
    chunks = [_numbers(chunk if chunk.type == kind else chunk.cast(kind)) for chunk in column.chunks]
    return chunks[0] if len(chunks) == 1 else np.concatenate([_numbers(pa.array([], kind)), *chunks])


def check_values(path: Path, columns: Columns) -> None:
    """Raise LedgerError for numbers that are invalid in the format."""
    for name in ("partition", "offset", "sequence"):
        values = _different(getattr(columns, name))
        low = RANGES[name][0]
        if len(values) and values.min() < low:
            raise LedgerError(f"{path}: column {name!r}: found {values.min()}; the least is {low}")
    known = np.zeros(256, np.bool_)
    known[list(CLUSTER_NAMES)] = True
    cluster, event = _different(columns.cluster), _different(columns.event)
    if not known[cluster].all():
        wrong = cluster[~known[cluster]][0]
        raise LedgerError(f"{path}: column 'cluster': found {wrong}; it is one of {', '.join(map(str, CLUSTER_NAMES))}")
    if len(event) and not (event.min() >= 1 and event.max() <= len(EVENTS)):
        wrong = event[(event < 1) | (event > len(EVENTS))][0]
        raise LedgerError(f"{path}: column 'event': found {wrong}; it is from 1 to {len(EVENTS)}")


def _different(values: Array) -> Array:
    """Return the values, of equal ones only the first."""
    return values[:1] if is_constant(values) else values
