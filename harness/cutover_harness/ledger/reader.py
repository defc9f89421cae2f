"""The reading side: the ledgers of all processes of a run, whatever form each has."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from cutover_harness.ledger.columns import Array, Columns, UInt64, constant, is_constant
from cutover_harness.ledger.format import JOURNAL, META, SEALED, VERSION, LedgerError
from cutover_harness.ledger.imports import CSV, JSON_LINES, MemoryRows, read_csv, read_json_lines
from cutover_harness.ledger.journal import JournalRows, measure_journal
from cutover_harness.ledger.names import StreamName, find_streams, read_topics
from cutover_harness.ledger.sealed import ParquetRows, seal


class Rows(Protocol):
    """Where a ledger's rows come from."""

    @property
    def count(self) -> int:
        """Number of events."""

    @property
    def topics(self) -> tuple[str, ...]:
        """Names of the numbers in `Columns.topic`."""

    def records(self, low: int, high: int) -> Columns:
        """Return the rows about records of the streams in [low, high], by stream, each in the ledger's order."""

    def control(self) -> Columns:
        """Return the rows about positions and assignments in the ledger's order."""

    def everything(self) -> Columns:
        """Return all rows."""

    def sample(self, size: int) -> UInt64:
        """Return the streams of up to about `size` records."""


@dataclass(frozen=True)
class Meta:
    """The content of `ledger.json`.

    isolation: a read_uncommitted group may be delivered aborted records without being at fault.
    identity: "fingerprint" where `sequence` is a fingerprint of the content, for records that carry no header.
    drained: by what the process knows that it read everything there was; None claims nothing.
    rows: places in the journal, written down at a clean close; torn: unfinished rows cut off when it was sealed.
    """

    instance: str
    role: str
    group: str | None
    run: int
    isolation: str = "read_committed"
    identity: str = "header"
    pid: int = 0
    host: str = ""
    closed: bool = True
    drained: str | None = None
    rows: int | None = None
    torn: int = 0


@dataclass(frozen=True)
class InstanceLedger:
    """One process's ledger. label: its folder's name, unique among the run's ledgers; torn: rows cut by a kill."""

    label: str
    meta: Meta
    rows: Rows
    torn: int = 0
    folder: Path | None = None

    def names(self, streams: Iterable[int]) -> dict[int, StreamName]:
        """Return the names of those of the streams that this process named."""
        if isinstance(self.rows, MemoryRows):
            return {s: self.rows.names[s] for s in streams if s in self.rows.names}
        return find_streams(self.folder, streams) if self.folder is not None else {}


@dataclass(frozen=True)
class Ledgers:
    """The ledgers of all processes of one run, ordered by label. `topics` are the names that all of them use."""

    instances: tuple[InstanceLedger, ...]
    topics: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "topics", tuple(sorted({t for i in self.instances for t in i.rows.topics})))

    @property
    def run(self) -> int:
        """The run that all ledgers belong to."""
        return self.instances[0].meta.run

    def renumber(self, instance: InstanceLedger, topic: Array) -> Array:
        """Turn topic numbers of an instance's rows into numbers in `topics`."""
        number = {name: i for i, name in enumerate(self.topics)}
        numbers = np.array([number[name] for name in instance.rows.topics], np.uint16)
        if not len(topic) or (numbers == np.arange(len(numbers))).all():
            return topic
        return constant(numbers[topic[0]], len(topic), np.uint16) if is_constant(topic) else numbers[topic]

    def names(self, streams: Iterable[int]) -> dict[int, StreamName]:
        """Return what is known about the streams."""
        missing = set(streams)
        found: dict[int, StreamName] = {}
        for instance in self.instances:
            if not missing:
                break
            found |= instance.names(missing)
            missing -= found.keys()
        return found


