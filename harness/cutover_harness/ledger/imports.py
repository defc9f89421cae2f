"""Ledgers that an application team logged by itself, as CSV or JSON lines."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from cutover_harness.ledger.columns import Columns, UInt64, by_stream, in_range, is_control
from cutover_harness.ledger.format import (
    ASSIGNED,
    CLUSTER_NAMES,
    COMMITTED,
    DELIVERED,
    EVENTS,
    NO_OFFSET,
    NO_SEQUENCE,
    REVOKED,
    ROW_DTYPE,
    LedgerError,
)
from cutover_harness.ledger.identity import stream_id
from cutover_harness.ledger.names import StreamName

CSV, JSON_LINES = "events.csv", "events.jsonl"

_EVENT_NUMBERS = {name: number for number, name in enumerate(EVENTS, 1)}
_CLUSTER_NUMBERS = {name: number for number, name in CLUSTER_NAMES.items()}
_COLUMNS = ("event", "cluster", "topic", "partition", "offset", "stream", "key", "sequence", "time", "time_ns")


@dataclass
class MemoryRows:
    """Rows that are in memory; `topics` are the names of the numbers in `columns.topic`."""

    columns: Columns
    topics: tuple[str, ...]
    names: dict[int, StreamName] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of events."""
        return len(self.columns)

    def records(self, low: int, high: int) -> Columns:
        """Return the rows about records of the streams in [low, high], by stream, each in the ledger's order."""
        chosen = ~is_control(self.columns.event) & in_range(self.columns.stream, low, high)
        return by_stream(self.columns.take(chosen))

    def control(self) -> Columns:
        """Return the rows about positions and assignments in the ledger's order."""
        return self.columns.take(is_control(self.columns.event))

    def everything(self) -> Columns:
        """Return all rows in the ledger's order."""
        return self.columns

    def sample(self, size: int) -> UInt64:
        """Return the streams of up to about `size` records, evenly spread over the ledger."""
        step = max(1, self.count // size)
        return self.columns.stream[::step][~is_control(self.columns.event[::step])]


def read_csv(path: Path) -> MemoryRows:
    """Read events with a header line; `docs/ledger.md` lists the columns. Raises LedgerError naming the line."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            wrong = [name for name in reader.fieldnames or () if name not in _COLUMNS]
            if wrong:
                raise LedgerError(f"{path}: unknown column {wrong[0]!r}; known are {', '.join(_COLUMNS)}")
            return _rows(path, ((reader.line_num, row) for row in reader))
    except (UnicodeDecodeError, csv.Error) as error:
        raise LedgerError(f"{path}: not CSV in UTF-8 ({error})") from None


def read_json_lines(path: Path) -> MemoryRows:
    """Read one JSON object a line with the same fields as CSV. Raises LedgerError naming the line."""
    try:
        with path.open(encoding="utf-8") as file:
            return _rows(path, _objects(path, file))
    except UnicodeDecodeError as error:
        raise LedgerError(f"{path}: not UTF-8 ({error})") from None


def _objects(path: Path, lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, object]]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                entry = json.loads(line)
            except ValueError as error:
                raise LedgerError(f"{path}: line {number} is not JSON ({error}): truncated?") from None
            if not isinstance(entry, dict):
                raise LedgerError(f"{path}: line {number} is not a JSON object")
            wrong = [name for name in entry if name not in _COLUMNS]
            if wrong:
                raise LedgerError(f"{path}: line {number}: unknown field {wrong[0]!r}; known are {', '.join(_COLUMNS)}")
            yield number, entry


def _rows(path: Path, entries: Iterable[tuple[int, Mapping[str, object]]]) -> MemoryRows:
    topics: dict[str, int] = {}
    names: dict[int, StreamName] = {}
    rows = []
    for number, entry in entries:
        try:
            rows.append(_row(entry, topics, names))
        except (KeyError, ValueError, OverflowError) as error:
            found = f"field {error} is missing" if isinstance(error, KeyError) else error
            raise LedgerError(f"{path}: line {number}: {found}") from None
    try:
        columns = Columns.of_rows(np.array(rows, ROW_DTYPE))
    except OverflowError as error:
        raise LedgerError(f"{path}: a number is too big for its column ({error})") from None
    return MemoryRows(columns, tuple(topics), names)


def _row(entry: Mapping[str, object], topics: dict[str, int], names: dict[int, StreamName]) -> tuple[int, ...]:
    event = _code(entry["event"], _EVENT_NUMBERS, "event")
    cluster = _code(_given(entry, "cluster", "unknown"), _CLUSTER_NUMBERS, "cluster")
    topic, partition = str(entry["topic"]), _number(entry, "partition")
    sequence = _number(entry, "sequence", NO_SEQUENCE)
    stream = 0
    if sequence < 0 and event not in (DELIVERED, COMMITTED, ASSIGNED, REVOKED):
        raise KeyError("sequence")
    if 5 <= event <= 7 or sequence < 0:
        sequence = NO_SEQUENCE
    elif _given(entry, "stream", None) is not None:
        stream = _number(entry, "stream")
    else:
        key = _given(entry, "key", None)
        coded = None if key is None else str(key).encode()
        stream = stream_id(topic, coded, partition)
        names.setdefault(stream, StreamName(topic, coded, partition))
    code = topics.setdefault(topic, len(topics))
    return (_number(entry, "offset", NO_OFFSET), sequence, stream, _time(entry), partition, code, cluster, event)


def _given(entry: Mapping[str, object], name: str, otherwise: object) -> object:
    value = entry.get(name)
    return otherwise if value is None or value == "" else value  # an empty CSV field is one that is not there


def _code(value: object, numbers: Mapping[str, int], what: str) -> int:
    text = str(value).strip()
    by_name = {name.lower(): number for name, number in numbers.items()}
    if text.lower() in by_name:
        return by_name[text.lower()]
    if text.isdigit() and int(text) in numbers.values():
        return int(text)
    raise ValueError(f"unknown {what} {text!r}; known are {', '.join(numbers)}")


def _number(entry: Mapping[str, object], name: str, otherwise: int | None = None) -> int:
    value = _given(entry, name, otherwise)
    if value is None:
        raise KeyError(name)
    try:
        return int(str(value))
    except ValueError:
        raise ValueError(f"{name} is {value!r}, not a whole number") from None


def _time(entry: Mapping[str, object]) -> int:
    if _given(entry, "time_ns", None) is not None:
        return _number(entry, "time_ns")
    text = str(entry["time"])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"time is {text!r}, not ISO 8601") from None
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
