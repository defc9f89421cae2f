"""Time and memory of `kafka-cutover inventory` for a real broker with 2,000 topics and 200 groups.

    python -m benchmarks.inventory_brokers [topics] [groups]

Prints the figures; exits with 1 if the listing lacks a topic or a group.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from confluent_kafka import Producer
from cutover_harness.admin import Admin
from cutover_harness.testbed import ProcessTestbed

from benchmarks.figures import at_most, conclude

_SLICE = 100
PROGRAM = [sys.executable, "-P", "-c", "from cutover_harness.cli import main; main()", "inventory"]


def fill(bed: ProcessTestbed, topics: list[str], groups: list[str]) -> None:
    admin = Admin(bed.source.client_config(), timeout_s=60)
    producer = Producer({**bed.source.client_config(), "enable.idempotence": True})
    for first in range(0, len(topics), _SLICE):
        part = topics[first : first + _SLICE]
        admin.create_topics(dict.fromkeys(part, 1))
        for topic in part:
            producer.produce(topic, b"x" * 100)
        assert producer.flush(60) == 0
    for number, group in enumerate(groups):
        admin.set_committed(group, {(topics[(number * 7 + step) % len(topics)], 0): 1 for step in range(10)})


def main(count: int = 2_000, of_groups: int = 200) -> int:
    topics, groups = [f"many-{n:05}" for n in range(count)], [f"group-{n:04}" for n in range(of_groups)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bed = ProcessTestbed(folder / "bed")
        bed.start(lambda _line: None)
        try:
            begun = time.monotonic()
            fill(bed, topics, groups)
            print(f"{count:,} topics and {of_groups:,} groups made in {time.monotonic() - begun:.1f} s", flush=True)
            file, out = folder / "source.properties", folder / "inventory.json"
            file.write_text(f"bootstrap.servers={bed.source.bootstrap}\n", encoding="utf-8")
            figures = []
            for sample in ("0", "30"):
                begun = time.monotonic()
                command = [*PROGRAM, "--source", str(file), "-o", str(out), "--sample", sample]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                what = f"inventory of {count:,} topics and {of_groups:,} groups on a broker, --sample {sample}"
                figures.append(at_most(what, time.monotonic() - begun, "s"))
                print(f"--sample {sample}: exit code {done.returncode}", flush=True)
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
            figures.append(at_most("its memory", peak, "MB"))
        finally:
            bed.stop()
        found = json.loads(out.read_text())["clusters"]["source"]
        whole = {t["name"] for t in found["topics"] if t["records"] == 1 and t["bytes"] and t["producers"]} >= set(
            topics
        )
        listed = whole and {each["name"] for each in found["groups"]} == set(groups)
        return conclude(figures, [] if listed else ["a topic or a group is not in the listing"])


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:])))
