"""The answer to an administrative call, waited for no longer than it can take."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException

T = TypeVar("T")
GRACE_S = 5.0
"""How much longer than the client's own timeout: the client ends a call that the cluster does not answer."""


def answer_of(future: Future[T], timeout_s: float) -> T:
    """Return what the cluster has answered to a call with this timeout. Raises KafkaException.

    A client completes each call by its timeout, as long as it exists: calls of one that was closed or replaced are
    never completed (seen in confluent-kafka 2.16.1). They count as timed out.
    """
    try:
        return future.result(timeout_s + GRACE_S)
    except TimeoutError:
        if future.done():  # the error is the answer's own, or the answer came a moment ago
            return future.result()
        why = KafkaError(KafkaError._TIMED_OUT, "the client has not completed the call")  # noqa: SLF001
        raise KafkaException(why) from None


def description_of(future: Future[Any], timeout_s: float) -> Any:
    """Return a coordinator's description of a group, None if the group does not exist. Raises KafkaException."""
    try:
        return answer_of(future, timeout_s)
    except KafkaException as why:
        if why.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return None
        raise
