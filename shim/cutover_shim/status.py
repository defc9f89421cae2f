"""A client's status: what the conductor's barrier counts. One JSON file per client, replaced atomically."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from confluent_kafka import KafkaException
from confluent_kafka.cimpl import Producer as RawProducer

from cutover_shim import config, native

log = logging.getLogger("cutover_shim")

FORMAT = 1


class StatusFile:
    """Writes `<directory>/<instance>.json`. Failing to is logged once and never reaches the application."""

    def __init__(self, directory: str, instance: str) -> None:
        self.path = Path(directory) / f"{quote(instance, safe=' @+=,')}.json"
        self._lock = native.RLock()
        self._complained = False
        self._finished = False

    def write(self, document: dict[str, Any]) -> None:
        """Replace the file by this document."""
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        with self._lock:
            if self._finished:
                return
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                temporary.write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")
                temporary.replace(self.path)
                self._complained = False
            except OSError as error:
                with contextlib.suppress(OSError):
                    temporary.unlink()
                if not self._complained:
                    self._complained = True
                    log.warning("cutover status %s cannot be written: %s", self.path, error.strerror or error)

    def finish(self, document: dict[str, Any], timeout_s: float = 0) -> None:  # noqa: ARG002 - a topic's
        """Write the last document of a client that is closed: none that was begun before may follow it."""
        with self._lock:
            self.write(document)
            self._finished = True


class StatusTopic:
    """Produces every document to a topic of the source cluster, keyed by the instance: a key's last one is the state.

    A compacted topic keeps just that. It is a client of its own, because the application's may be held.
    """

    def __init__(self, topic: str, instance: str, conf: dict[str, Any]) -> None:
        self.topic, self._key = topic, instance
        self._lock = native.RLock()
        self._complained = False
        self._finished = False
        self._producer: Any = RawProducer(
            {**conf, "on_delivery": self._delivered, "message.timeout.ms": 10_000, "queue.buffering.max.messages": 100}
        )

    def _delivered(self, error: Any, _message: Any) -> None:
        if error is None:
            self._complained = False
        elif not self._complained:
            self._complained = True
            log.warning("cutover status cannot be produced to the topic %s: %s", self.topic, error.str())

    def write(self, document: dict[str, Any]) -> None:
        """Produce this document; it is sent in the background."""
        with self._lock:
            if self._finished:
                return
            value = json.dumps(document, separators=(",", ":"))
            with contextlib.suppress(BufferError, KafkaException):
                self._producer.produce(self.topic, value, self._key)
            self._producer.poll(0)

    def finish(self, document: dict[str, Any], timeout_s: float = 2.0) -> None:
        """Produce the last document and wait for it, at most so many seconds."""
        with self._lock:
            self.write(document)
            self._finished = True
            if self._producer.flush(timeout_s):
                self._producer.purge()
            self._producer.close()


def writer(where: str, instance: str, source: Callable[[], dict[str, Any]]) -> StatusFile | StatusTopic:
    """Make the writer that `cutover.status` asks for: a directory, or `kafka:TOPIC` on the source cluster.

    `source` gives the properties of a client of the source cluster.
    """
    if not where.startswith("kafka:"):
        return StatusFile(where, instance)
    return StatusTopic(where.removeprefix("kafka:"), instance, {**config.connection(source()), "log_level": 0})


def document(
    *,
    instance: str,
    role: str,
    group: str | None,
    seen_generation: int,
    rejected: str | None,
    routes: dict[str, Any],
    unrouted: int,
    closed: bool,
) -> dict[str, Any]:
    """Build a status document, format 1."""
    return {
        "format": FORMAT,
        "instance": instance,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "role": role,
        "group": group,
        "updated": time.time(),
        "seen_generation": seen_generation,
        "rejected": rejected,
        "routes": routes,
        "unrouted": unrouted,
        "closed": closed,
    }


def nested(flat: dict[tuple[str, int], int] | dict[tuple[str, int], int | None]) -> dict[str, dict[str, int]]:
    """Turn {(topic, partition): offset} into the document's {topic: {"partition": offset}}.

    An acknowledgement has no offset (None) where a retry found the record in the log already.
    """
    out: dict[str, dict[str, int]] = {}
    for (topic, partition), offset in list(flat.items()):
        if offset is not None:
            out.setdefault(topic, {})[str(partition)] = offset
    return out