def read_ledgers(folder: Path) -> Ledgers:
    """Open all ledgers below `folder`, which may be a run's folder, its `ledger/` or one process's folder.

    Nothing is read yet but the ends of the files. Raises LedgerError if there is none, if they are of different runs,
    or if one is truncated, foreign or of another version.
    """
    if not folder.is_dir():
        raise LedgerError(f"{folder}: no such folder")
    found = sorted(path.parent for path in folder.rglob(META))
    if not found:
        raise LedgerError(f"{folder}: holds no ledger (no {META} in it or below it)")
    instances = [read_ledger(path, label=_label(path, folder)) for path in found]
    first = instances[0]
    for other in instances[1:]:
        if other.meta.run != first.meta.run:
            raise LedgerError(
                f"{folder}: {first.label} is of run {first.meta.run} and {other.label} of run {other.meta.run}; "
                "judge one run at a time"
            )
        if other.meta.identity != first.meta.identity:
            raise LedgerError(
                f"{folder}: {first.label} identifies records by {first.meta.identity} and {other.label} by "
                f"{other.meta.identity}; one run needs one way"
            )
    if not any(instance.rows.count for instance in instances):
        raise LedgerError(f"{folder}: its {len(instances)} ledger(s) hold no event")
    return Ledgers(tuple(instances))


def read_ledger(folder: Path, *, label: str | None = None) -> InstanceLedger:
    """Open the ledger of one process. Raises LedgerError as read_ledgers does."""
    meta = _read_meta(folder / META)
    rows, torn = _read_rows(folder, meta)
    return InstanceLedger(label or folder.name, meta, rows, torn, folder)


def seal_ledgers(folder: Path) -> int:
    """Turn the journals below `folder` into Parquet, and return how many. Call it when the processes have ended.

    A journal goes away once its sealed form is complete. The number of torn rows is kept in `ledger.json`.
    """
    sealed = 0
    for path in sorted(folder.rglob(JOURNAL)):
        ledger = read_ledger(path.parent)
        if isinstance(ledger.rows, JournalRows):
            seal(ledger.rows, path.parent / SEALED)
            _note_torn(path.parent / META, ledger.torn)
        path.unlink()
        sealed += 1
    return sealed


def _label(path: Path, folder: Path) -> str:
    inside = path.relative_to(folder)
    parts = [part for part in inside.parts if part != "ledger"]
    return "/".join(parts) or path.name


def _read_meta(path: Path) -> Meta:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LedgerError(f"{path}: not JSON ({error}): truncated?") from None
    if not isinstance(data, dict) or "format" not in data:
        raise LedgerError(f"{path}: not a ledger's: field 'format' is missing")
    if data["format"] != VERSION:
        raise LedgerError(f"{path}: format {data['format']!r}; this version of kafka-cutover reads format {VERSION}")
    known = Meta.__dataclass_fields__
    for name in ("instance", "role", "run"):
        if name not in data:
            raise LedgerError(f"{path}: field {name!r} is missing")
    meta = Meta(**{"group": None} | {name: value for name, value in data.items() if name in known})
    _check(path, meta)
    return meta


def _check(path: Path, meta: Meta) -> None:
    if meta.role not in ("producer", "consumer"):
        raise LedgerError(f"{path}: role is {meta.role!r}; it is producer or consumer")
    if meta.role == "consumer" and not meta.group:
        raise LedgerError(f"{path}: a consumer needs a 'group'")
    if not isinstance(meta.run, int):
        raise LedgerError(f"{path}: run is {meta.run!r}, not a number")
    if meta.isolation not in ("read_committed", "read_uncommitted"):
        raise LedgerError(f"{path}: isolation is {meta.isolation!r}; it is read_committed or read_uncommitted")
    if meta.identity not in ("header", "fingerprint"):
        raise LedgerError(f"{path}: identity is {meta.identity!r}; it is header or fingerprint")


def _read_rows(folder: Path, meta: Meta) -> tuple[Rows, int]:
    # A complete sealed form wins: the journal may only have been left behind by a kill between the two.
    if (folder / SEALED).exists():
        return ParquetRows(folder / SEALED), meta.torn
    if (folder / JOURNAL).exists():
        topics = read_topics(folder)
        extent = measure_journal(folder / JOURNAL, len(topics), closed_rows=meta.rows if meta.closed else None)
        return JournalRows(folder / JOURNAL, topics, extent), extent.torn
    if (folder / CSV).exists():
        return read_csv(folder / CSV), 0
    if (folder / JSON_LINES).exists():
        return read_json_lines(folder / JSON_LINES), 0
    raise LedgerError(f"{folder}: has a {META} but no events ({JOURNAL}, {SEALED}, {CSV} or {JSON_LINES})")


def _note_torn(path: Path, torn: int) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(data | {"torn": torn}) + "\n", encoding="utf-8")
    temporary.replace(path)
