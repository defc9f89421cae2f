"""Interruption by a switch between two real brokers: producers, consumers, and four threads under load.

    python -m benchmarks.shim_switch [switches]

Prints medians; exits with 1 if a bar is missed (300 ms from the last acknowledgement on the old cluster to the first
on the new one; 1.5 s of a consumer beyond its group's join; nothing lost, duplicated or reordered).
"""

from __future__ import annotations

import itertools
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import confluent_kafka
import cutover_shim
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from cutover_harness.testbed import ProcessTestbed

from benchmarks.figures import at_most, conclude

TOPIC = "switch"
PARTITIONS = 4


class Fleet:
    """Two brokers and the cutover file between them."""

    def __init__(self, bed: ProcessTestbed, folder: Path) -> None:
        self.bootstrap = {"source": bed.source.bootstrap, "target": bed.target.bootstrap}
        self.path = folder / "cutover.toml"
        self.generation = 0
        for bootstrap in self.bootstrap.values():
            admin = AdminClient({"bootstrap.servers": bootstrap})
            for future in admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)]).values():
                future.result(20)
        self.write("source", "source")
        self.conf: dict[str, Any] = {
            "bootstrap.servers": "in.the.file:1",
            "cutover.file": str(self.path),
            "log_level": 0,
        }

    def write(self, producers: str, consumers: str) -> None:
        self.generation += 1
        clusters = "".join(f'[clusters.{n}]\n"bootstrap.servers" = "{b}"\n' for n, b in self.bootstrap.items())
        new = self.path.with_suffix(".new")
        new.write_text(
            f'generation = {self.generation}\n{clusters}[routes.r]\ntopics = ["{TOPIC}"]\ngroups = ["*"]\n'
            f'producers = "{producers}"\nconsumers = "{consumers}"\n'
        )
        new.replace(self.path)

    def read(self, name: str) -> dict[int, list[bytes]]:
        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": self.bootstrap[name], "group.id": "reader", "enable.partition.eof": True}
        )
        consumer.assign([TopicPartition(TOPIC, p, 0) for p in range(PARTITIONS)])
        out: dict[int, list[bytes]] = {p: [] for p in range(PARTITIONS)}
        ends = set(out)
        while ends:
            for message in consumer.consume(10_000, 0.5):
                partition = message.partition()
                assert partition is not None
                if message.error() is not None:
                    ends.discard(partition)
                else:
                    out[partition].append(message.value() or b"")
        consumer.close()
        return out


def producer_gaps(fleet: Fleet, switches: int) -> list[float]:
    """Seconds from the last acknowledgement on the cluster that is left to the first on the other."""
    producer = cutover_shim.Producer({**fleet.conf, "linger.ms": 5})
    acks: list[tuple[float, str | None]] = []

    def report(error: Any, message: Any) -> None:
        assert error is None
        acks.append((time.perf_counter(), producer.cutover_cluster(TOPIC)))

    places = ("target", "source")
    for number in range(switches):
        fleet.write(places[number % 2], "source")
        deadline = time.monotonic() + 30
        while not acks or acks[-1][1] != places[number % 2]:
            assert time.monotonic() < deadline
            producer.produce(TOPIC, b"x", on_delivery=report)
            producer.poll(0.001)
    assert producer.flush(10) == 0
    producer.close()
    return [b[0] - a[0] for a, b in itertools.pairwise(acks) if a[1] != b[1]]


def _raiser(event: threading.Event) -> Any:
    return lambda consumer, partitions: event.set()


def consumer_pauses(fleet: Fleet, switches: int) -> tuple[list[float], float]:
    """Seconds from leaving one cluster to the assignment on the other, and a raw client's join for comparison."""
    joins = []
    for number in range(3):
        raw = confluent_kafka.Consumer({"bootstrap.servers": fleet.bootstrap["source"], "group.id": f"raw-{number}"})
        joined = threading.Event()
        begin = time.perf_counter()
        raw.subscribe([TOPIC], on_assign=_raiser(joined))
        while not joined.is_set():
            raw.poll(0.01)
        joins.append(time.perf_counter() - begin)
        raw.close()
    assigned: list[float] = []
    consumer = cutover_shim.Consumer({**fleet.conf, "group.id": "switched"})
    consumer.subscribe([TOPIC], on_assign=lambda c, p: assigned.append(time.perf_counter()))
    while not assigned:
        consumer.poll(0.01)
    pauses = []
    for number in range(switches):
        before = len(assigned)
        fleet.write("source", ("target", "source")[number % 2])
        begin = 0.0
        while len(assigned) == before:
            here = consumer.cutover_cluster()
            started = time.perf_counter()
            consumer.poll(0.01)
            if not begin and consumer.cutover_cluster() != here:
                begin = started
        pauses.append(assigned[-1] - begin)
    consumer.close()
    return pauses, statistics.median(joins)


def stress(fleet: Fleet, switches: int) -> tuple[int, int, int, int]:
    """Count sent, lost, duplicated and reordered records of four threads on one producer."""
    already = {name: {p: len(v) for p, v in fleet.read(name).items()} for name in fleet.bootstrap}
    producer = cutover_shim.Producer({**fleet.conf, "linger.ms": 2})
    sent = [0] * PARTITIONS
    stop = threading.Event()

    def work(thread: int) -> None:
        while not stop.is_set():
            try:
                producer.produce(TOPIC, str(sent[thread]), partition=thread)
                sent[thread] += 1
            except BufferError:
                producer.poll(0.01)
            if sent[thread] % 20 == 0:
                producer.poll(0)
                time.sleep(0.001)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(PARTITIONS)]
    for thread in threads:
        thread.start()
    for number in range(switches):
        place = ("target", "source")[number % 2]
        fleet.write(place, "source")
        while producer.cutover_cluster(TOPIC) != place:
            time.sleep(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    assert producer.flush(30) == 0
    producer.close()
    return sum(sent), *count(fleet, sent, already)


def count(fleet: Fleet, sent: list[int], already: dict[str, dict[int, int]]) -> tuple[int, int, int]:
    """Count lost, duplicated and reordered records beyond those that were there before."""
    lost = duplicated = reordered = 0
    logs = {name: fleet.read(name) for name in fleet.bootstrap}
    for partition in range(PARTITIONS):
        both: Counter[int] = Counter()
        for name, log in logs.items():
            numbers = [int(v) for v in log[partition][already[name][partition] :]]
            reordered += sum(a > b for a, b in itertools.pairwise(numbers))
            both.update(numbers)
        lost += sum(n not in both for n in range(sent[partition]))
        duplicated += sum(c - 1 for c in both.values())
    return lost, duplicated, reordered


def main(switches: int = 200) -> int:
    with tempfile.TemporaryDirectory() as folder, ProcessTestbed(Path(folder) / "bed") as bed:
        fleet = Fleet(bed, Path(folder))
        gaps = [1000 * gap for gap in producer_gaps(fleet, 21)]
        pauses, join = consumer_pauses(fleet, 7)
        beyond = [pause - join for pause in pauses]
        sent, *wrong = stress(fleet, switches)
        print(f"{switches} switches, {sent} records of 4 threads: lost, duplicated, reordered {wrong}")
    return conclude(
        [
            at_most("producer's switch, from the last to the first acknowledgement", gaps, "ms", 300),
            at_most("consumer's switch, beyond the raw client's join", beyond, "s", 1.5),
            at_most("join of the raw client", join, "s"),
        ],
        [f"lost, duplicated, reordered: {wrong}"] if any(wrong) else [],
    )


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:2])))
