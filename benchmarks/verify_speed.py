"""Speed and memory of `kafka-cutover verify` on two brokers of this machine, next to a plain consumer of both logs.

    python -m benchmarks.verify_speed [records] [partitions] [rounds]

Records have 1 kB and are equal on both sides, so all of them are compared. The baseline is one process with a plain
confluent-kafka consumer for each cluster that reads key, value, headers and timestamp of each record, in batches, and
compares nothing; both times are those of whole commands. Prints medians of rounds that alternate. Exits with 1 if
verify compares fewer than 100,000 records a second or less than the baseline reads, or needs 300 MB.
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

from confluent_kafka import Consumer, Producer, TopicPartition
from cutover_harness.admin import Admin
from cutover_harness.testbed import ProcessTestbed

from benchmarks.figures import Figure, at_most, conclude, ratio

TOPIC, SIZE = "verified", 1_000
BAR, RATIO_BAR, MB_BAR = 100_000, 0.5, 300
PROGRAM = [sys.executable, "-P", "-c", "from cutover_harness.cli import main; main()", "verify"]
EAGER = {"fetch.queue.backoff.ms": 5}


def fill(bed: ProcessTestbed, records: int, partitions: int) -> None:
    pool = random.Random(1).randbytes(1 << 20)  # noqa: S311 - the same content each time
    clusters = [bed.source.client_config(), bed.target.client_config()]
    for config in clusters:
        Admin(config).create_topics({TOPIC: partitions})
    producers = [Producer({**config, "enable.idempotence": True, "linger.ms": 20}) for config in clusters]
    for number in range(records):
        at = number * 37 % (len(pool) - SIZE)
        value = pool[at : at + SIZE - 10] + b"%010d" % number
        for producer in producers:
            while True:
                try:
                    producer.produce(
                        TOPIC,
                        value,
                        b"k%d" % (number % 1_000),
                        partition=number % partitions,
                        timestamp=10**12 + number,
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
    for producer in producers:
        assert producer.flush(120) == 0


def plain(configs: list[dict[str, str]], partitions: int, records: int) -> None:
    """The baseline, in a process of its own."""
    consumers = [Consumer({**config, "group.id": "plain", "enable.auto.commit": False, **EAGER}) for config in configs]
    for consumer in consumers:
        consumer.assign([TopicPartition(TOPIC, number, 0) for number in range(partitions)])
    left = [records, records]
    while any(left):
        for which, consumer in enumerate(consumers):
            if not left[which]:
                continue
            for message in consumer.consume(min(1_000, left[which]), 0.05):
                assert message.error() is None
                _ = message.offset(), message.key(), message.value(), message.headers(), message.timestamp()
                left[which] -= 1
    for consumer in consumers:
        consumer.close()


def resident(pid: int) -> float:
    """Return the megabytes of a process and its children."""
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line)
        except OSError:
            continue  # it has ended
        if folder.name == str(pid) or status["PPid"].strip() == str(pid):
            total += int(status.get("VmRSS", "0 kB").split()[0]) / 1024
    return total


def timed(command: list[str]) -> tuple[float, float]:
    """Return how long a command takes, and its largest memory in MB."""
    begin, most = time.perf_counter(), 0.0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            most = max(most, resident(process.pid))
            time.sleep(0.1)
        took = time.perf_counter() - begin
    assert process.returncode == 0, process.returncode
    return took, most


def main(records: int = 1_000_000, partitions: int = 4, rounds: int = 3) -> int:
    with tempfile.TemporaryDirectory() as temporary, ProcessTestbed(Path(temporary) / "bed") as bed:
        folder = Path(temporary)
        fill(bed, records, partitions)
        configs = [bed.source.client_config(), bed.target.client_config()]
        for name, config in zip(("source", "target"), configs, strict=True):
            (folder / f"{name}.properties").write_text("".join(f"{key}={value}\n" for key, value in config.items()))
        (folder / "plan.yaml").write_text(
            "format: 1\nname: speed\n"
            "clusters: {source: {properties: source.properties}, target: {properties: target.properties}}\n"
            f"batches: [{{name: b, path: in-process, topics: [{TOPIC}]}}]\n"
        )
        result = folder / "result.json"
        verify = [*PROGRAM, str(folder / "plan.yaml"), "--batch", "b", "-o", str(result)]
        baseline = [sys.executable, "-m", "benchmarks.verify_speed", "plain", json.dumps(configs), str(partitions)]
        took: dict[str, list[float]] = {"verify": [], "plain": []}
        inside: list[float] = []
        memory = 0.0
        for _ in range(rounds):
            took["plain"].append(timed([*baseline, str(records)])[0])
            seconds, most = timed(verify)
            took["verify"].append(seconds)
            memory = max(memory, most)
            found = json.loads(result.read_text())
            assert found["outcome"] == "equal"
            assert sum(each["compared"] for each in found["partitions"]) == records
            inside.append(found["seconds"])
    rates = {name: [records / each for each in its] for name, its in took.items()}
    comparing = tuple(records / each for each in inside)
    print(f"{records:,} records of {SIZE} bytes on each side, {partitions} partitions")
    print(f"plain consumer of both: {statistics.median(rates['plain']):,.0f} records a second")
    return conclude(
        [
            Figure(f"verify of {SIZE} B on each side, while it compares", comparing, "records/s", BAR),
            ratio("verify with its start, to a plain consumer of both", rates["verify"], rates["plain"], RATIO_BAR),
            at_most("memory of verify", memory, "MB", MB_BAR),
        ]
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["plain"]:
        plain(json.loads(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
        raise SystemExit(0)
    raise SystemExit(main(*map(int, sys.argv[1:4])))
