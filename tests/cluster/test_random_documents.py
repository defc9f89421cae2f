"""1,000 random documents on the control topic under load: forged, altered, torn, old, huge and binary ones.

A producer and a consumer are moved between two brokers by genuine documents in between. No record is lost or delivered
twice, and no other document is put in force.
"""

from __future__ import annotations

import random
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer as RawProducer
from cutover_harness.testbed import ProcessTestbed
from cutover_shim import Consumer, Producer, signature
from cutover_shim.cutover_file import MAX_BYTES

from tests.cluster.test_control_topic import Fleet
from tests.waiting import wait_until

DOCUMENTS, MOVE_EVERY = 1000, 100
FORGED = 10_000
"""Generations from here on are in documents that nobody may put in force."""
PLACES = ("source", "hold", "target")


@dataclass
class Forger:
    """Writes random documents that have to be refused; `seed` repeats them."""

    fleet: Fleet
    seed: int
    written: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - keeps no secret
        self._key = self.fleet.key.encode()
        self._producers = {
            # A document of more than 1 MiB fits into a record if it is compressed.
            name: RawProducer(
                {**conf, "compression.type": "gzip", "message.max.bytes": 9_000_000, "linger.ms": 0, "log_level": 0}
            )
            for name, conf in self.fleet.clusters.items()
        }
        self._kinds: list[Callable[[], bytes | None]] = [
            self.unsigned, self.altered, self.foreign, self.torn, self.binary, self.empty, self.old, self.conflicting,
            self.invalid,
        ]  # fmt: skip

    def write(self) -> None:
        """Write one document to one or both of the topics."""
        make = self.huge if self._random.random() < 0.01 else self._random.choice(self._kinds)
        content = make()
        self.written[make.__name__] += 1
        for producer in self._random.sample(list(self._producers.values()), self._random.choice((1, 1, 2))):
            producer.produce(self.fleet.control, content, b"cutover")
            assert producer.flush(60) == 0

    def _evil(self, generation: int | None = None) -> bytes:
        chosen = FORGED + self._random.randrange(10**6) if generation is None else generation
        made = self.fleet.document(chosen, self._random.choice(PLACES), self._random.choice(PLACES))
        for conf in self.fleet.clusters.values():  # whoever followed it would have no cluster
            made = made.replace(conf["bootstrap.servers"].encode(), b"127.0.0.1:1")
        return made

    def unsigned(self) -> bytes:
        return self._evil()

    def altered(self) -> bytes:
        genuine = signature.sign(self._evil(), self._key)
        place = self._random.randrange(len(genuine) - 20, len(genuine))
        return genuine[:place] + bytes([genuine[place] ^ 1]) + genuine[place + 1 :]

    def foreign(self) -> bytes:
        return signature.sign(self._evil(), secrets.token_bytes(32))

    def torn(self) -> bytes:
        genuine = signature.sign(self._evil(), self._key)
        return genuine[: self._random.randrange(1, len(genuine))]

    def binary(self) -> bytes:
        return b"\xff" + self._random.randbytes(self._random.randrange(5000))

    def empty(self) -> bytes | None:
        return self._random.choice((None, b"", b" \n"))

    def huge(self) -> bytes:
        return signature.sign(self._evil() + b"#" * MAX_BYTES, self._key)

    def old(self) -> bytes:
        return signature.sign(self._evil(self._random.randrange(self.fleet.generation)), self._key)

    def conflicting(self) -> bytes:
        return signature.sign(self._evil(self.fleet.generation), self._key)

    def invalid(self) -> bytes:
        wrong: list[Callable[[bytes], bytes]] = [
            lambda good: good.replace(b"generation = ", b"generation = -"),
            lambda good: good.replace(b"[routes.r]", b"[routes.r]\nunknown = 1"),
            lambda good: good.replace(b'topics = ["', b'topics = "'),
            lambda good: good.replace(b"[clusters.target]", b"[clusters.elsewhere]"),
            lambda good: good + b"\xc3\x28",
            lambda good: good + b"x = " + b"[" * 3000,
        ]
        return signature.sign(self._random.choice(wrong)(self._evil()), self._key)


