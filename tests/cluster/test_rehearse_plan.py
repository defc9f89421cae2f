"""`kafka-cutover rehearse --plan` as a user runs it: a plan of two batches passes, a path that loses records fails."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.conductor.journal import Journal

from tests.cluster.test_rehearse import PROGRAM
from tests.unit.rehearsal.listings import group, listing, topic, write_plan

INVENTORY = listing(
    [
        topic("orders.placed", 3, 60.0, config={"min.insync.replicas": "2"}),
        topic("orders.state", 2, 10.0, compacted=True, config={"cleanup.policy": "compact"}),
        topic("orders.idle", 1, 0.0),
        topic("payments.done", 2, 30.0),
    ],
    [
        group("billing", 2, "orders.placed"),
        group("warehouse", 1, "orders.placed", "orders.state"),
        group("ledger", 1, "payments.done"),
    ],
)
MIXED = """\
format: 1
name: shop
inventory: {file: inventory.json}
clusters: {source: {properties: s}, target: {properties: t}}
policy: policy.toml
batches:
  - name: orders
    path: in-process
    topics: ["orders.*"]
    groups:
      billing: {moves: shim}
      warehouse: {moves: restart}
    producers:
      checkout: {moves: shim}
      erp: {moves: restart}
  - name: payments
    path: stop-first
    topics: [payments.done]
    groups:
      ledger: {moves: connector, connector: ledger}
    producers:
      crm: {moves: connector, connector: crm}
"""
POLICY = """\
name = "shop, Q4"
[limits]
duplicated_on_switchover = "any"
[evidence]
reversible = []
negative_controls = 0
"""
LEFT_BEHIND = """\
format: 1
name: shop
inventory: {file: inventory.json}
clusters: {source: {properties: s}, target: {properties: t}}
batches:
  - name: payments
    path: [create-task, synchronise, stop-producers, {step: producers-to-target, safety: false, dwell_s: 3}]
    topics: [payments.done]
    groups:
      ledger: {moves: connector, connector: ledger}
    producers:
      checkout: {moves: shim}
"""
"""Its sink connector stays on the source, and never gets what is produced on the target."""


def rehearse(folder: Path, plan: str, *options: str) -> tuple[subprocess.CompletedProcess[str], Path]:
    folder.mkdir(exist_ok=True)
    (folder / "policy.toml").write_text(POLICY)
    file, out = write_plan(folder, plan, INVENTORY), folder / "out"
    command = [*PROGRAM, "rehearse", "--plan", str(file), "--out", str(out), "--seed", "5", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    print(done.stdout, done.stderr)
    return done, out


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Both batches in their order, on one pair of clusters, and each alone."""
    return rehearse(tmp_path_factory.mktemp("planned"), MIXED, "--jobs", "2")


def read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def test_a_plan_of_two_batches_passes(rehearsed: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, out = rehearsed
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("orders", "payments", "batches-in-order"):
        assert read(out / name / "verdict.json")["verdict"]["outcome"] == "PASS", name
    report = read(out / "report.json")
    assert report["policy"] == "shop, Q4"
    assert [route["name"] for route in report["routes"]] == ["orders", "payments", "all"]


def test_every_topic_and_group_was_exercised(rehearsed: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, out = rehearsed
    judgement = read(out / "batches-in-order" / "verdict.json")["judgement"]
    acked = {(log["topic"]) for log in judgement["logs"] if log["acked"]}
    assert acked == {"orders.placed", "orders.state", "orders.idle", "payments.done"}
    delivered = {each["group"]: each["delivered"] for each in judgement["groups"]}
    assert set(delivered) == {"billing", "warehouse", "ledger", "rehearsal-reader-orders"}
    assert all(delivered.values())


def test_each_client_moved_as_the_plan_says(rehearsed: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, out = rehearsed
    apps = {file.stem: read(file) for file in (out / "batches-in-order" / "apps").glob("*.json")}
    by_shim = {name for name, config in apps.items() if config.get("use_shim")}
    assert by_shim == {"billing-1", "billing-2", "producer-1", "rehearsal-reader-orders-1"}
    facts = read(out / "batches-in-order" / "run.json")
    assert {(cut["group"], cut["to_cluster"]) for cut in facts["cuts"]} >= {
        ("billing", "target"),
        ("warehouse", "target"),
    }


@pytest.mark.parametrize("name", ["payments", "batches-in-order"])
def test_connectors_moved_by_the_code_of_run(
    rehearsed: tuple[subprocess.CompletedProcess[str], Path], name: str
) -> None:
    _, out = rehearsed
    events = {"sink-ledger": "DELIVERED", "source-crm": "ACKED"}
    for ledger, event in events.items():
        with (out / name / "ledger" / ledger / "events.csv").open() as rows:
            clusters = {row["cluster"] for row in csv.DictReader(rows) if row["event"] == event}
        assert clusters == {"source", "target"}, ledger
    gates = [entry for entry in Journal(out / name / "batches" / "payments" / "journal.sqlite").read()
             if entry.kind == "gate"]  # fmt: skip
    evidence = "; ".join(gate.detail["evidence"] for gate in gates)
    for proof in (
        "connector sink-ledger on source is STOPPED; tasks: none",
        "Connect files works on target, by the cluster's id",
        "connector source-crm has its 1 offset",
        "connector sink-ledger on target is RUNNING; tasks: 1 RUNNING",
        "connector source-crm on target is RUNNING; tasks: 1 RUNNING",
    ):
        assert proof in evidence


def test_the_run_names_its_plan(rehearsed: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, out = rehearsed
    plan = read(out / "rehearsal.json")["plan"]
    assert (plan["name"], plan["batches"]) == ("shop", ["orders", "payments"])
    part = read(out / "orders" / "run.json")["plan"]
    assert part["sha256"] == plan["sha256"]
    assert part["topics"]["orders.placed"]["config"] == {"min.insync.replicas": "2"}
    omitted = [each["what"] for each in read(out / "payments" / "run.json")["plan"]["not_rehearsed"]]
    assert any("the plugins of connectors group ledger, producer crm" in what for what in omitted)
    for name in ("report.html", "report.md"):
        assert plan["sha256"][:12] in (out / name).read_text(encoding="utf-8")


def test_a_path_that_leaves_a_sink_connector_behind_fails(tmp_path: Path) -> None:
    done, out = rehearse(tmp_path, LEFT_BEHIND)
    assert done.returncode == 1, done.stdout + done.stderr
    judged = read(out / "payments" / "verdict.json")
    assert judged["verdict"]["outcome"] == "FAIL"
    assert sum(each["lost"] for each in judged["judgement"]["groups"]) > 0
    assert read(out / "report.json")["decision"] == "NO-GO"
