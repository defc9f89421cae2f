"""Consumed messages in columns: which belong together, what is left out, and what a batch says."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka import Message
from cutover_harness.capture.columns import Messages, row_groups

CODES = {"a": 0, "b": 1}
TOPICS = pa.array(["a", "b"])


def message(topic: str, partition: int, offset: int, stamp: int, value: Any = b"v", headers: Any = None) -> Message:
    return Message(
        topic=topic, partition=partition, offset=offset, key=b"k", value=value, headers=headers, timestamp=(1, stamp)
    )


def test_runs_are_of_one_partition() -> None:
    found = Messages([message(t, p, 0, 0) for t, p in (("a", 0), ("a", 0), ("b", 0), ("b", 1), ("a", 0))], CODES)
    assert found.runs == [(("a", 0), 0, 2), (("b", 0), 2, 3), (("b", 1), 3, 4), (("a", 0), 4, 5)]
    assert found.sizes.tolist() == [2] * 5
    assert Messages([], CODES).runs == []


def test_a_batch_has_due_times_that_never_go_back_within_a_partition() -> None:
    largest = {("a", 0): 15}
    rows = [("a", 0, 10), ("b", 0, 5), ("b", 0, 3), ("a", 0, 30), ("a", 0, 20)]
    messages = [message(t, p, n, stamp) for n, (t, p, stamp) in enumerate(rows)]
    batch = Messages(messages, CODES).to_chunk(TOPICS, None, largest).rest
    assert batch.column("due").to_pylist() == [15, 5, 5, 30, 30]
    assert batch.column("timestamp").to_pylist() == [stamp for *_, stamp in rows]
    assert batch.column("topic").to_pylist() == [t for t, *_ in rows]
    assert largest == {("a", 0): 30, ("b", 0): 5}


def test_the_harness_own_header_is_left_out() -> None:
    given: list[Any] = [None, [("cutover-id", b"1")], [("x", None), ("cutover-id", b"1"), ("x", b"2")]]
    messages = [message("a", 0, n, 0, headers=h) for n, h in enumerate(given)]
    batch = Messages(messages, CODES).to_chunk(TOPICS, None, {}).rest
    assert batch.column("headers").to_pylist() == [
        None,
        None,
        [{"name": "x", "value": None}, {"name": "x", "value": b"2"}],
    ]


@pytest.mark.parametrize(
    "values", [[b""], [None, b"x"], [b"x" * 900, b""], [b"x" * 5000, b"", b"y" * 2000], [b"x" * 5000, None]]
)
def test_bytes_are_unchanged(values: list[Any]) -> None:
    messages = [message("a", 0, n, n, value=each) for n, each in enumerate(values)]
    (found,) = row_groups([Messages(messages, CODES).to_chunk(TOPICS, None, {})], 10, 1 << 20)
    found.validate(full=True)
    assert found.column("value").to_pylist() == values
