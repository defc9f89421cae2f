"""The folder of a plan's run, written by conductor, gates, audit log and questions themselves; without brokers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from cutover_harness.cli.approving import answer
from cutover_harness.cli.asks import audited
from cutover_harness.cli.conclusion import read_back_in
from cutover_harness.cli.figures import Shown
from cutover_harness.cli.going_back import GoingBack
from cutover_harness.conductor import process
from cutover_harness.conductor.config import CONFIG, JOURNAL, ConductorConfig
from cutover_harness.conductor.findings import ReadBack
from cutover_harness.conductor.journal import Entry, Journal
from cutover_harness.conductor.journalled_gates import APPROVE, unapproved
from cutover_harness.conductor.verification import VerifiedBatch
from cutover_harness.cutover import settings
from cutover_harness.cutover.audit import Audit
from cutover_harness.cutover.audit_entries import follower
from cutover_harness.cutover.folder import RunFolder
from cutover_harness.planning.read import ReadPlan, read_plan
from cutover_harness.procedure.entries import START
from cutover_harness.procedure.names import StepName
from cutover_harness.types import Role
from cutover_harness.verify.model import Count, GroupOffset, Partition, Verification
from cutover_harness.watching.views import Limit

from tests.unit.conductor.world import SwitchingFleet, World, new_conductor

NOWHERE = "127.0.0.1:1"
BATCH: dict[str, Any] = {
    "name": "r",
    "path": "in-process",
    "topics": ["t"],
    "groups": {"g": {"moves": "shim"}},
    "producers": {"checkout": {"moves": "shim"}},
    "gates": {"deadline_s": 0.1},
}
PLAN: dict[str, Any] = {
    "format": 1,
    "name": "shop",
    "clusters": {"source": {"properties": "source.properties"}, "target": {"properties": "target.properties"}},
    "connect": {"url": f"http://{NOWHERE}"},
    "reach": [{"file": "cutover.toml"}],
    "statuses": "status",
    "batches": [BATCH],
}
GOOD = ReadBack(proved=["all 1 producers attest target at generation 5", "Connect has none of the mirror's connectors"])
LIMIT = Limit("the source removes the offsets of groups without members", 1_796_000_000.0)


def partition(number: int = 0, compared: int = 1200, **more: Any) -> Partition:
    none = Count()
    counts: dict[str, Any] = dict.fromkeys(("missing", "extra", "reordered", "altered", "twice"), none)
    at = {"source_begin": 0, "source_end": compared, "target_begin": 0, "target_end": compared, "offsets": compared}
    return Partition(**{"topic": "t", "partition": number, "compared": compared, **counts, **at, **more})


def result(plan: ReadPlan, *partitions: Partition, groups: Sequence[GroupOffset] = ()) -> Verification:
    return Verification(
        plan="shop", plan_sha256=plan.digest, batch="r", source_cluster="S", target_cluster="T",
        began="2026-11-30T08:00:00+00:00", seconds=1.5, records=2400, bytes=99, outcome="unproved",
        reasons=("its groups have read on",), partitions=partitions or (partition(0), partition(1, 34)),
        groups=tuple(groups),
    )  # fmt: skip


@dataclass
class Run:
    """A run whose batch `r` can be moved; the mirror, both clusters and the verification are made up."""

    home: Path
    batch: dict[str, Any] | None = None
    world: World | None = None

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        for name in ("source", "target"):
            (self.home / f"{name}.properties").write_text(f"bootstrap.servers={NOWHERE}\n")
        content = PLAN | {"batches": [BATCH | (self.batch or {})]}
        (self.home / "shop.yaml").write_text(json.dumps(content))
        self.plan = read_plan(self.home / "shop.yaml")
        self.folder = RunFolder.of(self.plan.path)
        self.own = self.folder.batch("r")
        self.folder.begin(self.plan)
        self.audit = Audit(self.folder.audit, "run", self.plan.digest)
        self.accept = False
        self.asked: list[Entry] = []

    @property
    def path(self) -> Path:
        return self.folder.path

    def configure(self) -> ConductorConfig:
        clients: dict[str, Role] = {"p": "producer", "c": "consumer"}
        found = settings.config_of(self.plan, self.plan.plan.batches[0], self.folder, clients)
        found = found.model_copy(update={"accept_unproved": self.accept})
        found.save(self.own / CONFIG, run=self.home)
        return found

    def move(
        self, verified: Verification | None = None, *, decline: StepName | None = None, back: bool = False,
        found: ReadBack | None = GOOD,
    ) -> str:  # fmt: skip
        """Run the conductor until it stops, or back to the source; return how it ended."""
        config = self.configure()
        known = self.entries()
        if back:
            self.audit.write("rollback", batch="r", where="stage 6", costs=["3 records stay on the target"])
        else:
            self.audit.write("continue" if known else "begin", batch="r")
        follow = follower(self.audit, "r", known)
        ended = "stopped"
        with self._answered(decline):
            conductor = new_conductor(
                self.own, self.world or World(), config.steps, deadline_s=0.1, fleet=SwitchingFleet, approvals=True
            )
            journal = conductor.journal
            if not known:
                journal.write("clusters", START, "ids", source="S", target="T")
            conductor.cutover_file.note = partial(process._note_channels, journal)
            gate = VerifiedBatch(mock.Mock(), self.own / "verify", journal, self.accept)
            setattr(gate, "_verify", lambda _: verified or result(self.plan))  # noqa: B010 - a method
            conductor.contexts = replace(conductor.contexts, verified=gate.gate)
            if back:
                conductor.turn_back()
            if conductor.run():
                ended = "completed"
            elif journal.read()[-1].kind == "end":
                ended = "turned-back"
            new = journal.read(known[-1].id if known else 0)
            journal.close()
        note = audited(self.audit, "r")
        for entry in new:
            if entry.kind == "ask" and entry.detail.get("when") == APPROVE:
                cost = GoingBack((f"before {entry.detail['act']}",), (f"after {entry.detail['act']}",), (LIMIT,))
                note(entry, Shown((f"{entry.detail['act']}: does it", "  now: 1 of 1 producers"), cost))
            follow(entry)
        self.audit.write("end", batch="r", result=1 if ended == "stopped" else ended)
        if ended != "stopped" and found is not None:
            read_back_in(self.audit, "r")(found)
        return ended

    def entries(self) -> list[Entry]:
        return self.folder.entries("r")

    @contextmanager
    def _answered(self, decline: StepName | None) -> Iterator[None]:
        """Answer requests for approval from another thread, as `kafka-cutover advance` does."""
        over = threading.Event()

        def run() -> None:
            while not over.wait(0.005):
                if not (self.own / JOURNAL).exists():
                    continue
                journal = Journal(self.own / JOURNAL)
                asked = unapproved(journal.read())
                journal.close()
                if asked is not None:
                    approved = asked.detail["act"] != decline
                    how = "kafka-cutover advance"
                    answer(self.own / JOURNAL, asked, approved=approved, how=how, by="ann@host")

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
