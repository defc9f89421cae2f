"""From consumed messages to columns, in bulk: what Python does for each record is what recording costs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from confluent_kafka import Message
from numpy.typing import NDArray

from cutover_harness.capture.masking import Mask
from cutover_harness.capture.merge import SEGMENT_SCHEMA
from cutover_harness.capture.writer import header_array
from cutover_harness.ledger.identity import HEADER

Partition = tuple[str, int]
Run = tuple[Partition, int, int]
_JOIN_FROM = 512


class Messages:
    """Records as they were consumed. `runs`: which of them are of one partition, (partition, first, after the last)."""

    def __init__(self, messages: Sequence[Message], codes: dict[str, int]) -> None:
        self.messages = messages
        count = len(messages)
        self.offsets: NDArray[np.int64] = np.fromiter(map(Message.offset, messages), np.int64, count)
        self.keys: list[Any] = list(map(Message.key, messages))
        self._partitions = np.fromiter(map(Message.partition, messages), np.int32, count)
        self._topics = np.fromiter(map(codes.__getitem__, map(Message.topic, messages)), np.int32, count)  # type: ignore[arg-type]
        place = self._topics.astype(np.int64) << 32 | self._partitions
        cuts: list[int] = (np.flatnonzero(place[1:] != place[:-1]) + 1).tolist()
        names = list(codes)
        self.runs: list[Run] = [
            ((names[int(self._topics[start])], int(self._partitions[start])), start, end)
            for start, end in pairwise([0, *cuts, count])
            if count
        ]

    def __len__(self) -> int:
        return len(self.messages)

    @property
    def size(self) -> int:
        """Bytes of keys and values."""
        return sum(map(len, self.messages)) + sum(map(len, filter(None, self.keys)))

    def to_batch(self, topics: pa.Array, mask: Mask | None, largest: dict[Partition, int]) -> pa.RecordBatch:
        """Return them as a batch of a segment, masked.

        `topics`: the names of the topics' codes. `largest`: the largest timestamp of each partition so far, which is
        brought up to date.
        """
        kinds, stamps = zip(*map(Message.timestamp, self.messages), strict=True)
        keys, values, headers = self.keys, list(map(Message.value, self.messages)), _headers(self.messages)
        if mask is not None:
            keys, values, headers = mask.columns(keys, values, headers)
        due = np.array(stamps, np.int64)
        for where, start, end in self.runs:
            running = np.maximum.accumulate(due[start:end])
            known = largest.get(where)
            if known is not None:
                np.maximum(running, known, out=running)
            due[start:end] = running
            largest[where] = int(running[-1])
        arrays = [
            pa.DictionaryArray.from_arrays(pa.array(self._topics), topics),
            pa.array(self._partitions),
            pa.array(self.offsets),
            pa.array(stamps, pa.int64()),
            pa.array(kinds, pa.int8()),
            pa.array(keys, pa.binary()),
            binary_array(values),
            header_array(headers),
            pa.array(due),
        ]
        return pa.record_batch(arrays, schema=SEGMENT_SCHEMA)


def _headers(messages: Sequence[Message]) -> list[Any]:
    headers: list[Any] = list(map(Message.headers, messages))
    if any(headers):  # the harness's own header is no part of the application's traffic
        return [each and ([h for h in each if h[0] != HEADER] or None) for each in headers]
    return headers


def binary_array(values: list[Any]) -> pa.Array:
    """Return bytes as an Arrow array; big ones are copied once, which Arrow's own conversion does several times."""
    if None in values or sum(map(len, values)) < _JOIN_FROM * len(values):
        return pa.array(values, pa.binary())
    ends = np.zeros(len(values) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, values), np.int32, len(values)), out=ends[1:])
    return pa.Array.from_buffers(pa.binary(), len(values), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(values))])
