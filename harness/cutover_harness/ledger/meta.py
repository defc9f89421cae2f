"""The content of `ledger.json`, checked field by field."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cutover_harness.ledger.errors import LedgerError
from cutover_harness.ledger.files import parse_json, read_text
from cutover_harness.ledger.format import VERSION, is_topic

_RUNS = 1 << 64
_CHOICES = {
    "role": ("producer", "consumer"),
    "isolation": ("read_committed", "read_uncommitted"),
    "identity": ("header", "fingerprint"),
}


@dataclass(frozen=True)
class Meta:
    """The content of `ledger.json`.

    isolation: a read_uncommitted group may be delivered aborted records without being at fault.
    identity: "fingerprint" where `sequence` is a fingerprint of the content, for records that carry no header.
    topics: the names of the topics that the process subscribed to; None if it does not say.
    drained: the evidence of the process that it read everything there was; None claims nothing.
    rows: places in the journal, or rows of a CSV or JSON lines file, written down at a clean close.
    torn: unfinished rows cut off when it was sealed. sealed: bytes and CRC-32 of `events.parquet`.
    """

    instance: str
    role: str
    group: str | None
    run: int
    isolation: str = "read_committed"
    identity: str = "header"
    closed: bool = True
    topics: tuple[str, ...] | None = None
    drained: str | None = None
    rows: int | None = None
    torn: int = 0
    sealed: tuple[int, int] | None = None


def read_meta(path: Path) -> Meta:
    """Read a `ledger.json`. Raises LedgerError that names file and field."""
    data = parse_json(read_text(path), f"{path}:")
    if not isinstance(data, dict) or "format" not in data:
        raise LedgerError(f"{path}: not a ledger's: field 'format' is missing")
    if data["format"] != VERSION or isinstance(data["format"], bool):
        raise LedgerError(
            f"{path}: format {data['format']!r:.60}; this version of kafka-cutover reads format {VERSION}"
        )
    for name in ("instance", "role", "run"):
        if name not in data:
            raise LedgerError(f"{path}: field {name!r} is missing")
    try:
        return _meta(data)
    except ValueError as error:
        raise LedgerError(f"{path}: {error}") from None


def _meta(data: Mapping[str, object]) -> Meta:
    chosen = {name: _choice(data, name) for name in _CHOICES if name == "role" or data.get(name) is not None}
    group = None if data.get("group") is None else _text(data, "group")
    if chosen["role"] == "consumer" and not group:
        raise ValueError("a consumer needs a 'group'")
    closed = data.get("closed", True)
    if not isinstance(closed, bool):
        raise _unfit("closed", closed, "neither true nor false")
    return Meta(
        instance=_text(data, "instance"),
        group=group,
        run=_number(data, "run", _RUNS),
        closed=closed,
        topics=_topics(data),
        drained=None if data.get("drained") is None else _text(data, "drained"),
        rows=None if data.get("rows") is None else _number(data, "rows"),
        torn=_number(data, "torn") if data.get("torn") is not None else 0,
        sealed=_sealed(data),
        **chosen,
    )


def _choice(data: Mapping[str, object], name: str) -> str:
    value = _text(data, name)
    if value not in _CHOICES[name]:
        raise ValueError(f"{name} is {value!r:.60}; it is {' or '.join(_CHOICES[name])}")
    return value


def _text(data: Mapping[str, object], name: str) -> str:
    value = data[name]
    if not isinstance(value, str):
        raise _unfit(name, value, "not text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _unfit(name, value, "which is not Unicode text") from None
    return value


def _number(data: Mapping[str, object], name: str, limit: int = 1 << 63) -> int:
    value = data[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < limit:
        raise _unfit(name, value, f"not a whole number from 0 to {limit - 1}")
    return value


def _topics(data: Mapping[str, object]) -> tuple[str, ...] | None:
    value = data.get("topics")
    if value is None:
        return None
    if not isinstance(value, list):
        raise _unfit("topics", value, "not a list of names")
    names = tuple(_text({"topics": each}, "topics") for each in value)
    wrong = [name for name in names if not is_topic(name) or name.startswith("^")]
    if wrong:
        raise ValueError(f"topics: {wrong[0]!r:.60} is no topic's name; leave out what is subscribed by pattern")
    return names


def _sealed(data: Mapping[str, object]) -> tuple[int, int] | None:
    value = data.get("sealed")
    if value is None:
        return None
    if not isinstance(value, dict) or not {"bytes", "crc32"} <= value.keys():
        raise _unfit("sealed", value, "not bytes and crc32")
    parts = {f"sealed.{name}": value[name] for name in ("bytes", "crc32")}
    return _number(parts, "sealed.bytes"), _number(parts, "sealed.crc32")


def _unfit(name: str, value: object, how: str) -> ValueError:
    return ValueError(f"{name} is {value!r:.60}, {how}")