class Traffic:
    """A producer and a consumer of the shim in threads of their own, what they sent and got, and what they report."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.acked: list[bytes] = []
        self.failed: list[Any] = []
        self.got: list[bytes] = []
        self.seen: set[int] = set()
        self._ended = threading.Event()
        self._sent = threading.Event()
        self.producer = Producer(fleet.conf("p", **{"enable.idempotence": True}))
        self.consumer = Consumer(fleet.conf("c", **{"group.id": fleet.group, "auto.offset.reset": "earliest"}))
        self._threads = [threading.Thread(target=each) for each in (self._produce, self._consume, self._watch)]
        for thread in self._threads:
            thread.start()

    def _produce(self) -> None:
        number = 0
        while not self._sent.wait(0.002):
            value = b"%d" % number
            self.producer.produce(self.fleet.topic, value, partition=number % 2, on_delivery=self._reported)
            self.producer.poll(0)
            number += 1
        assert self.producer.flush(120) == 0

    def _reported(self, error: Any, message: Any) -> None:
        self.acked.append(message.value()) if error is None else self.failed.append(error)

    def _consume(self) -> None:
        self.consumer.subscribe([self.fleet.topic])
        while not self._ended.is_set():
            message = self.consumer.poll(0.05)
            if message is not None and message.error() is None:
                self.got.append(message.value())
        self.consumer.close()

    def _watch(self) -> None:
        while not self._ended.wait(0.02):
            for instance in ("p", "c"):
                try:
                    status = self.fleet.status(instance)
                except (OSError, ValueError):
                    continue
                routes = [route["generation"] for route in status["routes"].values()]
                self.seen |= {status["seen_generation"], *routes}

    def move(self, producers: str, consumers: str) -> None:
        generation = self.fleet.move(producers, consumers)
        for instance, place in (("p", producers), ("c", consumers)):
            wait_until(self.fleet.attested(instance, generation, "held" if place == "hold" else place))

    def stop_sending(self) -> None:
        self._sent.set()
        self._threads[0].join(180)

    def stop(self) -> None:
        self._ended.set()
        self._sent.set()
        for thread in self._threads:
            thread.join(60)
        self.producer.close()


@pytest.fixture
def traffic(testbed: ProcessTestbed, tmp_path: Path) -> Iterator[Traffic]:
    fleet = Fleet(testbed, tmp_path)
    fleet.move("source", "source")
    made = Traffic(fleet)
    yield made
    made.stop()


def test_none_of_1000_random_documents_is_followed_and_no_record_is_lost_or_delivered_twice(traffic: Traffic) -> None:
    fleet = traffic.fleet
    forger = Forger(fleet, secrets.randbits(32))
    print("seed", forger.seed)
    wait_until(lambda: traffic.got)
    here, there = "source", "target"
    for number in range(DOCUMENTS):
        forger.write()
        if number % MOVE_EVERY == MOVE_EVERY - 1:
            traffic.move("hold", "hold")
            here, there = there, here
            traffic.move(here, here)
    print(dict(forger.written), len(traffic.acked), "records")
    assert set(forger.written) >= {"unsigned", "altered", "foreign", "torn", "binary", "empty", "old", "invalid"}

    traffic.stop_sending()
    assert traffic.failed == []
    for place in (here, there):  # what was left unread on the other cluster when the consumer was moved
        traffic.move(here, place)
        on_it = set(fleet.read(place))
        wait_until(lambda on_it=on_it: on_it <= set(traffic.got))  # type: ignore[misc]
    logs = Counter(fleet.read("source") + fleet.read("target"))
    assert logs == Counter(traffic.acked)
    assert {value: count for value, count in Counter(traffic.got).items() if count != 1} == {}
    assert set(traffic.got) == set(traffic.acked)
    assert len(traffic.acked) > DOCUMENTS
    assert traffic.seen <= set(range(fleet.generation + 1))
    assert max(traffic.seen) == fleet.generation


def test_a_document_with_the_right_key_is_followed_and_would_be_found(traffic: Traffic) -> None:
    """The control of the test above: the same kind of document, but valid."""
    fleet = traffic.fleet
    wait_until(lambda: traffic.got)
    fleet.publish(signature.sign(fleet.document(FORGED, "hold", "hold"), fleet.key.encode()))
    wait_until(lambda: FORGED in traffic.seen)
    fleet.generation = FORGED
    traffic.move("source", "source")
