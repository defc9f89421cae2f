"""A client's status, which the conductor's gates read: one JSON document per client, in a file or on a topic."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import confluent_kafka
from confluent_kafka import KafkaException
from confluent_kafka.cimpl import Producer as RawProducer

from cutover_shim import config, native, process_end, watch
from cutover_shim.cutover_file import CutoverFile
from cutover_shim.switch_times import iso, with_iso
from cutover_shim.watched import Watched

log = logging.getLogger("cutover_shim")

FORMAT = 1
EVERY_S = 1.0
Ended = Literal["closed", "exited"]


class StatusFile:
    """Writes `<directory>/<instance>.json`, atomically. A failure is logged once and never reaches the application."""

    def __init__(self, directory: str, instance: str) -> None:
        self.path = Path(directory) / f"{quote(instance, safe=' @+=,')}.json"
        self._lock = native.RLock()
        self._warned = False
        self._finished = False

    def write(self, document: dict[str, Any]) -> None:
        """Replace the file's content by this document."""
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        with self._lock:
            if self._finished:
                return
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                temporary.write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")
                temporary.replace(self.path)
                self._warned = False
            except OSError as error:
                with contextlib.suppress(OSError):
                    temporary.unlink()
                if not self._warned:
                    self._warned = True
                    log.warning("cutover status %s cannot be written: %s", self.path, error.strerror or error)

    def finish(self, document: dict[str, Any], timeout_s: float = 0) -> None:  # noqa: ARG002 - as StatusTopic
        """Write the last document of a client; later calls of `write` do nothing."""
        with self._lock:
            self.write(document)
            self._finished = True


class StatusTopic:
    """Produces every document to a topic of the source cluster, with the instance as the key.

    The last record of a key is the state, so that the topic can be compacted. The producer is a separate one, because
    the application's may be held.
    """

    def __init__(self, topic: str, instance: str, conf: dict[str, Any]) -> None:
        self.topic, self._key = topic, instance
        self._lock = native.RLock()
        self._warned = False
        self._finished = False
        self._producer: Any = RawProducer(
            {**conf, "on_delivery": self._delivered, "message.timeout.ms": 10_000, "queue.buffering.max.messages": 100}
        )

    def _delivered(self, error: Any, _message: Any) -> None:
        if error is None:
            self._warned = False
        elif not self._warned:
            self._warned = True
            log.warning("cutover status cannot be produced to the topic %s: %s", self.topic, error.str())

    def write(self, document: dict[str, Any]) -> None:
        """Produce this document without waiting for its delivery."""
        with self._lock:
            if self._finished:
                return
            value = json.dumps(document, separators=(",", ":"))
            with contextlib.suppress(BufferError, KafkaException):
                self._producer.produce(self.topic, value, self._key)
            self._producer.poll(0)

    def finish(self, document: dict[str, Any], timeout_s: float = 2.0) -> None:
        """Produce the last document and wait for its delivery, at most `timeout_s` seconds."""
        with self._lock:
            self.write(document)
            self._finished = True
            if self._producer.flush(timeout_s):
                self._producer.purge()
            self._producer.close()


