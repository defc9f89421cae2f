"""The names next to a journal: topics by number, and the keys of streams."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cutover_harness.ledger.errors import LedgerError
from cutover_harness.ledger.files import is_there, parse_json, reading, require_file
from cutover_harness.ledger.format import MAX_TOPICS, NAMES, is_topic


@dataclass(frozen=True)
class StreamName:
    """The topic and key of a stream, or its partition if the key is null."""

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
    for number, entry in _entries(folder / NAMES):
        if "name" in entry:
            name = entry["name"]
            if not isinstance(name, str) or not is_topic(name):
                raise LedgerError(f"{folder / NAMES}: line {number}: name is {name!r:.60}, which is no topic's name")
            if entry.get("topic") != len(topics):
                raise LedgerError(
                    f"{folder / NAMES}: line {number}: topic number {entry.get('topic')!r:.60} "
                    f"where {len(topics)} should come"
                )
            topics.append(name)
    if len(topics) > MAX_TOPICS:
        raise LedgerError(f"{folder / NAMES}: more than {MAX_TOPICS} topics in one ledger")
    return tuple(topics)


def find_streams(folder: Path, wanted: Iterable[int]) -> dict[int, StreamName]:
    """Return the names of the wanted streams, as far as this process named them."""
    sought = {f"{stream:016x}" for stream in wanted}
    found = {}
    for number, entry in _entries(folder / NAMES):
        stream = entry.get("stream")
        if isinstance(stream, str) and stream in sought:
            try:
                found[int(stream, 16)] = _stream_name(entry)
            except (KeyError, TypeError, ValueError) as error:
                raise LedgerError(f"{folder / NAMES}: line {number} is not a stream's name ({error!r:.80})") from None
    return found


def _stream_name(entry: Mapping[str, object]) -> StreamName:
    coded = entry["key"]
    key = None if coded is None else base64.b64decode(str(coded))
    return StreamName(str(entry["topic"]), key, int(str(entry["partition"])))


def _entries(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    if not is_there(path):
        return
    require_file(path)
    with reading(path), path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return  # torn by a kill: no row uses an unfinished name
            place = f"{path}: line {number}"
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                raise LedgerError(f"{place} is not UTF-8 ({error})") from None
            entry = parse_json(text, place)
            if not isinstance(entry, dict):
                raise LedgerError(f"{place} is not a name")
            yield number, entry
