"""Time of `kafka-cutover fleet` on 200 statuses, from the call to the end of the process: folder, and topic.

    python -m benchmarks.fleet_table [clients]

Prints medians of 7; exits with 1 if the folder takes more than 1 s, or the topic more than 2 s with its connection.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from cutover_harness.admin import Admin
from cutover_harness.testbed import ProcessTestbed

from benchmarks.figures import at_most, conclude

ROUNDS = 7
BARS_S = {"folder": 1.0, "topic": 2.0}
TOPIC = "statuses"
PROGRAM = [sys.executable, "-P", "-c", "from cutover_harness.cli import main; main()", "fleet"]


def statuses(clients: int) -> list[dict[str, Any]]:
    now = time.time()
    switch = {"generation": 7, "left_at": now - 60, "last_acked_at": now - 60.1, "first_acked_at": now - 58.9}
    route = {
        "generation": 7,
        "desired": "target",
        "state": "target",
        "cluster": "target",
        "in_flight": 3,
        "queued": 0,
        "acked": {"orders": {str(n): 1_000_000 + n for n in range(12)}},
        "acked_at": now - 0.1,
        "switch": switch,
    }
    return [
        {
            "format": 1,
            "instance": f"orders-7c9f6d5b8-{number:05}-31-1",
            "app": "orders",
            "role": "producer",
            "updated": now,
            "seen_generation": 7,
            "seen": {"generation": 7, "channel": "kafka:cutover@source", "at": now - 58},
            "closed": False,
            "routes": {"orders": route},
        }
        for number in range(clients)
    ]


def took(*arguments: str) -> float:
    begin = time.perf_counter()
    done = subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begin
    assert done.returncode == 0, done.stdout + done.stderr
    return seconds


def folder_case(folder: Path, clients: int) -> float:
    for each in statuses(clients):
        (folder / f"{each['instance']}.json").write_text(json.dumps(each))
    return took(str(folder), "--expect", str(clients))


def topic_case(bed: ProcessTestbed, properties: Path, clients: int) -> float:
    producer = Producer({**bed.source.client_config(), "linger.ms": 5})
    for each in statuses(clients):
        producer.produce(TOPIC, json.dumps(each), each["instance"])
    assert producer.flush(30) == 0
    return took(f"kafka:{TOPIC}", "--cluster", str(properties), "--expect", str(clients))


def main(clients: int = 200) -> int:
    with tempfile.TemporaryDirectory() as temporary, ProcessTestbed(Path(temporary) / "bed") as bed:
        folder, properties = Path(temporary) / "status", Path(temporary) / "source.properties"
        folder.mkdir()
        properties.write_text("".join(f"{name}={value}\n" for name, value in bed.source.client_config().items()))
        Admin(bed.source.client_config()).create_topics({TOPIC: 3}, {"cleanup.policy": "compact"})
        found = {
            "folder": [folder_case(folder, clients) for _ in range(ROUNDS)],
            "topic": [topic_case(bed, properties, clients) for _ in range(ROUNDS)],
        }
    return conclude(
        [
            at_most(f"table of {clients} statuses from a {where}", its, "s", BARS_S[where])
            for where, its in found.items()
        ]
    )


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:2])))
