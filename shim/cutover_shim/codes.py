"""The client's local error codes, which it spells with an underscore, and errors made of them."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException

ILLEGAL_GENERATION: int = KafkaError.ILLEGAL_GENERATION
INVALID_ARG: int = KafkaError._INVALID_ARG  # noqa: SLF001
MSG_TIMED_OUT: int = KafkaError._MSG_TIMED_OUT  # noqa: SLF001
NO_OFFSET: int = KafkaError._NO_OFFSET  # noqa: SLF001
PURGE_QUEUE: int = KafkaError._PURGE_QUEUE  # noqa: SLF001
QUEUE_FULL: int = KafkaError._QUEUE_FULL  # noqa: SLF001
STATE: int = KafkaError._STATE  # noqa: SLF001
TIMED_OUT: int = KafkaError._TIMED_OUT  # noqa: SLF001
SILENCE = frozenset({KafkaError._TRANSPORT, TIMED_OUT, KafkaError._ALL_BROKERS_DOWN})  # noqa: SLF001
"""What a call ends with where no broker answered, whatever the reason."""
REFUSED = frozenset({KafkaError._AUTHENTICATION, KafkaError._SSL})  # noqa: SLF001
"""What no waiting mends; the client goes on trying, and tells its error callback alone."""


def error(code: int, text: str, *, retriable: bool = False) -> KafkaException:
    """Build the exception that the client would raise for this code."""
    return KafkaException(KafkaError(code, text, retriable=retriable))