class Reporter:
    """Writes one client's status: after every change, and at least once a second. Does nothing before `open`."""

    def __init__(self) -> None:
        self._writer: StatusFile | StatusTopic | None = None
        self._due, self._written = True, 0.0

    def open(self, settings: config.Settings, file: CutoverFile) -> None:
        """Write to what `cutover.status` names: a directory, or `kafka:TOPIC` on the source cluster of this file.

        Raises KafkaException if the topic's producer cannot be constructed.
        """
        if not settings.status:
            return
        versions()  # here, as it imports modules: a child that is forked while a thread does so hangs in its own import
        process_end.at_end_of_child(lambda: watch.watcher.stop())  # noqa: PLW0108 - this process's own watcher
        if not settings.status.startswith("kafka:"):
            self._writer = StatusFile(settings.status, settings.instance)
            return
        source = config.connection(config.for_cluster(settings.conf, file.clusters["source"]))
        topic = settings.status.removeprefix("kafka:")
        self._writer = StatusTopic(topic, settings.instance, {**source, "log_level": 0})

    def changed(self) -> None:
        """Have the watching thread write the status soon."""
        self._due = True
        if self._writer is not None:
            watch.watcher.wake()

    def tick(self, now: float, document: Callable[[], dict[str, Any]]) -> None:
        """Write the document if it is due; `now` is in seconds of `time.monotonic()`."""
        if self._writer is not None and (self._due or now - self._written >= EVERY_S):
            self._due, self._written = False, now
            self._writer.write(document())

    def finish(self, document: Callable[[], dict[str, Any]], timeout_s: float = 2.0) -> None:
        """Write the last document, and wait at most `timeout_s` seconds for a topic to take it."""
        kept, self._writer = self._writer, None
        if kept is not None:
            kept.finish(document(), timeout_s)

    def finish_on_a_thread(self, document: Callable[[], dict[str, Any]]) -> None:
        """Write the last document, as it is now, without waiting for it."""
        kept, self._writer = self._writer, None
        if kept is not None:
            native.start_thread(partial(kept.finish, document()), "cutover-last-status")

    def abandon(self) -> Any:
        """Stop writing and return what has to stay referenced: this process is a fork's child."""
        kept, self._writer = self._writer, None
        return kept


def document(
    settings: config.Settings,
    file: CutoverFile | None,
    watched: Watched | None,
    *,
    role: Literal["producer", "consumer"],
    group: str | None,
    seen_generation: int,
    rejected: str | None,
    routes: dict[str, Any],
    unrouted: int,
    ended: Ended | None,
) -> dict[str, Any]:
    """Return a status document, format 1: docs/status.md. `file` is what the client follows, of `watched`."""
    now, seen = time.time(), None
    if watched is not None and watched.seen is not None:
        seen = {
            "generation": watched.seen.generation,
            "channel": watched.seen.channel,
            **with_iso("at", watched.seen.at),
        }
    return {
        "format": FORMAT,
        "instance": settings.instance,
        "app": settings.app,
        "client_id": _client_id(settings, file),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "role": role,
        "group": group,
        "versions": versions(),
        "updated": now,
        "updated_at": iso(now),
        "seen_generation": seen_generation,
        "seen": seen,
        "channels": [] if watched is None else watched.channel_states(),
        "rejected": rejected,
        "routes": routes,
        "unrouted": unrouted,
        "closed": ended is not None,
        "ended": ended,
    }


def _client_id(settings: config.Settings, file: CutoverFile | None) -> str:
    """Return the name by which brokers know the client on the source."""
    found = settings.conf.get("client.id", "rdkafka")
    if file is None:
        return str(found)
    return file.redact(str(file.clusters["source"].properties.get("client.id", found)))


@cache
def versions() -> dict[str, str]:
    """Return the versions of the shim and of what it runs on."""
    metadata = import_module("importlib.metadata")  # slow to import
    try:
        shim = metadata.version("kafka-cutover")
    except metadata.PackageNotFoundError:  # a copy that is on the path, and not installed
        shim = "unknown"
    return {
        "shim": shim,
        "confluent_kafka": confluent_kafka.__version__,
        "librdkafka": confluent_kafka.libversion()[0],
        "python": sys.version.split()[0],
    }


def nested(flat: dict[tuple[str, int], int] | dict[tuple[str, int], int | None]) -> dict[str, dict[str, int]]:
    """Turn {(topic, partition): offset} into the document's {topic: {"partition": offset}}.

    An acknowledgement has no offset (None) if a retry found the record in the log already.
    """
    out: dict[str, dict[str, int]] = {}
    for (topic, partition), offset in list(flat.items()):
        if offset is not None:
            out.setdefault(topic, {})[str(partition)] = offset
    return out
