"""Ledgers written by an application team, as CSV or JSON lines."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from cutover_harness.ledger.columns import Columns, Int64, UInt64, by_stream, in_range, is_control
from cutover_harness.ledger.errors import LedgerError
from cutover_harness.ledger.files import parse_json, reading, require_file
from cutover_harness.ledger.format import (
    ASSIGNED,
    CLUSTER_NAMES,
    COMMITTED,
    DELIVERED,
    EVENTS,
    MAX_TOPICS,
    NO_OFFSET,
    NO_SEQUENCE,
    RANGES,
    REVOKED,
    ROW,
    ROW_DTYPE,
    is_topic,
)
from cutover_harness.ledger.identity import stream_id
from cutover_harness.ledger.names import StreamName

_EVENT_NUMBERS = {name: number for number, name in enumerate(EVENTS, 1)}
_CLUSTER_NUMBERS = {name: number for number, name in CLUSTER_NAMES.items()}
_COLUMNS = ("event", "cluster", "topic", "partition", "offset", "stream", "key", "sequence", "time", "time_ns")
#: Up to 20 digits, as many as the greatest number has.
_WHOLE = re.compile(r"\s*[+-]?[0-9]{1,20}\s*", re.ASCII)


@dataclass
class MemoryRows:
    """Rows in memory; `topics` are the names of the numbers in `columns.topic`."""

    columns: Columns
    topics: tuple[str, ...]
    names: dict[int, StreamName] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of events."""
        return len(self.columns)

    def records(self, low: int, high: int) -> Columns:
        """Return the rows of records in the streams [low, high], by stream, each in the ledger's order."""
        chosen = ~is_control(self.columns.event) & in_range(self.columns.stream, low, high)
        return by_stream(self.columns.take(chosen))

    def pieces(self, low: int, high: int) -> Iterator[Columns]:
        """Return the rows of `records`, all of them at a time."""
        yield self.records(low, high)

    def control(self) -> Columns:
        """Return the rows of commits and assignments in the ledger's order."""
        return self.columns.take(is_control(self.columns.event))

    def everything(self) -> Columns:
        """Return all rows in the ledger's order."""
        return self.columns

    def sample(self, size: int) -> UInt64:
        """Return the streams of up to about `size` records, evenly spread over the ledger."""
        step = max(1, self.count // size)
        return self.columns.stream[::step][~is_control(self.columns.event[::step])]

    def times(self, size: int) -> Int64:
        """Return the times of up to about `size` events, evenly spread over the ledger."""
        return self.columns.time_ns[:: max(1, self.count // size)]


_REQUIRED = ("event", "topic", "partition")


def read_csv(path: Path, *, rows: int | None = None) -> MemoryRows:
    """Read events with a header line; `docs/ledger.md` lists the columns.

    rows: how many there are, if the process wrote that down. Raises LedgerError naming line and field, also for a file
    that was cut off. A file without a single byte has no rows: whether that says anything is not for the reader.
    """
    require_file(path)
    # Bytes that are not UTF-8 are kept: a key may be any bytes, and all other fields are checked.
    with reading(path), path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        lines = _Lines(file)
        reader = csv.reader(lines, strict=True)
        try:
            header = next(reader, None)
            found = MemoryRows(Columns.empty(), ()) if header is None else _rows(path, _entries(path, reader, header))
        except csv.Error as error:
            raise LedgerError(f"{path}: line {max(1, lines.number)} is not CSV ({error}): cut off?") from None
    if lines.cut:
        raise LedgerError(
            f"{path}: line {lines.number} does not end with a line break: cut off? Copy the file again; if the process "
            "was killed while it wrote the line, remove the line; if the line is complete, add a line break"
        )
    return _counted(path, found, rows)


def read_json_lines(path: Path, *, rows: int | None = None) -> MemoryRows:
    """Read one JSON object per line with the same fields as CSV. Raises LedgerError naming line and field."""
    require_file(path)
    with reading(path), path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        return _counted(path, _rows(path, _objects(path, file)), rows)


class _Lines:
    """Lines of a file, with the number of the last one and whether it lacks its line break."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = lines
        self.number = 0
        self.cut = False

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.number += 1
            self.cut = not line.endswith(("\n", "\r"))
            yield line


def _counted(path: Path, found: MemoryRows, rows: int | None) -> MemoryRows:
    if rows is not None and rows != found.count:
        raise LedgerError(f"{path}: {found.count} rows, but its ledger.json says {rows}: cut off? Copy it again")
    return found


def _entries(path: Path, reader: Any, header: list[str]) -> Iterator[tuple[int, Mapping[str, object]]]:
    known = f"known are {', '.join(_COLUMNS)}"
    for place, name in enumerate(header):
        if name not in _COLUMNS:
            hint = "; columns are separated by commas" if any(mark in name for mark in ";\t|") else ""
            hint = "; is it CSV in UTF-8?" if "\0" in name or not _is_text(name) else hint
            raise LedgerError(f"{path}: line 1: unknown column {name!r:.60}; {known}{hint}")
        if name in header[:place]:
            raise LedgerError(f"{path}: line 1: column {name!r} is there twice")
    missing = [name for name in _REQUIRED if name not in header]
    if not {"time", "time_ns"} & set(header):
        missing.append("time")
    if missing:
        raise LedgerError(f"{path}: line 1: column {missing[0]!r} is missing; {known}")
    for row in reader:
        if not row:
            continue  # an empty line
        if len(row) != len(header):
            raise LedgerError(
                f"{path}: line {reader.line_num}: {len(row)} fields, but the header has {len(header)}: cut off?"
            )
        yield reader.line_num, dict(zip(header, row, strict=True))


def _objects(path: Path, lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, object]]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            entry = parse_json(line, f"{path}: line {number}")
            if not isinstance(entry, dict):
                raise LedgerError(f"{path}: line {number} is not a JSON object")
            wrong = [name for name in entry if name not in _COLUMNS]
            if wrong:
                raise LedgerError(
                    f"{path}: line {number}: unknown field {wrong[0]!r:.60}; known are {', '.join(_COLUMNS)}"
                )
            yield number, entry


def _rows(path: Path, entries: Iterable[tuple[int, Mapping[str, object]]]) -> MemoryRows:
    topics: dict[str, int] = {}
    names: dict[int, StreamName] = {}
    packed = bytearray()
    for number, entry in entries:
        try:
            packed += ROW.pack(*_row(entry, topics, names))
        except KeyError as error:
            raise LedgerError(f"{path}: line {number}: field {error} is missing") from None
        except ValueError as error:
            raise LedgerError(f"{path}: line {number}: {error}") from None
    return MemoryRows(Columns.of_rows(np.frombuffer(packed, ROW_DTYPE)), tuple(topics), names)


def _row(entry: Mapping[str, object], topics: dict[str, int], names: dict[int, StreamName]) -> tuple[int, ...]:
    event = _code(_needed(entry, "event"), _EVENT_NUMBERS, "event")
    cluster = _code(_given(entry, "cluster", "unknown"), _CLUSTER_NUMBERS, "cluster")
    topic, partition = _topic(_needed(entry, "topic")), _number(entry, "partition")
    sequence = _number(entry, "sequence", NO_SEQUENCE)
    stream = 0
    if sequence < 0 and event not in (DELIVERED, COMMITTED, ASSIGNED, REVOKED):
        raise KeyError("sequence")
    if 5 <= event <= 7 or sequence < 0:
        sequence = NO_SEQUENCE
    elif _given(entry, "stream", None) is not None:
        stream = _number(entry, "stream")
    else:
        key = _key(_given(entry, "key", None))
        stream = stream_id(topic, key, partition)
        names.setdefault(stream, StreamName(topic, key, partition))
    code = topics.setdefault(topic, len(topics))
    if code == MAX_TOPICS:
        raise ValueError(f"more than {MAX_TOPICS} topics in one ledger")
    return (_number(entry, "offset", NO_OFFSET), sequence, stream, _time(entry), partition, code, cluster, event)


def _given(entry: Mapping[str, object], name: str, otherwise: object) -> object:
    value = entry.get(name)
    return otherwise if value is None or value == "" else value  # an empty CSV field is missing


def _needed(entry: Mapping[str, object], name: str) -> object:
    value = _given(entry, name, None)
    if value is None:
        raise KeyError(name)
    return value


def _code(value: object, numbers: Mapping[str, int], what: str) -> int:
    text = "" if isinstance(value, bool | float) else str(value).strip()
    by_name = {name.lower(): number for name, number in numbers.items()}
    if text.lower() in by_name:
        return by_name[text.lower()]
    if text in {str(number) for number in numbers.values()}:
        return int(text)
    raise ValueError(f"unknown {what} {value!r:.60}; known are {', '.join(numbers)}")


def _topic(value: object) -> str:
    if not isinstance(value, str) or not is_topic(value):
        raise _unfit("topic", value, "which is no topic's name")
    return value


def _key(value: object) -> bytes | None:
    if value is None:
        return None
    if isinstance(value, bool | float) or not isinstance(value, str | int):
        raise _unfit("key", value, "not text")
    try:
        return str(value).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise _unfit("key", value, "which is not Unicode text") from None


def _is_text(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _number(entry: Mapping[str, object], name: str, otherwise: int | None = None) -> int:
    value = _given(entry, name, otherwise)
    if value is None:
        raise KeyError(name)
    text = str(value)
    if isinstance(value, bool) or not _WHOLE.fullmatch(text):
        raise _unfit(name, value, "not a whole number")
    low, high = RANGES[name]
    if not low <= int(text) <= high:
        raise ValueError(f"{name} is {text}, not between {low} and {high}")
    return int(text)


def _time(entry: Mapping[str, object]) -> int:
    if _given(entry, "time_ns", None) is not None:
        return _number(entry, "time_ns")
    text = str(_needed(entry, "time"))
    try:
        moment = datetime.fromisoformat(text)
        # A time with an offset may be outside of the valid years in UTC.
        since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"time is {text!r:.60}, not ISO 8601") from None
    found = (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
    low, high = RANGES["time_ns"]
    if not low <= found <= high:
        raise ValueError(f"time is {text!r:.60}; nanoseconds since 1970 reach from 1677 to 2262")
    return found


def _unfit(name: str, value: object, how: str) -> ValueError:
    return ValueError(f"{name} is {value!r:.60}, {how}")
