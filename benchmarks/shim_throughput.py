"""Throughput of the shim as a ratio to the raw client's: alternating in one run on a real broker, median of 7.

    python -m benchmarks.shim_throughput [rounds]

Two ratios a case: of wall time, and of the application thread's own processor time, which other processes on the
machine do not disturb; the bar is on the better of the two. Exits with 1 if a bar is missed.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import confluent_kafka
import cutover_shim
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from cutover_harness.testbed import ProcessTestbed

from benchmarks.figures import Figure, at_most, conclude, ratio

TOPIC = "bench"
RECORDS = 60_000
BARS = {
    "produce until flushed, 100 B, keywords + callback + poll(0)": 0.98,
    "produce until flushed, 1 KB, keywords + callback + poll(0)": 0.98,
    "bare produce(), keywords": 1.0,
    "bare produce(), positional": 0.65,
    "consumer poll(1.0), 100 B": 0.95,
    "consumer consume(500), 100 B": 0.98,
}
MEMORY_MB = 2.0

FILE = """
generation = 1
[clusters.source]
"bootstrap.servers" = "{source}"
[clusters.target]
"bootstrap.servers" = "{source}"
[routes.r]
topics = ["*"]
groups = ["*"]
producers = "source"
consumers = "source"
"""


Times = tuple[float, float]  # seconds: wall, processor time of this thread


def now() -> Times:
    return time.perf_counter(), time.thread_time()


def since(begin: Times) -> Times:
    end = now()
    return end[0] - begin[0], end[1] - begin[1]


def until_flushed(producer: Any, size: int) -> Times:
    value = b"x" * size
    acked = [0]

    def report(error: Any, message: Any) -> None:
        acked[0] += 1

    begin = now()
    for n in range(RECORDS):
        producer.produce(topic=TOPIC, value=value, key=b"key", partition=n % 3, on_delivery=report)
        producer.poll(0)
    producer.flush()
    took = since(begin)
    assert acked[0] == RECORDS
    return took


def bare(producer: Any, *, keywords: bool) -> Times:
    value = b"x" * 100

    def report(error: Any, message: Any) -> None:
        pass

    begin = now()
    if keywords:
        for _ in range(RECORDS):
            producer.produce(topic=TOPIC, value=value, key=b"key", on_delivery=report)
    else:
        for _ in range(RECORDS):
            producer.produce(TOPIC, value, b"key")
    took = since(begin)
    producer.flush()
    return took


def reading(make: Callable[[], Any], batch: int) -> Times:
    consumer = make()
    consumer.assign([TopicPartition(TOPIC, p, 0) for p in range(3)])
    assert consumer.poll(20) is not None
    count, begin = 0, now()
    while count < RECORDS * 2:
        count += (consumer.poll(1.0) is not None) if batch == 1 else len(consumer.consume(batch, 1.0))
    took = since(begin)
    consumer.close()
    return took


def alternate(rounds: int, raw: Callable[[], Times], shim: Callable[[], Times]) -> tuple[list[Times], list[Times]]:
    raws: list[Times] = []
    shims: list[Times] = []
    raw(), shim()
    for n in range(rounds):
        for which in ("raw", "shim") if n % 2 else ("shim", "raw"):
            (raws if which == "raw" else shims).append(raw() if which == "raw" else shim())
    return raws, shims


def compared(name: str, raws: list[Times], shims: list[Times]) -> Figure:
    """Return the better of two ratios: of wall time, and of processor time, which other processes do not disturb."""
    wall, cpu = (
        ratio(f"{name} ({what})", [each[at] for each in raws], [each[at] for each in shims], BARS[name])
        for at, what in enumerate(("wall time", "processor time"))
    )
    return max(wall, cpu, key=lambda each: each.median)


MEMORY = """
import sys, psutil, gc
from {module} import Producer, Consumer
conf = {conf!r}
Producer({{**conf}})
made, rss = [], psutil.Process().memory_info().rss
for n in range(10):
    made += [Producer(dict(conf)), Consumer({{**conf, "group.id": f"m{{n}}"}})]
print((psutil.Process().memory_info().rss - rss) / 20 / 1e6)
"""


def memory(module: str, conf: dict[str, Any]) -> float:
    runs = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", MEMORY.format(module=module, conf=conf)], capture_output=True, text=True, check=True
        )
        runs.append(float(done.stdout))
    return statistics.median(runs)


def main(rounds: int = 7) -> int:
    found: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder, ProcessTestbed(Path(folder) / "bed") as bed:
        bootstrap = bed.source.bootstrap
        admin = AdminClient({"bootstrap.servers": bootstrap})
        for future in admin.create_topics([NewTopic(TOPIC, 3, 1)]).values():
            future.result(20)
        file = Path(folder) / "cutover.toml"
        file.write_text(FILE.format(source=bootstrap))
        raw_conf: dict[str, Any] = {"bootstrap.servers": bootstrap, "log_level": 0}
        shim_conf = {**raw_conf, "cutover.file": str(file)}
        produce = {"queue.buffering.max.messages": 1_000_000, "linger.ms": 5}
        read = {"group.id": "g", "enable.auto.commit": False}
        raw = confluent_kafka.Producer({**raw_conf, **produce})
        shim = cutover_shim.Producer({**shim_conf, **produce})

        def raw_consumer() -> Any:
            return confluent_kafka.Consumer({**raw_conf, **read})

        def shim_consumer() -> Any:
            return cutover_shim.Consumer({**shim_conf, **read})

        cases: list[tuple[Callable[[], Times], Callable[[], Times]]] = [
            (lambda: until_flushed(raw, 100), lambda: until_flushed(shim, 100)),
            (lambda: until_flushed(raw, 1024), lambda: until_flushed(shim, 1024)),
            (lambda: bare(raw, keywords=True), lambda: bare(shim, keywords=True)),
            (lambda: bare(raw, keywords=False), lambda: bare(shim, keywords=False)),
            (lambda: reading(raw_consumer, 1), lambda: reading(shim_consumer, 1)),
            (lambda: reading(raw_consumer, 500), lambda: reading(shim_consumer, 500)),
        ]
        for name, (raw_case, shim_case) in zip(BARS, cases, strict=True):
            found.append(compared(name, *alternate(rounds, raw_case, shim_case)))
        extra = memory("cutover_shim", shim_conf) - memory("confluent_kafka", raw_conf)
        found.append(at_most("memory of a client beyond the raw one's", extra, "MB", MEMORY_MB))
        raw.close()
        shim.close()
    return conclude(found)


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:2])))
