"""The folder of an unfinished recording: sorted segments, and the state from which it can be gone on with.

It lies beside the capture as `.<name>.parts`. A segment counts once the state names it, so that a SIGKILL at any moment
costs at most the records since the last one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa

from cutover_harness.capture.format import CaptureError, CaptureInfo, CaptureReader
from cutover_harness.capture.merge import DUE, SEGMENT_SCHEMA, Merge, Segment
from cutover_harness.capture.writer import CaptureWriter

STATE_NOTE = "resume"


@dataclass
class Progress:
    """How far one partition is recorded: the next offset, where to end (None: open), the largest timestamp so far."""

    next: int
    end: int | None
    largest: int


@dataclass
class State:
    """What a recording needs to go on: `asked` is what it was asked for, which has to be the same again."""

    asked: dict[str, Any]
    started: float
    info: str
    partitions: dict[str, dict[str, Progress]] = field(default_factory=dict)
    records: int = 0
    bytes: int = 0
    segments: list[tuple[str, int, int, int]] = field(default_factory=list)

    def to_json(self) -> str:
        """Return the state as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the state in `text`; raises ValueError, KeyError or TypeError where it is none."""
        raw = json.loads(text)
        raw["partitions"] = {t: {p: Progress(**v) for p, v in ps.items()} for t, ps in raw["partitions"].items()}
        raw["segments"] = [tuple(each) for each in raw["segments"]]
        return cls(**raw)


class Parts:
    """The unfinished recording of the capture `out`."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = out.with_name(f".{out.name}.parts")
        self._state_file = self.folder / "state.json"

    @property
    def exist(self) -> bool:
        """Whether there is an unfinished recording."""
        return self._state_file.exists()

    def create(self, state: State) -> None:
        """Begin a recording; raises CaptureError where the folder cannot be written."""
        try:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            self.save(state)
        except OSError as why:
            raise CaptureError(f"capture {self.out}: cannot be written ({why.strerror})") from why

    def reopen(self) -> State:
        """Return the state to go on from: of the unfinished recording, or of the capture that a finished one left."""
        if not self.exist:
            return self._from_capture()
        try:
            return State.from_json(self._state_file.read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, TypeError) as why:
            raise CaptureError(f"capture {self.out}: {self._state_file} cannot be used ({why!r})") from why

    def _from_capture(self) -> State:
        with CaptureReader(self.out) as reader:
            note = reader.info.notes.get(STATE_NOTE)
            first, rows = reader.span_ms()[0], reader.records
        if note is None:
            raise CaptureError(f"capture {self.out}: does not say how to go on with it; record into another file")
        state = State.from_json(note)
        largest = max(p.largest for ps in state.partitions.values() for p in ps.values())
        state.segments = [("000000.parquet", first, largest, rows)]
        self.create(state)
        # A link, so that the capture stays where it is until the longer one takes its place.
        target = self.folder / "000000.parquet"
        try:
            os.link(self.out, target)
        except OSError:
            shutil.copyfile(self.out, target)
        return state

    def save(self, state: State) -> None:
        """Write the state, whole or not at all."""
        partial = self._state_file.with_suffix(".partial")
        with partial.open("w", encoding="utf-8") as file:
            file.write(state.to_json())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._state_file)

    def add(self, state: State, batches: Sequence[pa.RecordBatch]) -> Segment:
        """Sort `batches` (of SEGMENT_SCHEMA) by due time and write them as the next segment, uncompressed.

        The caller saves the state.
        """
        table = pa.Table.from_batches(batches, SEGMENT_SCHEMA).unify_dictionaries().combine_chunks()
        due = table.column(DUE).to_numpy()
        if np.any(due[1:] < due[:-1]):
            table = table.take(
                pa.array(np.argsort(due, kind="stable"))
            )  # several times as fast of one chunk as of many
        name = f"{len(state.segments):06}.arrow"
        try:
            with pa.OSFile(str(self.folder / name), "wb") as file, pa.ipc.new_file(file, SEGMENT_SCHEMA) as writer:
                writer.write_table(table)
        except OSError as why:
            raise CaptureError(f"capture {self.out}: cannot be written ({why})") from why
        state.segments.append((name, int(due.min()), int(due.max()), len(table)))
        return self.segments(state)[-1]

    def segments(self, state: State) -> list[Segment]:
        """Return the segments that the state counts."""
        return [Segment(self.folder / n, first, last, rows) for n, first, last, rows in state.segments]

    def finish(self, state: State, assembly: Assembly | None = None) -> int:
        """Make the segments the capture and delete the folder; returns the number of records.

        `assembly`: of all of them, where that has begun already. Raises CaptureError where there is not one record.
        """
        if not state.records:
            shutil.rmtree(self.folder)
            raise CaptureError(
                f"capture {self.out}: nothing was recorded; the topics held no records in the window asked for"
            )
        info = CaptureInfo.from_json(state.info)
        notes = {**info.notes, STATE_NOTE: _without_segments(state)}
        with assembly or Assembly(self.out, self.segments(state)) as whole:
            written = whole.close(CaptureInfo(info.recorded, info.topics, info.groups, notes))
        shutil.rmtree(self.folder)
        return written


class Assembly:
    """The capture `out` in the making, written as far as the order of its records is certain.

    Leaving the context without `close` leaves nothing: the segments are what a recording goes on from.
    """

    def __init__(self, out: Path, segments: Sequence[Segment]) -> None:
        self._out = out
        self._merge = Merge()
        self._writer: CaptureWriter | None = None
        for segment in segments:
            self._merge.add(segment)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.__exit__(kind, error, trace)

    def add(self, segment: Segment, certain: int) -> None:
        """Add a segment, and write what is due before `certain`: no record that comes later is."""
        self._merge.add(segment)
        self._write(certain)

    def close(self, info: CaptureInfo) -> int:
        """Write the rest and give the file its name; returns the number of its records."""
        self._write(None)
        assert self._writer is not None  # noqa: S101 - there is a record
        self._writer.close(info)
        return self._writer.records

    def _write(self, before: int | None) -> None:
        for table in self._merge.tables(before):
            if self._writer is None:
                self._writer = CaptureWriter(self._out)
            self._writer.write(table.drop_columns([DUE]))


def _without_segments(state: State) -> str:
    return State(state.asked, state.started, "", state.partitions, state.records, state.bytes).to_json()
