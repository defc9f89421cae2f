"""The folder of an unfinished recording: the written part, and the state to resume from.

Its name is `.<name>.parts`, next to the capture. Records count once the saved state includes their position in the
file, so that a SIGKILL at any moment loses at most those since the state was saved last.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from cutover_harness.capture.clock import NEVER
from cutover_harness.capture.format import SHARD_NOTE, CaptureError, CaptureInfo, CaptureReader
from cutover_harness.capture.writer import CaptureWriter, recover
from cutover_harness.files import write_atomic

STATE_NOTE = "resume"
INTERRUPTED_NOTE = "interrupted"


@dataclass
class Progress:
    """Progress of one partition: the next offset, the end (None: open), the largest timestamp so far."""

    next: int
    end: int | None
    largest: int = NEVER


@dataclass
class State:
    """The state to resume a recording from. `asked`: its options, which must be the same on resume.

    Each sitting writes a file of its own, of which `length` bytes are valid. With `earlier`, the records of the
    previous sitting have to be copied into it as well, and none of it counts until they all are.

    `ids`: of the topics. `changed`, `missing`: changes of the topics, in words, and what is therefore not recorded.
    `closed`: topics that are not read any further. Another thread saves, so values are replaced and never changed.
    """

    asked: dict[str, Any]
    started: float
    info: str
    partitions: dict[str, dict[str, Progress]] = field(default_factory=dict)
    records: int = 0
    bytes: int = 0
    sitting: int = 0
    length: int = 0
    earlier: bool = False
    ids: dict[str, str] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """Return the state as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the state in `text`; raises ValueError, KeyError or TypeError if it is none."""
        raw = json.loads(text)
        raw["partitions"] = {t: {p: Progress(**v) for p, v in ps.items()} for t, ps in raw["partitions"].items()}
        return cls(**raw)


class Parts:
    """The unfinished recording of the capture `out`."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = out.with_name(f".{out.name}.parts")
        self._state_file = self.folder / "state.json"
        self._continues_capture = False

    @property
    def exist(self) -> bool:
        """Whether there is an unfinished recording."""
        return self._state_file.exists()

    def create(self, state: State, earlier: Path | None = None) -> None:
        """Begin a recording, or continue the capture `earlier`. Raises CaptureError if that cannot be written."""
        try:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            if earlier is not None:
                _link_or_copy(earlier, self._of_sitting(state.sitting))
                self._sit_down_again(state)
            self.save(state)
        except OSError as why:
            raise CaptureError(f"capture {self.out}: cannot be written ({why.strerror})") from why

    def read(self) -> State:
        """Return the state to resume from: of the unfinished recording, or of a finished capture. Changes nothing."""
        self._continues_capture = False
        if not self.exist:
            return self._from_capture()
        try:
            state = State.from_json(self._state_file.read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as why:
            raise CaptureError(f"capture {self.out}: {self._state_file} cannot be used ({why!r})") from why
        if state.length and self.out.exists() and not self._of_sitting(state.sitting).exists():
            return self._from_capture()  # it was killed after the capture got its name
        return state

    def reopen(self, state: State) -> None:
        """Begin another sitting from the state that `read` returned. Raises CaptureError."""
        if self._continues_capture:
            self.create(state, self.out)
            return
        if state.length:
            recover(self._of_sitting(state.sitting), state.length, CaptureInfo.from_json(state.info))
            self._sit_down_again(state)
        self.save(state)

    def _from_capture(self) -> State:
        with CaptureReader(self.out, may_be_empty=True) as reader:
            info = reader.info
            note = info.notes.get(STATE_NOTE)
        if note is None:
            raise CaptureError(f"capture {self.out}: has no resume state; record into another file")
        try:
            state = replace(State.from_json(note), info=info.to_json())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as why:
            raise CaptureError(f"capture {self.out}: invalid resume state ({why!r})") from why
        self._continues_capture = True
        return state

    @staticmethod
    def _sit_down_again(state: State) -> None:
        state.sitting += 1
        state.earlier, state.length = True, 0

    def save(self, state: State) -> None:
        """Write the state, completely or not at all."""
        write_atomic(self._state_file, state.to_json(), durable=True)

    def earlier(self, state: State) -> Path | None:
        """Return the earlier capture to merge into the written one, if there is one."""
        return self._of_sitting(state.sitting - 1) if state.earlier else None

    def writer(self, state: State) -> CaptureWriter:
        """Return the writer of this sitting's file, which becomes the capture. Raises CaptureError."""
        return CaptureWriter(self.out, partial=self._of_sitting(state.sitting))

    def drop_earlier(self, state: State) -> None:
        """Delete the previous sitting's file: all its records are in this one's."""
        if state.sitting:
            self._of_sitting(state.sitting - 1).unlink(missing_ok=True)

    def finish(self, state: State, writer: CaptureWriter) -> int:
        """Turn the written file into the capture, delete the folder, and return the number of records.

        Raises CaptureError if there are none, except of a shard: the others may have records, and `record --merge`
        wants all.
        """
        if not writer.records and SHARD_NOTE not in state.asked:
            shutil.rmtree(self.folder)
            why = state.missing[0] if state.missing else "the topics have no records in the requested window"
            raise CaptureError(f"capture {self.out}: nothing was recorded; {why}")
        info = CaptureInfo.from_json(state.info)
        note = replace(state, info="", length=0, earlier=False).to_json()
        texts_by_name = {"changed": state.changed, "missing": state.missing}
        notes = {name: "; ".join(texts) for name, texts in texts_by_name.items() if texts}
        writer.close(replace(info, notes={**info.notes, **notes, STATE_NOTE: note}))
        shutil.rmtree(self.folder)
        return writer.records

    def _of_sitting(self, number: int) -> Path:
        return self.folder / f"{number:06}.parquet"


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
