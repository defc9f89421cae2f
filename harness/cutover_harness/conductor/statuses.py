"""Statuses of the fleet's clients, from the folder or the topic that they write to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from cutover_harness.channels.names import TopicName, parse_channels
from cutover_harness.errors import UsageError
from cutover_harness.procedure.client_status import ClientStatus, status_in

TOPIC = "kafka:"
"""Begins the name of a topic with statuses, as in the client property `cutover.status`."""
MOST_BYTES = 1 << 20
"""A status is a few kilobytes; anything larger than this is none."""

Content = Mapping[str, Any]


class StatusSource(Protocol):
    """Where statuses are read. `name` is for messages, as in `cutover.status`."""

    name: str

    def read(self) -> Mapping[str, Content]:
        """Return the last status of each client, by instance. What is no status is left out.

        What cannot be read now is returned as it was before: its client becomes silent, and is never taken for fresh.
        """

    @property
    def problem(self) -> str | None:
        """Why the last read was incomplete, None if it was not."""

    def close(self) -> None:
        """Release what reading needs."""


class FolderStatuses:
    """Statuses in a folder, one file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unread: dict[str, str] = {}
        self._closed: str | None = None
        self.name = str(folder)

    def read(self) -> Mapping[str, Content]:
        """Return the last status of each client."""
        found = {}
        self._unread = {}
        for file in self._files():
            try:
                content = _content(file)
                status = None if content is None else parsed(content)
            except (OSError, ValueError) as why:
                name = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in file.name)
                self._unread[name] = (why.strerror if isinstance(why, OSError) else str(why)) or "cannot be read"
                continue
            if status is not None:
                found[str(status["instance"])] = status
        return found

    def _files(self) -> list[Path]:
        self._closed = None
        try:
            return sorted(file for file in self._folder.iterdir() if file.name.endswith(".json"))
        except (FileNotFoundError, NotADirectoryError):  # `problem` says so while it is the case
            return []
        except OSError as why:
            self._closed = f"cannot be listed: {why.strerror}"
            return []

    @property
    def problem(self) -> str | None:
        """Why something could not be read: the report of a client may be in it."""
        if not self._folder.is_dir():
            return "no such folder"
        if self._closed is not None:
            return self._closed
        shown = [f"{name}: {why}" for name, why in list(self._unread.items())[:3]]
        more = len(self._unread) - len(shown)
        return "; ".join(shown) + (f"; and {more} more" if more else "") or None

    def close(self) -> None:
        """Nothing is open."""


def _content(file: Path) -> bytes | None:
    """Return a file's content, None if it is gone: it was replaced, or removed. Raises OSError and ValueError."""
    try:
        if not file.is_file():  # a pipe would be waited for forever
            return None
        with file.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    return content


def parsed(content: bytes) -> Content | None:
    """Return the status in the content of a file or record, None for another document.

    Raises ValueError if it is no JSON document, or a large one.
    """
    if len(content) > MOST_BYTES:
        raise ValueError(f"larger than {MOST_BYTES >> 20} MiB, so it is no status: remove it")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("not a JSON document, so it is no status: remove it") from None
    return found if isinstance(found, dict) and isinstance(found.get("instance"), str) else None


def read_statuses(source: StatusSource, route: str) -> dict[str, ClientStatus]:
    """Return the status on `route` of each client that has one and has not ended, by instance."""
    statuses = {}
    for instance, content in source.read().items():
        if (found := status_on(content, route)) is not None:
            statuses[instance] = found
    return statuses


def status_on(content: Content, route: str) -> ClientStatus | None:
    """Return the status on `route` in a document; None if it has none, has ended, or is no status."""
    try:
        return status_in(content, route)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None  # the barrier names who is missing


def topic_of(place: Path | str) -> str | None:
    """Return the topic of `kafka:TOPIC`, None for a folder. Raises UsageError if its name is missing."""
    if isinstance(place, Path) or not place.startswith(TOPIC):
        return None
    if not (topic := place.removeprefix(TOPIC)):
        raise UsageError(f"{place}: the name of the topic is missing: write {TOPIC}TOPIC")
    return topic


def own_topics(channels: Iterable[str], statuses: Path | str | None) -> frozenset[str]:
    """Return the topics of kafka-cutover itself, which no batch moves. Raises UsageError for what is no channel."""
    found = {name.topic for name in parse_channels(sorted(set(channels))) if isinstance(name, TopicName)}
    topic = None if statuses is None else topic_of(statuses)
    return frozenset(found if topic is None else found | {topic})


def place_of(text: str) -> Path | str:
    """Return what the text names: `kafka:TOPIC`, or the path of a folder. Raises UsageError."""
    if text.startswith("configmap:"):
        raise UsageError(f"{text}: has no statuses: they are in a folder or {TOPIC}TOPIC")
    return text if topic_of(text) is not None else Path(text)


def open_statuses(place: Path | str, source: Mapping[str, Any], redact: Callable[[str], str] = str) -> StatusSource:
    """Return the reader of statuses; it has to be closed.

    For a topic, `source` has the properties of the source cluster, and `redact` removes their secrets from messages.
    """
    topic = topic_of(place)
    if topic is None:
        return FolderStatuses(Path(place))
    from cutover_harness.conductor.status_topic import TopicStatuses  # noqa: PLC0415 - a folder needs no client

    return TopicStatuses(topic, source, redact)
