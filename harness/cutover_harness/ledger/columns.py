"""A ledger's rows in memory, column by column."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from cutover_harness.ledger.format import ROW_DTYPE

Array: TypeAlias = npt.NDArray[Any]
Int64: TypeAlias = npt.NDArray[np.int64]
UInt64: TypeAlias = npt.NDArray[np.uint64]
Mask: TypeAlias = npt.NDArray[np.bool_]

#: Everything; a range of streams is [low, high] with both ends included, so that no stream falls outside.
ALL_STREAMS = (0, 2**64 - 1)


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows of one or more ledgers; all arrays have the same length. `topic` is an index into a tuple of names.

    An array in which all rows are known to be alike may be a broadcast of one value (see `constant`): most are, by
    stream, and what is not in memory costs no time. All arrays are to be taken as read-only.
    """

    event: npt.NDArray[np.uint8]
    cluster: npt.NDArray[np.uint8]
    topic: npt.NDArray[np.uint16]
    partition: npt.NDArray[np.int32]
    offset: Int64
    sequence: Int64
    stream: UInt64
    time_ns: Int64

    def __len__(self) -> int:
        return len(self.event)

    def take(self, chosen: Array | slice) -> Self:
        """Return the rows that a mask, an array of row numbers or a slice chooses."""
        size = int(np.count_nonzero(chosen)) if isinstance(chosen, np.ndarray) and chosen.dtype == np.bool_ else None
        return type(self)(*(take(getattr(self, f.name), chosen, size) for f in fields(self)))

    def copied(self) -> Self:
        """Return the rows in memory of their own."""
        return type(self)(*(v if is_constant(v) else v.copy() for v in (getattr(self, f.name) for f in fields(self))))

    @classmethod
    def of_rows(cls, rows: Array) -> Self:
        """Copy rows of the journal's dtype into columns."""
        return cls(*(np.ascontiguousarray(rows[f.name]) for f in fields(cls)))

    @classmethod
    def empty(cls) -> Self:
        """Return no rows."""
        return cls.of_rows(np.empty(0, ROW_DTYPE))

    @classmethod
    def collect(cls, parts: Iterable[Self], most: int) -> Self:
        """Return at most `most` rows of all parts, with no more than one part in memory besides the result."""
        found = [_Collected() for _ in fields(cls)]
        size = 0
        for part in parts:
            if len(part):
                for column, field in zip(found, fields(cls), strict=True):
                    column.add(getattr(part, field.name), size, most)
                size += len(part)
        return cls(*(column.result(size) for column in found)) if size else cls.empty()

    @classmethod
    def concat(cls, parts: Iterable[Self]) -> Self:
        """Concatenate all parts."""
        found = [part for part in parts if len(part)]
        if len(found) == 1:
            return found[0]
        return cls(*(_concat([getattr(p, f.name) for p in found]) for f in fields(cls))) if found else cls.empty()


@dataclass
class _Collected:
    """One column while it is collected: a single value as long as all are equal, then an array."""

    array: Array | None = None
    value: Any = None

    def add(self, part: Array, at: int, total: int) -> None:
        if self.array is None:
            if is_constant(part) and (at == 0 or part[0] == self.value):
                self.value = part[0]
                return
            self.array = np.empty(total, part.dtype)
            if at:
                self.array[:at] = self.value
        self.array[at : at + len(part)] = part

    def result(self, size: int) -> Array:
        return constant(self.value, size, self.value.dtype) if self.array is None else self.array[:size]


def constant(value: object, size: int, dtype: npt.DTypeLike) -> Array:
    """Return `size` equal values in the memory of one."""
    kind = np.dtype(dtype)
    # Several times as fast as `broadcast_to`, which counts: a row group has five such columns.
    return np.ndarray((size,), kind, np.array(value, kind).tobytes(), strides=(0,))


def is_constant(values: Array) -> bool:
    """Return whether the values are known to be equal without reading them."""
    return len(values) > 0 and values.strides == (0,)


def take(values: Array, chosen: Array | slice, size: int | None = None) -> Array:
    """Return the chosen values; for equal ones `size`, or one per row number."""
    if isinstance(chosen, slice) or not is_constant(values):
        return values[chosen]
    return constant(values[0], len(chosen) if size is None else size, values.dtype)


def _concat(parts: list[Array]) -> Array:
    if all(is_constant(part) and part[0] == parts[0][0] for part in parts):
        return constant(parts[0][0], sum(map(len, parts)), parts[0].dtype)
    return np.concatenate(parts)


def is_control(event: npt.NDArray[np.uint8]) -> Mask:
    """Return the mask of rows without a record (COMMITTED, ASSIGNED, REVOKED)."""
    chosen: Mask = (event >= 5) & (event <= 7)
    return chosen


def in_range(stream: UInt64, low: int, high: int) -> Mask:
    """Return the mask of `low <= stream <= high`."""
    chosen: Mask = (stream >= np.uint64(low)) & (stream <= np.uint64(high))
    return chosen


def by_stream(columns: Columns) -> Columns:
    """Sort by stream; rows of one stream keep their order."""
    stream = columns.stream
    if len(stream) < 2 or is_constant(stream) or bool((stream[1:] >= stream[:-1]).all()):
        return columns
    return columns.take(np.argsort(stream, kind="stable"))
