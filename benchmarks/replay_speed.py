"""Speed and punctuality of replay and record, as ratios to the plain client in the same run, on a real broker.

    python -m benchmarks.replay_speed [rounds]

- replay at full speed, with its ledger and identities, to a plain confluent-kafka producer with a callback a record
  that sends the same bytes: key, value, timestamp and a header of 24 bytes;
- record to a plain confluent-kafka consumer, in batches, that reads topic, partition, offset, timestamp, key, value
  and headers of each message;
- how late records are sent at 20,000 a second by one process (p99, ms).

For comparison: the same replay on the shim, as a rehearsal's apps run it; a producer that sends key and value alone; an
eager consumer, which does not pause when its queue was full (the client's default is a second, the recorder has 5 ms);
and the processor time for a record. Each ratio is of wall time, the median of rounds that alternate. The bars are those
of the product's own claims; the exit code is 1 if one is missed.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import Consumer, Producer, TopicPartition
from cutover_harness.admin import Admin
from cutover_harness.capture import CaptureInfo, CaptureWriter, RecordOptions, TopicInfo, record_batch
from cutover_harness.capture.recorder import Recorder
from cutover_harness.ledger.identity import HEADER
from cutover_harness.replay.config import ProducerConfig, ReplayOptions
from cutover_harness.replay.process import Stop
from cutover_harness.replay.producer import run
from cutover_harness.testbed import ProcessTestbed

from benchmarks.figures import Figure, at_most, conclude, ratio
from benchmarks.shim_throughput import FILE

PARTITIONS = 6
SIZES = {100: 300_000, 1_000: 150_000, 10_000: 25_000}
PER_MS = 20
REPLAY_BAR, RECORD_BAR, LATE_BAR_MS, LATE_RATE = 0.9, 0.8, 5.0, 20_000
EAGER = {"fetch.queue.backoff.ms": 5}
CLIENT = {"enable.idempotence": True, "linger.ms": 5}
MARK: list[tuple[str, bytes]] = [(HEADER, bytes(24))]


class Speed(NamedTuple):
    """Records a second, and microseconds of this process's processor time for a record."""

    rate: float
    cpu_us: float


def timed(count: int, task: Callable[[], object]) -> Speed:
    begin, cpu = time.perf_counter(), time.process_time()
    task()
    took, cpu = time.perf_counter() - begin, time.process_time() - cpu
    return Speed(count / took, cpu / count * 1e6)


def values(size: int, count: int) -> list[bytes]:
    pool = random.Random(1).randbytes(1 << 20)  # noqa: S311 - the same content each time
    return [pool[at : at + size] for at in ((n * 37) % (len(pool) - size) for n in range(count))]


def capture(path: Path, size: int, count: int, per_ms: int = PER_MS) -> Path:
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


def plain_produce(client: dict[str, Any], topic: str, data: list[bytes], *, marked: bool) -> None:
    """Produce as fast as the client can: arguments by position; with timestamp and header where `marked`."""
    producer = Producer({**client, **CLIENT})
    acked = [0]

    def report(error: Any, message: Any) -> None:
        acked[0] += error is None

    begun = int(time.time() * 1000) - len(data) // PER_MS
    for number, value in enumerate(data):
        more = (None, begun + number // PER_MS, MARK) if marked else ()
        while True:
            try:
                producer.produce(topic, value, b"key-%d" % (number % 1000), number % PARTITIONS, report, *more)
                break
            except BufferError:
                producer.poll(0.01)
        if not number % 64:
            producer.poll(0)
    producer.flush()
    assert acked[0] == len(data)


def config(
    client: dict[str, Any], folder: Path, topic: str, speed: float | None, *, shim: bool = False
) -> ProducerConfig:
    file = folder / "cutover.toml" if shim else None
    if file is not None:
        file.write_text(FILE.format(source=client["bootstrap.servers"]))
    return ProducerConfig(
        instance="p",
        run=1,
        ledger=folder / f"ledger-{topic}",
        client={**client, **CLIENT},
        use_shim=shim,
        cutover_file=file,
        cluster=None if shim else "source",
        replay=ReplayOptions(capture=folder / "c.parquet", speed=speed, topics={"t": topic}),
        stats=folder / "stats.json",
    )


def plain_consume(client: dict[str, Any], topics: list[str], count: int) -> None:
    """Consume `count` messages and take each one's content."""
    consumer = Consumer({**client, "group.id": "plain", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, p, 0) for topic in topics for p in range(PARTITIONS)])
    found = 0
    while found < count:
        messages = consumer.consume(1000, 0.1)
        found += len(messages)
        for m in messages:
            (m.error(), m.topic(), m.partition(), m.offset(), m.timestamp(), m.key(), m.value(), m.headers())
    consumer.close()


