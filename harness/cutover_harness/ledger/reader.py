"""The reading side: the ledgers of all processes of a run, in any form."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from cutover_harness.files import PRIVATE, write_atomic
from cutover_harness.ledger.columns import Array, Columns, Int64, UInt64, constant, is_constant
from cutover_harness.ledger.errors import LedgerError
from cutover_harness.ledger.files import is_there, require_file
from cutover_harness.ledger.finding import absent_ledgers, ledger_folders
from cutover_harness.ledger.format import CSV, JOURNAL, JSON_LINES, MAX_LEDGERS, MAX_TOPICS, META, SEALED
from cutover_harness.ledger.imports import MemoryRows, read_csv, read_json_lines
from cutover_harness.ledger.journal import JournalRows, measure_journal
from cutover_harness.ledger.meta import Meta, read_meta
from cutover_harness.ledger.names import StreamName, find_streams, read_topics
from cutover_harness.ledger.probe import require_readable
from cutover_harness.ledger.sealed import ParquetRows, checksum, require_intact, sealed_parts, write_sealed


class Rows(Protocol):
    """The source of a ledger's rows."""

    @property
    def count(self) -> int:
        """Number of events."""

    @property
    def topics(self) -> tuple[str, ...]:
        """Names of the numbers in `Columns.topic`."""

    def records(self, low: int, high: int) -> Columns:
        """Return the rows of records in the streams [low, high], by stream, each in the ledger's order."""

    def pieces(self, low: int, high: int) -> Iterator[Columns]:
        """Return the rows of `records` some at a time, in its order."""

    def control(self) -> Columns:
        """Return the rows of commits and assignments in the ledger's order."""

    def everything(self) -> Columns:
        """Return all rows."""

    def sample(self, size: int) -> UInt64:
        """Return the streams of up to about `size` records."""

    def times(self, size: int) -> Int64:
        """Return the times of up to about `size` events."""


@dataclass(frozen=True)
class InstanceLedger:
    """One process's ledger. label: its folder's name, unique among the run's ledgers; torn: rows cut by a kill.

    doubt: in words, why it may not be the whole ledger although nothing in it is wrong; empty if there is no doubt.
    """

    label: str
    meta: Meta
    rows: Rows
    torn: int = 0
    folder: Path | None = None
    doubt: str = ""

    def names(self, streams: Iterable[int]) -> dict[int, StreamName]:
        """Return the names of the streams, as far as this process named them."""
        if isinstance(self.rows, MemoryRows):
            return {s: self.rows.names[s] for s in streams if s in self.rows.names}
        return find_streams(self.folder, streams) if self.folder is not None else {}


@dataclass(frozen=True)
class Ledgers:
    """The ledgers of all processes of one run, ordered by label. `topics` are their common topic names.

    absent: labels of ledgers that were there, by the names of others, and are not. Raises LedgerError for more topics
    or ledgers than rows can have numbers of.
    """

    instances: tuple[InstanceLedger, ...]
    absent: tuple[str, ...] = ()
    topics: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        topics = tuple(sorted({t for i in self.instances for t in i.rows.topics}))
        if len(topics) > MAX_TOPICS:
            raise LedgerError(f"{len(topics)} topics in all ledgers; {MAX_TOPICS} can be judged together")
        if len(self.instances) > MAX_LEDGERS:
            raise LedgerError(f"{len(self.instances)} ledgers; {MAX_LEDGERS} can be judged together")
        object.__setattr__(self, "topics", topics)

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
        """Return the known names of the streams."""
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
    found = ledger_folders(folder)
    if not found:
        raise LedgerError(f"{folder}: contains no ledger (no {META} in it or below it)")
    metas = {path: read_meta(path / META) for path in found}
    _require_parquet(metas)
    instances = [_opened(path, _label(path, folder), meta) for path, meta in metas.items()]
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
                f"{other.meta.identity}; one run needs one kind of identity"
            )
    if not any(instance.rows.count for instance in instances):
        raise LedgerError(f"{folder}: its {len(instances)} ledger(s) contain no event")
    return Ledgers(tuple(instances), absent_ledgers([i.label for i in instances], folder))


