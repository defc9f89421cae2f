"""`kafka-cutover preflight` against real clusters."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer
from cutover_harness.admin import Admin
from cutover_harness.testbed import ProcessTestbed

PROGRAM = [sys.executable, "-P", "-c", "from cutover_harness.cli import main; main()", "preflight"]


def preflight(*args: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run([*PROGRAM, *args, "--json"], capture_output=True, text=True, timeout=120, check=False)
    assert done.stderr == ""
    output: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, output


def test_differences_between_two_clusters_are_found_and_equal_things_are_not(
    testbed: ProcessTestbed, tmp_path: Path
) -> None:
    source, target = Admin(testbed.source.client_config()), Admin(testbed.target.client_config())
    week = {"retention.ms": str(7 * 86_400_000)}
    source.create_topics({"pre-good": 2, "pre-few": 3, "pre.internal": 1}, week)
    source.create_topics({"pre-state": 1}, {"cleanup.policy": "compact"})
    source.create_topics({"pre-short": 1}, {"retention.ms": "3600000"})
    target.create_topics({"pre-good": 2, "pre-few": 2, "pre.internal": 1}, week)
    target.create_topics({"pre-short": 1}, {"retention.ms": "7200000"})
    producer = Producer(testbed.source.client_config())
    for name in ("pre-good", "pre-few"):
        producer.produce(name, b"x")
    assert producer.flush(20) == 0
    consumer = Consumer({**testbed.source.client_config(), "group.id": "pre-billing", "auto.offset.reset": "earliest"})
    consumer.subscribe(["pre-good", "pre-few"])
    seen = 0
    while seen < 2:
        message = consumer.poll(20)
        assert message is not None
        seen += message.error() is None
    consumer.commit(asynchronous=False)
    consumer.close()
    for bed in (testbed.source, testbed.target):
        (tmp_path / bed.name).write_text(f"bootstrap.servers={bed.bootstrap}\n")
    files = ["--source", str(tmp_path / "source"), "--target", str(tmp_path / "target")]

    code, output = preflight(*files, "--topics", "pre*", "--batch", "pre-good", "--batch", "pre-few")
    assert code == 1
    subjects = {finding["rule"]: finding["subject"] for finding in output["findings"]}
    assert output["topics"] == ["pre-few", "pre-good", "pre-short", "pre-state", "pre.internal"]
    assert subjects["never-mirrored"] == "topics pre.internal"
    assert subjects["partition-count"] == "topic pre-few"
    assert subjects["group-spans-batches"] == "group pre-billing"
    assert subjects["compaction-data-loss"] == "compacted topics pre-state"
    assert subjects["missing-topics"] == "topics pre-state"
    assert subjects["retention"] == "topics pre-short (1 h)"
    assert subjects["topic-config"] == "topic pre-short"
    assert "source-version" not in subjects
    assert subjects["target-kind"] == "target"  # the stand-in is distinguished from AutoMQ

    code, output = preflight(*files, "--topics", "pre-good", "--automq-version", "1.7.3", "--batch", "pre-*")
    assert code == 0
    assert {finding["rule"] for finding in output["findings"]} <= {"target-kind", "replication"}

    # What is on the target from before.
    producer = Producer(testbed.target.client_config())
    producer.produce("pre-good", b"old")
    assert producer.flush(20) == 0
    target.set_committed("pre-billing", {("pre-good", 0): 1})
    code, output = preflight(*files, "--topics", "pre-good", "--automq-version", "1.7.3")
    subjects = {finding["rule"]: finding["subject"] for finding in output["findings"]}
    assert subjects["records-on-target"] == "topics pre-good (1)"
    assert subjects["offsets-on-target"] == "group pre-billing"
    assert output["target"]["automq"] is False
