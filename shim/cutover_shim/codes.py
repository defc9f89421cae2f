"""The client's local error codes, whose names begin with an underscore, and errors with these codes."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException

FAIL: int = KafkaError._FAIL  # noqa: SLF001
ILLEGAL_GENERATION: int = KafkaError.ILLEGAL_GENERATION
INVALID_ARG: int = KafkaError._INVALID_ARG  # noqa: SLF001
MSG_TIMED_OUT: int = KafkaError._MSG_TIMED_OUT  # noqa: SLF001
NO_OFFSET: int = KafkaError._NO_OFFSET  # noqa: SLF001
PARTITION_EOF: int = KafkaError._PARTITION_EOF  # noqa: SLF001
PURGE_QUEUE: int = KafkaError._PURGE_QUEUE  # noqa: SLF001
QUEUE_FULL: int = KafkaError._QUEUE_FULL  # noqa: SLF001
STATE: int = KafkaError._STATE  # noqa: SLF001
TIMED_OUT: int = KafkaError._TIMED_OUT  # noqa: SLF001
SILENCE = frozenset({KafkaError._TRANSPORT, TIMED_OUT, KafkaError._ALL_BROKERS_DOWN})  # noqa: SLF001
"""The codes with which a call fails if no broker answered, whatever the reason."""
REFUSED = frozenset({KafkaError._AUTHENTICATION, KafkaError._SSL})  # noqa: SLF001
"""The codes of a failure that retrying cannot cure; the client retries and passes them to error_cb only."""


def error(code: int, text: str, *, retriable: bool = False) -> KafkaException:
    """Return the exception that the client would raise for this code."""
    return KafkaException(KafkaError(code, text, retriable=retriable))
