"""Clients that the application drops without closing them leave nothing behind, as confluent_kafka's do."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cutover_shim import Consumer, Producer

from .conftest import Switch, until


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


@pytest.fixture
def collector_off() -> Any:
    """Only references keep a client alive, as for the raw client."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def dropped_producers(switch: Switch, topic: str) -> None:
    for number in range(20):
        producer = Producer(switch.conf(f"p{number}"))
        producer.produce(topic, b"x", on_delivery=lambda _error, _message: None)


def dropped_consumers(switch: Switch, topic: str) -> None:
    for number in range(10):
        consumer = Consumer(switch.conf(f"c{number}", **{"group.id": f"g-{topic}"}))
        consumer.subscribe([topic], on_assign=lambda _consumer, _partitions: None)
        consumer.poll(0.01)


@pytest.mark.parametrize("drop", [dropped_producers, dropped_consumers])
@pytest.mark.usefixtures("collector_off")
def test_no_thread_is_left(drop: Any, switch: Switch, topic: str) -> None:
    kept = Producer(switch.conf())  # the watching thread stays for it
    before = threads()
    drop(switch, topic)
    until(lambda: threads() <= before, what=lambda: f"{threads()} threads, {before} before")
    until(lambda: switch.read_status("p0" if drop is dropped_producers else "c0")["closed"])
    kept.close()


@pytest.mark.usefixtures("collector_off")
def test_held_messages_of_a_dropped_producer_are_reported_lost(
    switch: Switch, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    switch.write(producers="hold")
    producer = Producer(switch.conf())
    for _ in range(3):
        producer.produce(topic, b"x")
    with caplog.at_level(logging.WARNING):
        del producer
    assert "3 messages that waited for their route are lost" in caplog.text


@pytest.mark.parametrize("kind", [Producer, Consumer])
def test_a_derived_client_that_skips_the_constructor_is_refused_as_the_raw_one(kind: Any, switch: Switch) -> None:
    def outcome(base: Any, call: Callable[[Any], Any]) -> str:
        careless = type("Careless", (base,), {"__init__": lambda _self: None})
        try:
            return repr(call(careless()))
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    calls: list[Callable[[Any], Any]] = [
        lambda c: c.poll(0),
        lambda c: c.list_topics(timeout=0.1),
        lambda c: c.subscribe(["t"]) if kind is Consumer else c.produce("t"),
        lambda c: c.close(),
    ]
    for call in calls:
        assert outcome(kind, call) == outcome(kind.__mro__[1], call)