def read_ledger(folder: Path, *, label: str | None = None) -> InstanceLedger:
    """Open the ledger of one process. Raises LedgerError as read_ledgers does."""
    meta = read_meta(folder / META)
    _require_parquet({folder: meta})
    return _opened(folder, label or folder.name, meta)


def seal_ledgers(folder: Path) -> int:
    """Turn the journals below `folder` into Parquet, and return their number. Call it after the processes have ended.

    A journal goes away once its sealed form is complete. The number of torn rows is kept in `ledger.json`. Raises
    LedgerError if the disk is full; the journals that are left count as before.
    """
    sealed = 0
    for path in sorted(folder.rglob(JOURNAL)):
        ledger = read_ledger(path.parent)
        if isinstance(ledger.rows, JournalRows):
            _seal(path.with_name(SEALED), ledger.rows, ledger.torn)
        path.unlink()
        sealed += 1
    return sealed


def _seal(file: Path, rows: JournalRows, torn: int) -> None:
    partial = file.with_name(f"{file.name}.tmp")
    try:
        write_sealed(partial, rows.topics, sealed_parts(rows))
        # First the checksum: the journal counts until the file has its name, which then has a checksum.
        note_seal(file.with_name(META), checksum(partial), torn=torn)
        partial.replace(file)
    except OSError as why:
        partial.unlink(missing_ok=True)
        raise LedgerError(
            f"ledger {file}: cannot be written: {why.strerror or why}: make room, then run again"
        ) from why


def note_seal(path: Path, sealed: tuple[int, int], *, torn: int = 0) -> None:
    """Write the checksum of `events.parquet` into a `ledger.json`."""
    data = json.loads(path.read_text(encoding="utf-8"))
    data |= {"torn": torn, "sealed": dict(zip(("bytes", "crc32"), sealed, strict=True))}
    write_atomic(path, json.dumps(data) + "\n", mode=PRIVATE)


def _label(path: Path, folder: Path) -> str:
    inside = path.relative_to(folder)
    parts = [part for part in inside.parts if part != "ledger"]
    return "/".join(parts) or path.name


def _require_parquet(metas: Mapping[Path, Meta]) -> None:
    """Raise LedgerError for changed sealed ledgers, before Arrow reads a damaged byte."""
    files = {folder / SEALED: meta.sealed for folder, meta in metas.items() if is_there(folder / SEALED)}
    ours = {path: sealed for path, sealed in files.items() if sealed is not None}
    with ThreadPoolExecutor(min(len(ours), os.cpu_count() or 1) or 1) as pool:
        for _ in pool.map(require_intact, ours.keys(), ours.values()):
            pass
    foreign = [path for path in files if path not in ours]
    for path in foreign:
        require_file(path)
    require_readable(foreign)


def _opened(folder: Path, label: str, meta: Meta) -> InstanceLedger:
    # A complete sealed form takes precedence: a kill between the two steps leaves the journal behind.
    if is_there(folder / SEALED):
        return InstanceLedger(label, meta, ParquetRows(folder / SEALED), meta.torn, folder)
    if is_there(folder / JOURNAL):
        topics = read_topics(folder)
        extent = measure_journal(folder / JOURNAL, len(topics), closed_rows=meta.rows if meta.closed else None)
        return InstanceLedger(label, meta, JournalRows(folder / JOURNAL, topics, extent), extent.torn, folder)
    for name, read in ((CSV, read_csv), (JSON_LINES, read_json_lines)):
        if is_there(folder / name):
            rows = read(folder / name, rows=meta.rows)
            doubt = ""
            if not rows.count and meta.rows is None:
                doubt = f'{name} has no event: cut off? If that is all, say "rows": 0 in {META}'
            return InstanceLedger(label, meta, rows, 0, folder, doubt)
    raise LedgerError(f"{folder}: has a {META} but no events ({JOURNAL}, {SEALED}, {CSV} or {JSON_LINES})")
