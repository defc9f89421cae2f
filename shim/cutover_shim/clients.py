"""Small things that producer and consumer share about raw clients and timeouts."""

from __future__ import annotations

import time
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from cutover_shim.cutover_file import Cluster


def build_client(raw: Any, conf: dict[str, Any], cluster: Cluster | None) -> Any:
    """Construct a raw client; what it says of a refused property never holds a secret value."""
    try:
        return raw(conf)
    except KafkaException as error:
        if cluster is None or cluster.redact(str(error)) == str(error):
            raise
        cause = error.args[0]
        raise KafkaException(KafkaError(cause.code(), cluster.redact(cause.str()))) from None


def deadline_of(timeout: float) -> float:
    """Turn a timeout in seconds, negative for none, into a moment of `time.monotonic()`."""
    if not isinstance(timeout, int | float):
        raise TypeError(f"must be real number, not {type(timeout).__name__}")
    return float("inf") if timeout < 0 else time.monotonic() + timeout


def closed_handle(error: RuntimeError) -> bool:
    """Whether a client said that it is closed, rather than a callback of the application that ran inside it."""
    trace = error.__traceback__
    return trace is not None and trace.tb_next is None and "closed" in str(error)


def left_until(deadline: float) -> float:
    """Return the seconds that are left, never less than 0."""
    return max(0.0, deadline - time.monotonic())
