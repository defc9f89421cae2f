"""From a file connector's lines, and what the clusters' logs have of them, to the rows of a ledger."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cutover_harness.files import PRIVATE, write_atomic
from cutover_harness.ledger.format import CSV, META, NO_OFFSET, VERSION
from cutover_harness.rehearsal.connectors.configs import Place
from cutover_harness.types import ClusterName

Identity = tuple[int, int]
"""Stream and sequence of a record."""
_COLUMNS = ("event", "cluster", "topic", "partition", "offset", "stream", "key", "sequence", "time_ns")
_MS = 1_000_000


@dataclass(frozen=True)
class Line:
    """A line of a source connector's file. end: bytes of the file up to the end of the line."""

    sequence: int
    end: int
    time_ns: int


@dataclass(frozen=True)
class Written:
    """A record that a source connector sent to the cluster of `place`. time_ms: its timestamp, None if unknown."""

    sequence: int
    place: Place
    time_ms: int | None


@dataclass(frozen=True)
class Seen:
    """A line that a sink connector wrote. place: of its record, None if it is no line of ours."""

    time_ns: int
    place: Place | None


@dataclass(frozen=True)
class Commit:
    """A position that a sink connector's group had committed."""

    time_ns: int
    place: Place


@dataclass(frozen=True)
class Row:
    """A row of a ledger; a producer's has a key, a consumer's record a stream."""

    event: str
    time_ns: int
    place: Place | None
    topic: str
    sequence: int | None = None
    stream: int | None = None
    key: str | None = None
    partition: int = 0

    def fields(self) -> tuple[object, ...]:
        """Return the values of the columns."""
        place = self.place
        return (
            self.event,
            "unknown" if place is None else place.cluster,
            self.topic,
            self.partition if place is None else place.partition,
            NO_OFFSET if place is None else place.offset,
            self.stream,
            self.key,
            self.sequence,
            self.time_ns,
        )


def source_rows(
    key: str, topic: str, lines: Sequence[Line], written: Iterable[Written], stored: int, ended_ns: int
) -> list[Row]:
    """Return the rows of a source connector.

    A line is acknowledged on the clusters whose logs have the connector's own record of it. stored: the position that
    Connect has stored, which counts as an acknowledgement, too: a line before it that is in no log was lost.
    """
    first: dict[tuple[int, ClusterName], Written] = {}
    for each in sorted(written, key=lambda one: one.place.offset):
        first.setdefault((each.sequence, each.place.cluster), each)
    sent_ns = {line.sequence: line.time_ns for line in lines}
    partition = next((each.place.partition for each in first.values()), 0)
    rows = [Row("SENT", line.time_ns, None, topic, line.sequence, key=key, partition=partition) for line in lines]
    for each in first.values():
        since = sent_ns.get(each.sequence, 0)
        time_ns = since if each.time_ms is None else max(since, each.time_ms * _MS)
        rows.append(Row("ACKED", time_ns, each.place, topic, each.sequence, key=key))
    found = {sequence for sequence, _ in first}
    rows += [
        Row("ACKED", ended_ns, None, topic, line.sequence, key=key, partition=partition)
        for line in lines
        if line.end <= stored and line.sequence not in found
    ]
    return sorted(rows, key=lambda row: row.time_ns)


def sink_rows(
    topic: str, seen: Iterable[Seen], identities: Mapping[Place, Identity], commits: Iterable[Commit]
) -> list[Row]:
    """Return the rows of a sink connector. topic: of a line that is none of ours, which counts as a phantom."""
    rows = []
    for each in seen:
        stream, sequence = identities.get(each.place, (None, None)) if each.place is not None else (None, None)
        its = topic if each.place is None else each.place.topic
        rows.append(Row("DELIVERED", each.time_ns, each.place, its, sequence, stream))
    rows += [Row("COMMITTED", each.time_ns, each.place, each.place.topic) for each in commits]
    return sorted(rows, key=lambda row: row.time_ns)


def write_ledger(folder: Path, rows: Sequence[Row], meta: Mapping[str, object]) -> None:
    """Write a ledger; `meta` has at least the role and the run. Raises OSError."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_COLUMNS, *(row.fields() for row in rows)])
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / CSV, text.getvalue(), mode=PRIVATE)
    about = {"format": VERSION, "instance": folder.name, "rows": len(rows), **meta}
    write_atomic(folder / META, json.dumps(about) + "\n", mode=PRIVATE)
