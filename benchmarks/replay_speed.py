"""How fast and how punctual replay and record are, as ratios to the plain client in the same run, on a real broker.

    python -m benchmarks.replay_speed [rounds]

- replay at full speed, with its ledger and identities, to a plain confluent-kafka producer with a callback a record;
- record to a plain confluent-kafka consumer that consumes in batches;
- how late records are sent at 20,000 a second by one process (p99, ms).

Each ratio is of wall time, the median of rounds that alternate. The bars are those of the product's own claims; the
exit code is 1 where one is missed.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from cutover_harness.admin import Admin
from cutover_harness.capture import CaptureInfo, CaptureWriter, TopicInfo, record_batch
from cutover_harness.capture.options import RecordOptions
from cutover_harness.capture.recorder import Recorder
from cutover_harness.replay.config import ProducerConfig, ReplayOptions
from cutover_harness.replay.process import Stop
from cutover_harness.replay.producer import run
from cutover_harness.testbed import ProcessTestbed

PARTITIONS = 6
SIZES = {100: 200_000, 1_000: 200_000, 10_000: 40_000}
REPLAY_BAR, RECORD_BAR, LATE_BAR_MS, LATE_RATE = 0.9, 0.8, 5.0, 20_000
CLIENT = {"enable.idempotence": True, "linger.ms": 5}


def values(size: int, count: int) -> list[bytes]:
    pool = random.Random(1).randbytes(1 << 20)  # noqa: S311 - the same content each time
    return [pool[at : at + size] for at in ((n * 37) % (len(pool) - size) for n in range(count))]


def capture(path: Path, size: int, count: int, per_ms: int = 20) -> Path:
    data = values(size, count)
    with CaptureWriter(path) as writer:
        for start in range(0, count, 10_000):
            rows = range(start, min(count, start + 10_000))
            writer.write(
                record_batch(
                    ["t"] * len(rows),
                    [n % PARTITIONS for n in rows],
                    [n // PARTITIONS for n in rows],
                    [n // per_ms for n in rows],
                    [1] * len(rows),
                    [b"key-%d" % (n % 1000) for n in rows],
                    [data[n] for n in rows],
                    [None] * len(rows),
                )
            )
        writer.close(CaptureInfo("now", {"t": TopicInfo(PARTITIONS)}))
    return path


def plain_produce(client: dict[str, Any], topic: str, data: list[bytes]) -> float:
    producer = Producer({**client, **CLIENT})
    acked = [0]

    def report(error: Any, message: Any) -> None:
        acked[0] += error is None

    begin = time.perf_counter()
    for number, value in enumerate(data):
        while True:
            try:
                producer.produce(topic, value, b"key-%d" % (number % 1000), number % PARTITIONS, report)
                break
            except BufferError:
                producer.poll(0.01)
        producer.poll(0)
    producer.flush()
    took = time.perf_counter() - begin
    assert acked[0] == len(data)
    return len(data) / took


def config(client: dict[str, Any], folder: Path, topic: str, speed: float | None) -> ProducerConfig:
    return ProducerConfig(
        instance="p",
        run=1,
        ledger=folder / f"ledger-{topic}",
        client={**client, **CLIENT},
        use_shim=False,
        cluster="source",
        replay=ReplayOptions(capture=folder / "c.parquet", speed=speed, topics={"t": topic}),
        stats=folder / "stats.json",
    )


def replay(client: dict[str, Any], folder: Path, topic: str, count: int) -> float:
    begin = time.perf_counter()
    run(config(client, folder, topic, None), Stop())
    return count / (time.perf_counter() - begin)


def plain_consume(client: dict[str, Any], topic: str, count: int) -> float:
    begin = time.perf_counter()
    consumer = Consumer({**client, "group.id": "plain", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, p, 0) for p in range(PARTITIONS)])
    found = 0
    while found < count:
        found += len(consumer.consume(1000, 0.1))
    took = time.perf_counter() - begin
    consumer.close()
    return count / took


def record(client: dict[str, Any], out: Path, topic: str) -> float:
    begin = time.perf_counter()
    recorded = Recorder(client, out, RecordOptions((topic,))).record()
    rate = recorded.records / (time.perf_counter() - begin)
    out.unlink()
    return rate


def lateness(client: dict[str, Any], folder: Path, topic: str) -> float:
    """Replay 10 s at LATE_RATE in an app process of its own, as a fleet does; returns its p99 (ms)."""
    capture(folder / "c.parquet", 100, 10 * LATE_RATE, per_ms=LATE_RATE // 1000)
    config(client, folder, topic, 1.0).save(folder / "p.json")
    command = [sys.executable, "-m", "cutover_harness.replay.producer", str(folder / "p.json")]
    subprocess.run(command, check=True)
    figures = json.loads((folder / "stats.json").read_text(encoding="utf-8"))
    print(
        f"late at {LATE_RATE:,}/s: p50 {figures['late_ms']['p50']} ms, p99 {figures['late_ms']['p99']} ms", flush=True
    )
    return float(figures["late_ms"]["p99"])


def compare(name: str, plain: list[float], ours: list[float], bar: float) -> bool:
    ratio = statistics.median(o / p for o, p in zip(ours, plain, strict=True))
    good = ratio >= bar
    print(
        f"{name}: {statistics.median(ours):,.0f}/s against {statistics.median(plain):,.0f}/s, "
        f"ratio {ratio:.2f} (bar {bar}) {'ok' if good else 'MISSED'}",
        flush=True,
    )
    return good


def main(rounds: int = 3) -> int:
    good = []
    with tempfile.TemporaryDirectory() as name, ProcessTestbed(Path(name) / "bed") as bed:
        client: dict[str, Any] = dict(bed.source.client_config())
        admin = Admin(client)
        for size, count in SIZES.items():
            folder = Path(name) / str(size)
            folder.mkdir()
            data = values(size, count)
            capture(folder / "c.parquet", size, count)
            made: dict[str, list[float]] = {"plain": [], "replay": [], "consume": [], "record": []}
            for number in range(rounds):
                topics = {f"p{size}-{number}": PARTITIONS, f"r{size}-{number}": PARTITIONS}
                admin.create_topics(topics)
                made["plain"].append(plain_produce(client, f"p{size}-{number}", data))
                made["replay"].append(replay(client, folder, f"r{size}-{number}", count))
                made["consume"].append(plain_consume(client, f"r{size}-{number}", count))
                made["record"].append(record(client, folder / "out.parquet", f"r{size}-{number}"))
                admin.delete_topics(topics)
            good.append(compare(f"replay, {size:,} B", made["plain"], made["replay"], REPLAY_BAR))
            good.append(compare(f"record, {size:,} B", made["consume"], made["record"], RECORD_BAR))
        admin.create_topics({"late": PARTITIONS})
        good.append(lateness(client, Path(name), "late") < LATE_BAR_MS)
    return int(not all(good))


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:])))
