"""A plan with recorded traffic, as a team makes both on its own cluster: inventory, plan, record; then a rehearsal.

Afterwards a preflight compares the cluster with the rehearsal.
"""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import Consumer, Producer
from cutover_harness.admin import Admin
from cutover_harness.capture import CaptureReader
from cutover_harness.testbed import ProcessTestbed

from tests.cluster.test_rehearse import PROGRAM
from tests.waiting import wait_until

TOPICS = {"orders.placed": 3, "orders.shipped": 2, "orders.state": 2, "payments.done": 2}
GROUPS = {
    "billing": ("orders.placed",),
    "warehouse": ("orders.placed", "orders.shipped"),
    "ledger": ("payments.done",),
}
RECORDS, SPAN_S, KEYS = 1500, 60, 40
"""Of each topic: how many records, over how much time, with how many keys."""
SYSTEMS = {"systems": {name: {"topics": [f"{name}.*"]} for name in ("orders", "payments")}}
MASKED = b"a value that is masked"


def fill(bed: ProcessTestbed) -> None:
    """Write a minute of traffic to the source, and commit offsets of all groups."""
    config = bed.source.client_config()
    admin = Admin(config)
    compacted = [name for name in TOPICS if name.endswith(".state")]
    for name, partitions in TOPICS.items():
        admin.create_topics({name: partitions}, {"cleanup.policy": "compact"} if name in compacted else None)
    producer = Producer({**config, "linger.ms": 20})
    began_ms = int((time.time() - SPAN_S) * 1000)
    for number in range(RECORDS):
        at_ms = began_ms + number * SPAN_S * 1000 // RECORDS
        for name in TOPICS:
            key = f"{name}-{number % KEYS}"
            producer.produce(name, MASKED, key, timestamp=at_ms, headers=[("trace", b"%d" % number)])
        producer.poll(0)
    assert producer.flush(60) == 0
    ends = admin.end_offsets(TOPICS)
    for group, read in GROUPS.items():
        admin.set_committed(group, {at: end for at, end in ends.items() if at[0] in read})


def call(folder: Path, *command: str, code: int = 0) -> str:
    """Run kafka-cutover in a folder, and return what it has printed."""
    done = subprocess.run(
        [*PROGRAM, *command], cwd=folder, capture_output=True, text=True, check=False, timeout=1500, env=None
    )
    said = done.stdout + done.stderr
    print(said)
    assert done.returncode == code, said
    return said


def plan_and_capture(bed: ProcessTestbed, folder: Path) -> None:
    """Make plan.yaml and traffic.parquet in the folder, with the commands of the docs."""
    fill(bed)
    for cluster, config in (("source", bed.source.client_config()), ("target", bed.target.client_config())):
        (folder / f"{cluster}.properties").write_text("".join(f"{name}={value}\n" for name, value in config.items()))
    (folder / "systems.yaml").write_text(yaml.safe_dump(SYSTEMS))
    call(folder, "inventory", "--source", "source.properties", "--sample", "1", "-o", "inventory.json")
    files = ("--source", "source.properties", "--target", "target.properties")
    call(folder, "plan", "inventory.json", "--systems", "systems.yaml", "-o", "plan.yaml", *files)
    plan: dict[str, Any] = yaml.safe_load((folder / "plan.yaml").read_text())
    batches = {batch["name"]: batch for batch in plan["batches"]}
    assert {name: set(batch["groups"]) for name, batch in batches.items()} == {
        "orders": {"billing", "warehouse"},
        "payments": {"ledger"},
    }
    # What only a person knows: these applications have the shim, the others are restarted.
    orders = batches["orders"]
    orders |= {"path": "in-process", "producers": {"checkout": {"moves": "shim"}, "erp": {"moves": "restart"}}}
    orders["groups"]["billing"]["moves"] = "shim"
    batches["payments"]["groups"]["ledger"]["instances"] = 2
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan, sort_keys=False))
    recorded = ("record", *TOPICS, "--cluster", "source.properties", "--mask", "values", "-o", "traffic.parquet")
    call(folder, *recorded)
    with CaptureReader(folder / "traffic.parquet") as capture:
        assert capture.records == RECORDS * len(TOPICS)


def check_rehearsal(folder: Path, *options: str, target: str) -> None:
    """Rehearse the plan with the capture, and check that it is the plan and the capture that were rehearsed."""
    out = folder / "rehearsal"
    call(folder, "rehearse", "--plan", "plan.yaml", "--capture", "traffic.parquet", "--out", str(out), *options)
    about = json.loads((out / "rehearsal.json").read_text())
    assert target in about["environment"]["target"]
    for name, topics in (("orders", 3), ("payments", 1), ("batches-in-order", len(TOPICS))):
        verdict = json.loads((out / name / "verdict.json").read_text())
        assert verdict["verdict"]["outcome"] == "PASS", name
        facts = json.loads((out / name / "run.json").read_text())
        assert facts["capture"]["records"] == RECORDS * len(TOPICS), name
        assert (len(facts["plan"]["topics"]), facts["plan"]["traffic"]) == (topics, ["records: those of the capture"])
        assert set(facts["plan"]["topics"]) == {log["topic"] for log in verdict["judgement"]["logs"] if log["acked"]}
        measured = verdict["judgement"]["groups"]
        assert all(each["delivered"] and not each["lost"] and not each["reordered"] for each in measured), name
    report = json.loads((out / "report.json").read_text())
    assert report["decision"] in ("GO", "GO WITH CONDITIONS"), report["headline"]
    assert {route["name"] for route in report["routes"]} == {"orders", "payments", "all"}


def differences(folder: Path, plan: str) -> dict[str, str]:
    """Return how a plan and the clusters differ from the rehearsal, but for what that left out: reason by subject."""
    done = subprocess.run(
        [*PROGRAM, "preflight", plan, "--json", "--diff", "rehearsal"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)["findings"]
    assert not [each for each in found if each["rule"] == "not-rehearsed" and each["severity"] != "note"]
    return {each["subject"]: each["reason"] for each in found if each["rule"].startswith("rehears")}


def check_differences(production: ProcessTestbed, folder: Path) -> None:
    """Compare the clusters with the rehearsal, change them, a group and the plan, and compare again."""
    nothing = differences(folder, "plan.yaml")
    assert nothing == {"connect": "does not report its version"}, "this plan names no Connect"
    config = production.source.client_config()
    admin = Admin(config)
    admin.set_topic_config("orders.shipped", {"retention.ms": "86400000"})
    admin.add_partitions({"payments.done": 3})
    admin.set_committed("billing", {("orders.shipped", 0): 1})
    (folder / "changed.yaml").write_text((folder / "plan.yaml").read_text() + "# a person's note\n")
    member = Consumer({**config, "group.id": "ledger", "client.id": "ledger-1"})
    member.subscribe(["payments.done"])
    try:
        wait_until(lambda: member.poll(0.1) is None and admin.members("ledger") == 1)
        found = differences(folder, "changed.yaml")
    finally:
        member.close()
    assert found.pop("plan").startswith("has changed since the rehearsal (SHA-256 ")
    since = "has changed since the rehearsal: "
    assert found == nothing | {
        "topic orders.shipped": f"{since}retention.ms (default) -> 86400000",
        "topic payments.done": f"{since}2 partitions -> 3",
        "group billing": f"{since}also reads orders.shipped",
        "group ledger": f"{since}2 members -> 1",
    }
