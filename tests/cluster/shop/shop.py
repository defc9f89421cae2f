"""A plan with batches of the shop on two clusters, the commands that move it, and what has to be true at the end."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import yaml
from cutover_harness.admin import Admin
from cutover_harness.conductor.config import CONFIG, ConductorConfig
from cutover_harness.conductor.journal import Entry
from cutover_harness.cutover.audit_entries import line_of
from cutover_harness.plan.load import find
from cutover_harness.processes import Process, spawn, tail
from cutover_harness.testbed import ProcessTestbed

from tests.cluster.shop.fleet import Clients, Fleet
from tests.cluster.shop.kills import Kill, approve, entries, kill_at
from tests.waiting import wait_until

STEPS = tuple(str(each.step) for each in find("in-process").path)
PATH = [{"step": step, "dwell_s": 0} for step in STEPS]
"""The path in-process as a list of steps, which a batch with restarted clients may have."""
AT_THE_END = {"producers": "target", "consumers": "target", "connectors": [], "verified": "equal", "read": True}
"""What `Shop.end_state` is after a batch, whoever was killed on the way."""


class Shop:
    """The plan in `folder` on a testbed. environment: of all commands, with secrets that the properties refer to."""

    def __init__(self, bed: ProcessTestbed, folder: Path, environment: Mapping[str, str]) -> None:
        self.bed, self.folder = bed, folder
        self.plan = folder / "shop.yaml"
        self._environment = {**os.environ, **environment}
        self._logs = 0

    def write_plan(self, batches: Sequence[Mapping[str, Any]], **more: Any) -> None:
        """Write the plan."""
        content = {
            "format": 1,
            "name": "shop",
            "clusters": {name: {"properties": f"{name}.properties"} for name in ("source", "target")},
            "connect": {"url": self.bed.connect_url},
            **more,
            "batches": [dict(batch) for batch in batches],
        }
        self.plan.write_text(yaml.safe_dump(content, sort_keys=False))

    def start(self, *arguments: str) -> Process:
        """Start kafka-cutover."""
        self._logs += 1
        log = self.folder / "commands" / f"{self._logs:02d}-{arguments[0]}.log"
        program = str(Path(sys.executable).with_name("kafka-cutover"))
        return spawn([program, *arguments], cwd=self.folder, env=self._environment, stdout=log)

    def call(self, *arguments: str, code: int | None = 0, within_s: float = 240) -> str:
        """Run kafka-cutover, check its exit code (None: any), and return what it printed."""
        process = self.start(*arguments)
        try:
            found = process.wait(within_s)
        except TimeoutError:
            process.kill()
            raise
        said = process.log.read_text()
        assert code in (None, found), f"{' '.join(arguments)}: exit code {found}, not {code}:\n{tail(process.log, 40)}"
        assert "Traceback" not in said, said
        return said

    def until_approval(self, batch: str, step: str) -> Process:
        """Run a batch until it waits for the approval of a step."""
        process = self.start("run", str(self.plan), "--batch", batch, "--yes-until", step)
        wait_until(
            lambda: f"{step} waits for approval" in process.log.read_text() or not process.running,
            180,
            state=lambda: tail(process.log, 20),
        )
        assert process.running, tail(process.log, 20)
        return process

    def kill(self, batch: str, kills: Sequence[Kill]) -> None:
        """Run a batch, and kill its conductor at each of these moments; print which ones were hit."""
        for kill in kills:
            hit = kill_at(kill, self._carry_on(batch), self.journal(batch))
            print(f"killed {hit} {kill.step} ({kill.moment} was meant{', conductor alone' if kill.alone else ''})")

    def finish(self, batch: str) -> None:
        """Run a batch to its end."""
        last = self._carry_on(batch)

        def ended() -> bool:
            approve(self.journal(batch))
            return not last.running

        wait_until(ended, 240, state=lambda: tail(last.log, 20))
        assert last.wait(1) == 0, tail(last.log, 40)

    def _carry_on(self, batch: str) -> Process:
        """Resume a batch; run it if its conductor has written nothing yet, or again if it came back to the source."""
        its = self.entries(batch)
        if its and its[-1].kind != "end":
            return self.start("resume", str(self.plan), "--batch", batch)
        return self.start("run", str(self.plan), "--batch", batch, "--yes-until", STEPS[0])

    def journal(self, batch: str) -> Path:
        """Return the journal of a batch."""
        return self.folder / "shop.run" / "batches" / batch / "journal.sqlite"

    def entries(self, batch: str) -> list[Entry]:
        """Return the entries of a batch's journal."""
        return entries(self.journal(batch))

    def unaudited(self, batch: str) -> list[Entry]:
        """Return the entries of a batch's journal that have no line in the audit log."""
        its = self.entries(batch)
        lines = [json.loads(line) for line in (self.folder / "shop.run" / "audit.jsonl").read_text().splitlines()]
        audited = {line["entry"] for line in lines if line.get("batch") == batch and "entry" in line}
        return [e for n, e in enumerate(its) if e.id not in audited and line_of(e, its[: n + 1]) is not None]

    def end_state(self, clients: Clients) -> dict[str, Any]:
        """Return where the batch is, read from the document, Connect, both clusters and verify's result.

        read: whether each group's offsets are the ends of the target's logs.
        """
        config = ConductorConfig.load(self.journal(clients.batch).with_name(CONFIG))
        with closing(config.peek()) as writer:
            route = writer.routes[clients.batch]
        target = Admin({"bootstrap.servers": self.bed.target.bootstrap})
        ends = {partition: end for partition, end in target.end_offsets(clients.topics).items() if end}
        connectors = httpx.get(f"{self.bed.connect_url}/connectors").json()
        result = json.loads(self.journal(clients.batch).with_name("verify").joinpath("result.json").read_text())
        return {
            "producers": route.producers,
            "consumers": route.consumers,
            "connectors": [name for name in connectors if re.search(rf"\b{clients.batch}\b", name)],
            "verified": result["outcome"],
            "read": all(target.committed(group, clients.topics) == ends for group in clients.groups),
        }


def blackouts(shop: Shop, fleet: Fleet) -> list[str]:
    """Return the longest time without an acknowledgement, or delivery, of each client on the shim around its move."""
    its = shop.entries(fleet.clients.batch)
    lines = []
    for role, begins, ends in (
        ("producer", "stop-producers", "producers-to-target"),
        ("consumer", "stop-consumers", "consumers-to-target"),
    ):
        begin = next(each.time_ns for each in its if (each.kind, each.name) == ("doing", begins))
        end = next(each.time_ns for each in its if (each.kind, each.name) == ("done", ends))
        for name, ledger in fleet.on_shim(role).items():
            usual = sorted(b.at_ns - a.at_ns for a, b in zip(ledger.lines, ledger.lines[1:], strict=False))
            lines.append(
                f"{role} {name}: blackout {ledger.longest_gap_s(begin, end):.2f} s "
                f"(99 % of all gaps are below {usual[int(len(usual) * 0.99)] / 1e9:.3f} s)"
            )
    return lines
