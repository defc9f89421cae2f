"""The queue for messages that are produced while their route is held, with the client's own limits and errors."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message

from cutover_shim import config

Callback = Callable[[KafkaError | None, Any], None]


@dataclass(slots=True)
class HeldMessage:
    """One message that waits for its route to be released."""

    topic: str
    value: str | bytes | None
    key: str | bytes | None
    partition: int
    callback: Callback | None
    timestamp: int
    headers: Any
    size: int
    expires: float  # monotonic seconds


class QueueLimits:
    """The client's limits on queued messages: `queue.buffering.max.*`, `message.max.bytes`, `delivery.timeout.ms`."""

    def __init__(self, conf: Mapping[str, Any]) -> None:
        self.messages = config.number(conf, ("queue.buffering.max.messages",), 100_000) or 1 << 62
        self.bytes = config.number(conf, ("queue.buffering.max.kbytes",), 1_048_576) * 1024
        self.message_bytes = config.number(conf, ("message.max.bytes",), 1_000_000)
        timeout_ms = config.number(conf, ("delivery.timeout.ms", "message.timeout.ms"), 300_000)
        self.timeout_s = timeout_ms / 1000 if timeout_ms else float("inf")


class HeldMessages:
    """The held messages of one route, oldest first. The caller holds the route's lock."""

    def __init__(self, limits: QueueLimits) -> None:
        self.limits = limits
        self.waiting: deque[HeldMessage] = deque()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self.waiting)

    def put(
        self,
        topic: str,
        value: str | bytes | None,
        key: str | bytes | None,
        partition: int,
        callback: Callback | None,
        timestamp: int,
        headers: Any,
        *,
        already: int,
    ) -> None:
        """Add a message, with the checks of the client's `produce()`.

        `timestamp` is in milliseconds, 0 for now. `already` is the number of messages of this route that a client still
        has; they count against the limit as in the client.
        Raises TypeError for an argument of a wrong type, BufferError if the queue is full, KafkaException
        (MSG_SIZE_TOO_LARGE) for a message above `message.max.bytes`.
        """
        size = _checked(topic, value, key, partition, timestamp, headers)
        if size > self.limits.message_bytes:
            raise KafkaException(
                KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, "Unable to produce message: Broker: Message size too large")
            )
        if len(self.waiting) + already >= self.limits.messages or self.bytes + size > self.limits.bytes:
            raise BufferError("Local: Queue full")
        now = time.time()
        self.waiting.append(
            HeldMessage(
                topic,
                value,
                key,
                partition,
                callback,
                timestamp or int(now * 1000),  # when the application produced it
                headers.copy() if isinstance(headers, dict) else list(headers) if headers else headers,
                size,
                time.monotonic() + self.limits.timeout_s,
            )
        )
        self.bytes += size

    def pop(self) -> HeldMessage:
        """Remove and return the oldest message."""
        held = self.waiting.popleft()
        self.bytes -= held.size
        return held

    def put_back(self, held: HeldMessage) -> None:
        """Put a message that `pop` returned back in its place."""
        self.waiting.appendleft(held)
        self.bytes += held.size

    def expired(self, now: float) -> list[HeldMessage]:
        """Remove and return the messages whose delivery timeout has passed at `now` (`time.monotonic()`)."""
        out = []
        while self.waiting and self.waiting[0].expires <= now:
            out.append(self.pop())
        return out


def failed_report(held: HeldMessage, code: int, reason: str | None = None) -> tuple[KafkaError, Any]:
    """Return the arguments for the delivery callback of a message that failed: the error and the message."""
    error = KafkaError(code, reason)
    value = held.value.encode() if isinstance(held.value, str) else held.value
    key = held.key.encode() if isinstance(held.key, str) else held.key
    return error, Message(
        topic=held.topic,
        partition=held.partition,
        key=key,
        value=value,
        error=error,
        timestamp=(1, held.timestamp),
    )


def _checked(topic: Any, value: Any, key: Any, partition: Any, timestamp: Any, headers: Any) -> int:
    if not isinstance(topic, str):
        raise TypeError(f"argument 1 must be str, not {type(topic).__name__}")
    size = 0
    for number, part in ((2, value), (3, key)):
        if part is None:
            continue
        if isinstance(part, str):
            size += len(part.encode())
        elif isinstance(part, bytes):
            size += len(part)
        elif isinstance(part, bytearray | memoryview):
            raise TypeError(f"argument {number} must be read-only bytes-like object, not {type(part).__name__}")
        else:
            raise TypeError(f"a bytes-like object is required, not '{type(part).__name__}'")
    for integer in (partition, timestamp):
        if not hasattr(type(integer), "__index__"):
            raise TypeError(f"'{type(integer).__name__}' object cannot be interpreted as an integer")
    if headers is not None:
        size += _headers_size(headers)
    return size


def _headers_size(headers: Any) -> int:
    if not isinstance(headers, dict | list):
        raise TypeError(f"expected headers to be dict or list of (key, value) tuples, not {type(headers).__name__}")
    size = 0
    for pair in headers.items() if isinstance(headers, dict) else headers:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError("Headers are expected to be a list of (key, value) tuples")
        if pair[1] is not None and not isinstance(pair[1], str | bytes):
            raise TypeError(
                f"expected header value to be None, binary, or unicode string, not {type(pair[1]).__name__}"
            )
        size += len(str(pair[0])) + len(pair[1] or b"")
    return size