def record(client: dict[str, Any], out: Path, topics: list[str], count: int) -> None:
    recorded = Recorder(client, out, RecordOptions(tuple(topics))).record()
    assert recorded.records == count
    out.unlink()


def lateness(client: dict[str, Any], folder: Path, topic: str) -> float:
    """Replay 10 s at LATE_RATE in an app process of its own, as a fleet does; returns its p99 (ms)."""
    capture(folder / "c.parquet", 100, 10 * LATE_RATE, per_ms=LATE_RATE // 1000)
    config(client, folder, topic, 1.0).save(folder / "p.json")
    command = [sys.executable, "-m", "cutover_harness.replay.producer", str(folder / "p.json")]
    subprocess.run(command, check=True)
    figures = json.loads((folder / "stats.json").read_text(encoding="utf-8"))
    late = figures["late_ms"]
    print(
        f"late at {LATE_RATE:,}/s: p50 {late['p50']} ms, max {late['max']} ms; it was ready to run and had no core for "
        f"{figures['without_core_ms']} ms in all",
        flush=True,
    )
    return float(late["p99"])


def compare(name: str, to: str, ours: list[Speed], other: list[Speed], bar: float | None = None) -> Figure:
    """Print both speeds; return the ratio to the other client, round by round."""
    print(f"{name}: {_shown(ours)} against {_shown(other)} of {to}", flush=True)
    return ratio(f"{name}, to {to}", [each.rate for each in ours], [each.rate for each in other], bar)


def _shown(speeds: list[Speed]) -> str:
    rate, cpu = (Figure("", column, "").median for column in zip(*speeds, strict=True))
    return f"{rate:,.0f}/s ({cpu:.1f} us cpu)"


def one_round(
    client: dict[str, Any], folder: Path, name: str, data: list[bytes], *, backwards: bool
) -> dict[str, Speed]:
    """Produce the same records in four ways, then consume all of them in three."""
    count = len(data)
    bare, same, ours, shim = topics = [f"{kind}-{name}" for kind in ("bare", "same", "ours", "shim")]
    Admin(client).create_topics(dict.fromkeys(topics, PARTITIONS))
    producing: dict[str, Callable[[], object]] = {
        "bare": lambda: plain_produce(client, bare, data, marked=False),
        "same": lambda: plain_produce(client, same, data, marked=True),
        "replay": lambda: run(config(client, folder, ours, None), Stop()),
        "shim": lambda: run(config(client, folder, shim, None, shim=True), Stop()),
    }
    consuming: dict[str, Callable[[], object]] = {
        "read": lambda: plain_consume(client, topics, len(topics) * count),
        "eager": lambda: plain_consume({**client, **EAGER}, topics, len(topics) * count),
        "record": lambda: record(client, folder / "out.parquet", topics, len(topics) * count),
    }
    made = {}
    for tasks, records in ((producing, count), (consuming, len(topics) * count)):
        for task in reversed(tasks) if backwards else tasks:
            made[task] = timed(records, tasks[task])
    Admin(client).delete_topics(topics)
    return made


def compare_size(client: dict[str, Any], folder: Path, size: int, count: int, rounds: int) -> list[Figure]:
    """Measure replay and record with records of one size."""
    folder.mkdir()
    data = values(size, count)
    capture(folder / "c.parquet", size, count)
    made = [one_round(client, folder, f"{size}-{n}", data, backwards=bool(n % 2)) for n in range(rounds)]
    found = {name: [each[name] for each in made] for name in made[0]}
    replayed, recorded = f"replay, {size:,} B", f"record, {size:,} B"
    return [
        compare(replayed, "a plain producer of the same records", found["replay"], found["same"], REPLAY_BAR),
        compare(f"{replayed}, on the shim", "a plain producer of the same records", found["shim"], found["same"]),
        compare(replayed, "a plain producer of keys and values", found["replay"], found["bare"]),
        compare(recorded, "a plain consumer", found["record"], found["read"], RECORD_BAR),
        compare(recorded, "an eager consumer", found["record"], found["eager"]),
    ]


def main(rounds: int = 2) -> int:
    found: list[Figure] = []
    with tempfile.TemporaryDirectory() as name, ProcessTestbed(Path(name) / "bed") as bed:
        client: dict[str, Any] = dict(bed.source.client_config())
        Admin(client).create_topics({"late": PARTITIONS, "warm": PARTITIONS})
        plain_produce(client, "warm", values(100, 50_000), marked=True)  # the broker compiles what it runs often
        for size, count in SIZES.items():
            found += compare_size(client, Path(name) / str(size), size, count, rounds)
        late = lateness(client, Path(name), "late")
        found.append(at_most(f"late at {LATE_RATE:,} records a second, p99", late, "ms", LATE_BAR_MS))
    return conclude(found)


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:])))
