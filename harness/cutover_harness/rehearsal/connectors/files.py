"""Files of the file connectors: lines that are appended for a source, and lines that a sink writes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from cutover_harness.ledger.identity import encode_text, stream_id
from cutover_harness.rehearsal.connectors.configs import place_in
from cutover_harness.rehearsal.connectors.ledgers import Line, Seen


@dataclass
class SourceFile:
    """The file that a source connector reads. name: of the connector, the key of its records."""

    name: str
    topic: str
    file: Path
    run: int
    lines: list[Line] = field(default_factory=list, init=False)

    @property
    def stream(self) -> int:
        """The stream of its records."""
        return stream_id(self.topic, self.name, 0)

    @property
    def size(self) -> int:
        """Bytes that were written."""
        return self.lines[-1].end if self.lines else 0

    def append(self) -> None:
        """Write the next line: the identity of its record. Raises OSError."""
        sequence = len(self.lines)
        text = encode_text(self.run, self.stream, sequence) + "\n"
        self.lines.append(Line(sequence, self.size + len(text), time.time_ns()))  # before anybody can read it
        with self.file.open("a", encoding="ascii") as out:
            out.write(text)


@dataclass
class SinkFile:
    """The file that a sink connector writes. seen: its lines, in their order."""

    file: Path
    seen: list[Seen] = field(default_factory=list, init=False)
    _read: int = field(default=0, init=False)

    def look(self) -> None:
        """Note new lines; one that is not complete is left for later. Raises OSError."""
        if not self.file.exists():
            return
        with self.file.open("rb") as new:
            new.seek(self._read)
            whole, end, _ = new.read().rpartition(b"\n")
        now = time.time_ns()
        if end:
            self._read += len(whole) + 1
            self.seen += [Seen(now, place_in(line)) for line in whole.decode(errors="replace").split("\n")]
