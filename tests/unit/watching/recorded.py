"""Folders of a plan's run as a conductor and clients leave them, made without brokers."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from cutover_harness.conductor.config import CONFIG, JOURNAL
from cutover_harness.conductor.cutover_file_writer import CutoverFileWriter, RouteLocations
from cutover_harness.conductor.journal import Journal
from cutover_harness.cutover import settings
from cutover_harness.cutover.folder import RunFolder
from cutover_harness.planning.read import ReadPlan, read_plan
from cutover_harness.procedure.bypass import Activity, Bypass, Range, Standing

NOWHERE = "127.0.0.1:1"
PLAN = {
    "format": 1,
    "name": "shop",
    "clusters": {"source": {"properties": "source.properties"}, "target": {"properties": "target.properties"}},
    "connect": {"url": f"http://{NOWHERE}"},
    "reach": [{"file": "cutover.toml"}],
    "statuses": "status",
    "batches": [
        {
            "name": "orders",
            "path": "in-process",
            "topics": ["orders"],
            "groups": {"billing": {"moves": "shim"}, "legacy": {"moves": "restart"}},
            "producers": {"checkout": {"moves": "shim"}},
        },
        {"name": "rest", "path": "in-process", "topics": ["rest"]},
    ],
}


class Recorded:
    """A run in a folder. Its journal and statuses are written entry by entry."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "status").mkdir()
        for name in ("source", "target"):
            (folder / f"{name}.properties").write_text(f"bootstrap.servers={NOWHERE}\n")
        endpoints = {name: {"bootstrap.servers": NOWHERE} for name in ("source", "target")}
        routes = {"orders": RouteLocations(["orders"], ["billing"])}
        CutoverFileWriter(folder / "cutover.toml", endpoints, routes).write()
        (folder / "shop.yaml").write_text(json.dumps(PLAN))
        self.plan: ReadPlan = read_plan(folder / "shop.yaml")
        self.run = RunFolder.of(self.plan.path)
        self.run.begin(self.plan)
        self.own = self.run.batch("orders")
        config = settings.config_of(
            self.plan, self.plan.plan.batches[0], self.run, {"checkout-1": "producer", "billing-1": "consumer"}
        )
        config.save(self.own / CONFIG, run=folder)

    def write(self, kind: Any, step: int, name: str, **detail: Any) -> None:
        journal = Journal(self.own / JOURNAL)
        journal.write(kind, step, name, **detail)
        journal.close()

    def step(self, number: int, name: str, *gates: tuple[str, str]) -> None:
        """Write a step that is done, with its gates and their evidence."""
        self.write("step", number, name)
        for gate, evidence in gates:
            self.write("gate", number, gate, evidence=evidence, from_ns=time.time_ns() - 1_500_000_000)
        self.write("doing", number, name)
        self.write("done", number, name)

    def status(self, instance: str, role: str, state: str, **switch: Any) -> None:
        """Write the status of a client on the route."""
        route = {"generation": 1, "desired": "hold" if state == "held" else state, "state": state}
        route |= {"switch": {"generation": 1, **switch}} if switch else {}
        content = {
            "format": 1,
            "instance": instance,
            "role": role,
            "group": "billing" if role == "consumer" else None,
            "updated": time.time(),
            "seen_generation": 1,
            "routes": {"orders": route},
        }
        (self.folder / "status" / f"{instance}.json").write_text(json.dumps(content))

    def on_hold(self, now: float | None = None) -> Recorded:
        """The mirror is synchronised, and consumers are on hold; a gate waits for the one that is missing.

        `now`: seconds since 1970; that client has got its last message four seconds before.
        """
        now = now or time.time()
        self.write("done", -1, "start")
        self.step(0, "create-task", ("mirror running", "running; 1 topic, 3 partitions on the target"))
        self.write("step", 1, "synchronise")
        for lag in (5000, 2500, 40):
            words = f"lag {lag} above 10 records"
            waits = {"waits_for": words, "elapsed_s": 1.0, "idle_s": 0.0, "deadline_s": 60.0}
            self.write("waits", 1, "mirror lag under the bar", **waits)
        self.step(1, "synchronise", ("mirror lag under the bar", "lag 3 records, bar 10"))
        self.write("step", 2, "stop-consumers")
        self.write("ask", 2, "approve stop-consumers", act="stop-consumers", when="approve")
        self.write("answer", 2, "approve stop-consumers", approved=True, by="ann@host", how="kafka-cutover advance")
        self.write("doing", 2, "stop-consumers")
        waits = {"waits_for": "billing-1 is draining at generation 1", "elapsed_s": 4.5, "idle_s": 4.5}
        self.write("waits", 2, "attested consumers on hold", **waits, deadline_s=30.0)
        self.status("checkout-1", "producer", "source")
        self.status("billing-1", "consumer", "draining", left_at=now - 3, last_delivered_at=now - 4)
        return self

    def bypass(self, standing: Standing = "active") -> Recorded:
        """A straggler has written three records to the source."""
        records = {("orders", 0): Range(120, 122, 3)}
        found = Bypass(Activity("straggler", "producer", "source", "orders", records), 7, 0.0, standing)
        self.write("bypass", -1, "straggler producer on the source: orders", **found.detail())
        return self

    def asks(self) -> Recorded:
        """The first step waits for approval."""
        self.write("done", -1, "start")
        self.write("step", 0, "create-task")
        self.write("ask", 0, "approve create-task", act="create-task", when="approve")
        self.status("checkout-1", "producer", "source")
        return self
