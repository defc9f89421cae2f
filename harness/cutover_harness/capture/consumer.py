"""The client that reads for a recording: it joins no group and commits nothing."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaException

from cutover_harness.capture.alignment import HIGH
from cutover_harness.capture.format import CaptureError
from cutover_harness.closing import close_client

_FETCH_LEAST, _FETCH_MOST = 16 << 10, 1 << 20
_LOG = logging.getLogger(__name__)


@contextmanager
def consuming(client: Mapping[str, Any], partitions: int, *, read_committed: bool) -> Iterator[Consumer]:
    """Yield a consumer with the properties `client` for this number of partitions. Raises CaptureError."""
    consumer = _consumer_of(client, partitions, read_committed)
    try:
        yield consumer
    finally:
        close_client(consumer)


def _consumer_of(client: Mapping[str, Any], partitions: int, read_committed: bool) -> Consumer:
    properties = {
        "client.id": "kafka-cutover-record",
        "fetch.wait.max.ms": 100,
        "queued.max.messages.kbytes": 32_768,
        # Records of many partitions that arrive before any can be paused are buffered, too.
        "fetch.message.max.bytes": max(_FETCH_LEAST, min(_FETCH_MOST, HIGH // max(1, partitions))),
        "fetch.queue.backoff.ms": 5,  # a full queue is soon empty again; the default is a second
        **client,
        "group.id": f"kafka-cutover-record-{uuid.uuid4()}",  # the client requires one; assign() never joins it
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",  # report it if retention is faster, or a topic was recreated
        "enable.partition.eof": True,
        "isolation.level": "read_committed" if read_committed else "read_uncommitted",
    }
    try:
        return Consumer(properties, logger=_LOG)
    except KafkaException as why:
        raise CaptureError(f"cluster properties: {why.args[0].str()}") from why
