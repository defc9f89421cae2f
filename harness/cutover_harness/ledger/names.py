"""The names beside a journal: topics by number, and the keys of streams."""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cutover_harness.ledger.format import NAMES, LedgerError


@dataclass(frozen=True)
class StreamName:
    """What a stream is: a key of a topic, or a partition where the key is null."""

    topic: str
    key: bytes | None
    partition: int

    @property
    def text(self) -> str | None:
        r"""The key as text; bytes that are not UTF-8 appear as \xNN."""
        return None if self.key is None else self.key.decode("utf-8", "backslashreplace")


def read_topics(folder: Path) -> tuple[str, ...]:
    """Return the names of the topics in the order of their numbers. Raises LedgerError for a damaged file."""
    topics: list[str] = []
    for entry in _entries(folder / NAMES):
        if "name" in entry:
            if entry["topic"] != len(topics):
                raise LedgerError(f"{folder / NAMES}: topic number {entry['topic']} where {len(topics)} should come")
            topics.append(str(entry["name"]))
    return tuple(topics)


def find_streams(folder: Path, wanted: Iterable[int]) -> dict[int, StreamName]:
    """Return the names of those of the wanted streams that this process named."""
    sought = {f"{stream:016x}" for stream in wanted}
    found = {}
    for entry in _entries(folder / NAMES):
        stream = entry.get("stream")
        if stream in sought:
            coded = entry["key"]
            key = None if coded is None else base64.b64decode(str(coded))
            found[int(str(stream), 16)] = StreamName(str(entry["topic"]), key, int(str(entry["partition"])))
    return found


def _entries(path: Path) -> Iterator[dict[str, object]]:
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith("\n"):
                return  # torn by a kill: no row can use a name that was still being written
            try:
                entry = json.loads(line)
            except ValueError as error:
                raise LedgerError(f"{path}: line {number} is not JSON ({error})") from None
            if not isinstance(entry, dict):
                raise LedgerError(f"{path}: line {number} is not a name")
            yield entry
