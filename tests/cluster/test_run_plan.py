"""`kafka-cutover run` on real brokers: real clients of the shim are moved by a plan, and brought back."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import confluent_kafka
import cutover_shim
import httpx
import pytest
from cutover_harness.admin import Admin
from cutover_harness.conductor.cutover_file_writer import CutoverFileWriter, RouteLocations
from cutover_harness.conductor.journal import Journal
from cutover_harness.plan.load import find
from cutover_harness.processes import Process, spawn, tail
from cutover_harness.testbed import Cluster, ProcessTestbed

from tests.hook_service import Service
from tests.waiting import wait_until

IN_PROCESS = [f"{{step: {each.step}, dwell_s: {each.dwell_s}}}" for each in find("in-process").path]
"""The path in-process as a list of steps, which a batch with clients of any kind may have."""


class Apps:
    """A producer and a consumer of the shim, with traffic; what was acknowledged and what was delivered."""

    def __init__(self, folder: Path, topics: tuple[str, ...], group: str, **more: str) -> None:
        self._topics, self._end, self._read_all = topics, threading.Event(), threading.Event()
        self.acked: dict[str, list[int]] = {}
        self.read: dict[str, list[int]] = {}
        self.errors: list[str] = []
        common = {"cutover.file": str(folder / "cutover.toml"), "cutover.status": str(folder / "status"), **more}
        self._producer = cutover_shim.Producer(
            {**common, "cutover.app": "checkout", "cutover.instance": f"{group}-p", "linger.ms": 5}
        )
        self._consumer = cutover_shim.Consumer(
            {
                **common,
                "cutover.instance": f"{group}-c",
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
            }
        )
        self._consumer.subscribe(list(topics), on_revoke=lambda *_: self._commit())
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._send, self._receive)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        number = 0
        while not self._end.wait(0.01):
            key = f"k{number % 7}"
            for topic in self._topics:
                self._producer.produce(topic, str(number).encode(), key.encode(), on_delivery=self._acked)
            self._producer.poll(0)
            number += 1
        self._producer.flush(30)

    def _acked(self, error: object, message: object) -> None:
        if error is not None:
            self.errors.append(f"{error}: {message.topic()} {message.value()!r}")  # type: ignore[attr-defined]
            return
        self.acked.setdefault(f"{message.topic()}/{message.key().decode()}", []).append(int(message.value()))  # type: ignore[attr-defined]

    def _receive(self) -> None:
        last = time.monotonic()
        while not self._read_all.is_set():
            message = self._consumer.poll(0.1)
            if message is not None and message.error() is None:
                key = f"{message.topic()}/{message.key().decode()}"
                self.read.setdefault(key, []).append(int(message.value()))
            if time.monotonic() - last > 0.5:
                last = time.monotonic()
                self._commit()
        self._consumer.close()

    def _commit(self) -> None:
        with suppress(cutover_shim.KafkaException):  # nothing new to commit, or no cluster at the moment
            self._consumer.commit(asynchronous=False)

    def finish(self) -> None:
        """Stop the producer, let the consumer read everything, and stop it."""
        self._end.set()
        self._threads[0].join(60)
        with suppress(AssertionError):
            wait_until(lambda: sum(map(len, self.read.values())) >= sum(map(len, self.acked.values())), 30)
        self._read_all.set()
        self._threads[1].join(60)


def write_plan(folder: Path, testbed: ProcessTestbed, topics: tuple[str, ...], group: str, gates: str = "{}") -> Path:
    """Write the plan of one batch, the properties that it names, and the cutover file of the fleet."""
    for cluster in (testbed.source, testbed.target):
        lines = [f"{key}={value}" for key, value in cluster.client_config().items()]
        (folder / f"{cluster.name}.properties").write_text("\n".join(lines))
    endpoints = {str(cluster.name): cluster.client_config() for cluster in (testbed.source, testbed.target)}
    CutoverFileWriter(folder / "cutover.toml", endpoints, {"other": RouteLocations(["no.such.topic"], [])}).write()
    plan = folder / "shop.yaml"
    plan.write_text(f"""\
format: 1
name: shop
clusters:
  source: {{properties: source.properties}}
  target: {{properties: target.properties}}
connect: {{url: "{testbed.connect_url}"}}
reach: [{{file: cutover.toml}}]
statuses: status
batches:
  - name: shop
    path: in-process
    topics: {json.dumps(list(topics))}
    gates: {gates}
    groups: {{{group}: {{moves: shim, instances: 1}}}}
    producers: {{checkout: {{moves: shim, instances: 1}}}}
""")
    return plan


def command(*arguments: str, log: Path) -> Process:
    return spawn([str(Path(sys.executable).with_name("kafka-cutover")), *arguments], stdout=log)


def run(*arguments: str, log: Path) -> int:
    return command(*arguments, log=log).wait(180)


def difference(read: list[int], acked: list[int]) -> tuple[list[int], list[int], list[int]]:
    """Return numbers that were read twice, acknowledged and not read, and read out of order."""
    twice = [number for number, count in Counter(read).items() if count > 1]
    return twice, sorted(set(acked) - set(read)), [b for a, b in pairwise(read) if b < a]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "status").mkdir()
    return tmp_path


def test_a_batch_is_moved_with_approvals_and_loses_nothing(testbed: ProcessTestbed, folder: Path) -> None:
    topics, group = ("run.orders", "run.payments"), "run-billing"
    admin = Admin(testbed.source.client_config())
    admin.create_topics(dict.fromkeys(topics, 3))
    plan = write_plan(folder, testbed, topics, group)
    apps = Apps(folder, topics, group)
    log = folder / "run.log"
    try:
        wait_until(lambda: sum(map(len, apps.read.values())) > 100)
        with ExitStack() as stack:
            service = stack.enter_context(Service())
            plan.write_text(f"{plan.read_text()}webhooks: [{{url: '{service.url}'}}]\n")
            started = command("run", str(plan), "--yes-until", "stop-producers", "--serve", "0", log=log)
            stack.callback(started.kill)
            wait_until(lambda: "stop-producers waits for approval" in log.read_text(), 120)
            second = folder / "second.log"
            assert run("run", str(plan), "--yes-until", "end", log=second) == 2
            assert "a conductor is running it" in second.read_text()
            watched(log, group)
            service.answers = [(200, b'{"approved": true, "by": "ann"}')]  # from now on: it was asked already
            assert run("advance", str(plan), "--yes", log=folder / "advance.log") == 0
            code = started.wait(180)
        assert code == 0, tail(log, 30)
        assert "approve delete-task: approved by ann (webhook)" in log.read_text()
        assert service.got[-1]["result"] == "completed"
        assert [each["step"] for each in service.got if each["event"] == "approval-wanted"] == [
            "stop-producers",
            "delete-task",
        ]
    finally:
        apps.finish()
    assert not apps.errors
    assert apps.read.keys() == apps.acked.keys()
    assert {key: difference(apps.read[key], numbers) for key, numbers in apps.acked.items()} == {
        key: ([], [], []) for key in apps.acked
    }
    lines = [json.loads(line) for line in (folder / "shop.run" / "audit.jsonl").read_text().splitlines()]
    assert {line["event"] for line in lines} >= {"route", "begin", "step begun", "step done", "approval", "end"}
    assert (folder / "shop.run" / "audit.jsonl").stat().st_mode & 0o777 == 0o600
    of_run = reported(folder, "COMPLETE AND VERIFIED")
    (batch,) = of_run["batches"]
    by = {step["name"]: step["approvals"][0]["by"] for step in batch["steps"] if step["approvals"]}
    assert by["delete-task"] == "ann"
    assert all(step["approvals"][0]["shown"] for step in batch["steps"] if step["approvals"])
    blackouts = {each["client"]: each["seconds"] for each in batch["blackouts"]}
    assert blackouts.keys() == {f"{group}-p", f"{group}-c"}
    assert all(0 < seconds < 60 for seconds in blackouts.values())
    assert [(each["group"], each["partitions"], each["at_most"]) for each in batch["read_again"]] == [(group, 6, 0)]
    assert batch["read_back"]["proved"]
    assert len(batch["verified"]["partitions"]) == 6
    assert 0 < batch["verified"]["compared"] <= sum(map(len, apps.acked.values()))


def reported(folder: Path, verdict: str, batch_name: str = "shop") -> Any:
    """Write the report of a run, compare it with the journal, and return it."""
    of_run = folder / "shop.run"
    (folder / "report.log").unlink(missing_ok=True)
    code = run("report", str(of_run), log=folder / "report.log")
    assert (folder / "report.log").read_text().startswith(f"{verdict}: "), tail(folder / "report.log", 20)
    assert code == (0 if verdict == "COMPLETE AND VERIFIED" else 1)
    assert (of_run / "report.html").stat().st_mode & 0o777 == 0o600
    found = json.loads((of_run / "report.json").read_text())
    assert (found["verdict"], found["missing"]) == (verdict, [])
    journal = Journal(of_run / "batches" / batch_name / "journal.sqlite")
    entries = journal.read()
    journal.close()
    (batch,) = found["batches"]
    gates = [gate for step in batch["steps"] for gate in step["gates"]]
    assert [(e.name, e.detail["evidence"]) for e in entries if e.kind == "gate"] == [
        (gate["name"], gate["evidence"]) for gate in gates if gate["state"] == "passed"
    ]
    done = {entry.step + 1: entry.name for entry in entries if entry.kind == "done" and entry.step >= 0}
    assert {step["number"]: step["name"] for step in batch["steps"] if step["done"] and step["number"] > 0} == done
    approved = [step["name"] for step in batch["steps"] for each in step["approvals"] if each["approved"]]
    assert approved == [
        e.name.removeprefix("approve ") for e in entries if e.kind == "answer" and e.detail.get("approved")
    ]
    return found


def watched(log: Path, group: str) -> None:
    """Look at the page of a run that waits for the approval of stop-producers."""
    (url,) = [line.removeprefix("page: ") for line in log.read_text().splitlines() if line.startswith("page: ")]

    def batch() -> Any:
        return httpx.get(f"{url}snapshot.json").json()["batches"][0]

    wait_until(lambda: batch()["figures_at"], 60)
    found = batch()
    assert found["problems"] == []
    assert (found["stage"], found["asked"]["step"]) == (4, "stop-producers")
    assert [(role["location"], role["attested"]) for role in found["clients"]] == [("source", 1), ("target", 1)]
    assert found["blackouts"][1]["last_client"] == f"{group}-c"
    assert 0 <= found["blackouts"][1]["last_s"] < 60
    assert found["lag"]["records"] >= 0
    assert found["rollback"]["until"] > time.time()
    assert any(f"group {group} has consumed on the target" in line for line in found["rollback"]["costs"])
    assert "kafka-cutover" in httpx.get(url).text
    metrics = httpx.get(f"{url}metrics").text
    assert 'kafka_cutover_approval_pending{batch="shop",plan="shop"} 1.0' in metrics
    assert 'kafka_cutover_clients_attested{batch="shop",plan="shop",role="consumer"} 1.0' in metrics


FOLLOWS = {"cutover.channel": "kafka:back.control", "cutover.unsigned": "true"}


def with_control_topic(plan: Path) -> Path:
    """Let the documents of a plan reach its clients by a control topic too, which has the lease; return the plan."""
    text = plan.read_text().replace("{file: cutover.toml}", "{file: cutover.toml}, {kafka: back.control}")
    plan.write_text(text.replace("statuses: status", f"statuses: {plan.parent / 'status'}\nlease_s: 3"))
    return plan


def elsewhere(folder: Path, name: str) -> Path:
    """Return the plan in a copy of its folder, as on another machine: no record there names a folder of this one."""
    copy = folder / name
    for path in ("shop.yaml", "source.properties", "target.properties", "cutover.toml", ".cutover.toml.last"):
        copy.mkdir(exist_ok=True)
        shutil.copy(folder / path, copy / path)
    (copy / "status").symlink_to(folder / "status")
    shutil.copytree(folder / "shop.run", copy / "shop.run", ignore=shutil.ignore_patterns("*.lock", "lease.json"))
    return copy / "shop.yaml"


def files(folder: Path) -> list[Path]:
    """Return the files of a folder, without those that reading a journal removes."""
    return sorted(each for each in folder.rglob("*") if each.suffix not in (".sqlite-wal", ".sqlite-shm"))


def refused_by_the_lease(folder: Path, plan: str, *arguments: str) -> None:
    """A copy of the folder is refused, and changes nothing."""
    other, log = folder / plan / "shop.yaml", folder / "refused.log"
    before = files(other.parent)
    for name in ("rollback", "run"):
        more = ("--yes",) if name == "rollback" else ()
        assert run(name, str(other), *more, *arguments, log=log) == 2
        held = r"kafka:back\.control@source: .* \(kafka-cutover run, .* batch shop, run .*/shop\.run\) holds the lease"
        assert re.search(held, log.read_text()), log.read_text()
    assert files(other.parent) == before


def taken_over(folder: Path, plan: Path) -> Path:
    """A run that is suspended beyond its lease is taken over, and changes nothing then; return the other's plan."""
    log = folder / "suspended.log"
    suspended = command("run", str(plan), log=log)
    wait_until(lambda: "delete-task waits for approval" in log.read_text(), 120)
    dry = folder / "rollback-dry.log"
    assert run("rollback", str(plan), "--dry-run", log=dry) == 0, "it only reads, so the run may wait"
    assert "rolling back to the source costs now" in dry.read_text()
    shown = folder / "lease.log"
    assert run("status", str(plan), "--json", log=shown) == 0
    assert json.loads(shown.read_text())["lease"]["state"] == "held"
    pids = [suspended.pid, json.loads((folder / "shop.run/batches/shop/conductor.lock").read_text())["pid"]]
    back, other = folder / "back.log", elsewhere(folder, "third")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(
            lambda: run("rollback", str(other), "--yes", log=back) == 2 and "has expired" in back.read_text(), 60
        )
        assert run("rollback", str(other), "--yes", "--take-over", log=back) == 0, tail(back, 20)
        generation = (folder / "third" / "cutover.toml").read_text().splitlines()[0]
        mine = (folder / "cutover.toml").read_text()
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)
    assert suspended.wait(60) == 2, tail(log, 20)
    assert "this run was taken over, has stopped, and has written nothing since" in log.read_text()
    assert (folder / "cutover.toml").read_text() == mine
    assert (folder / "third" / "cutover.toml").read_text().splitlines()[0] == generation
    events = [json.loads(line)["event"] for line in (folder / "shop.run" / "audit.jsonl").read_text().splitlines()]
    assert events[-1] == "lease lost"
    assert events.count("lease taken") > events.count("lease ended") > 0
    return other


def dry_run_writes_nothing(folder: Path, plan: Path) -> None:
    assert run("run", str(plan), "--dry-run", log=folder / "dry.log") == 0
    shown = (folder / "dry.log").read_text()
    assert "PUT /connectors/" in shown
    assert 'routes.shop = {"topics": ["back.orders"]' in shown
    assert "to add it before the clients start: kafka-cutover file set" in shown
    assert not (folder / "shop.run").exists(), "a dry run writes nothing"


def test_a_killed_run_goes_on_and_a_declined_step_is_not_done_and_all_comes_back(
    testbed: ProcessTestbed, folder: Path
) -> None:
    topics, group = ("back.orders",), "back-billing"
    Admin(testbed.source.client_config()).create_topics(dict.fromkeys(topics, 2))
    plan = with_control_topic(write_plan(folder, testbed, topics, group, gates="{quiet_s: 2}"))
    apps = Apps(folder, topics, group, **FOLLOWS, **testbed.source.client_config())
    log = folder / "run.log"
    try:
        wait_until(lambda: sum(map(len, apps.read.values())) > 50)
        dry_run_writes_nothing(folder, plan)
        killed = command("run", str(plan), "--yes-until", "stop-consumers", log=log)
        wait_until(lambda: "stop-consumers waits for approval" in log.read_text(), 120)
        elsewhere(folder, "other")
        refused_by_the_lease(folder, "other", "--take-over")  # it is renewed
        killed.kill()
        refused_by_the_lease(folder, "other")
        journal = folder / "shop.run" / "batches" / "shop" / "journal.sqlite"
        wait_until(lambda: run("advance", str(plan), "--yes", log=folder / "advance.log") == 2, 30)
        assert "no conductor is running" in (folder / "advance.log").read_text()

        log.write_text("")
        declined = command("run", str(plan), log=log)
        wait_until(lambda: "stop-consumers waits for approval" in log.read_text(), 120)
        early_writer_is_named(testbed, topics[0], journal, log)
        assert run("advance", str(plan), "--decline", log=folder / "advance.log") == 0
        assert declined.wait(60) == 1, tail(log, 20)
        assert "stop-consumers was declined by" in log.read_text()
        assert not [e for e in Journal(journal).read() if e.kind == "doing" and e.name == "stop-consumers"]
        early_writer_closes_gates(plan, what_was_declined_is_shown(folder, plan), log)

        log.write_text("")
        moving = command("run", str(plan), "--yes-until", "delete-task", "--accept-bypass", log=log)
        wait_until(lambda: "delete-task waits for approval" in log.read_text(), 120)
        straggler_is_named_and_over_once_it_was_copied(testbed, topics[0], journal, log)
        Admin(testbed.target.client_config()).delete_records({(topics[0], 0): 1})  # as retention does
        assert run("advance", str(plan), "--yes", log=folder / "advance.log") == 0
        assert moving.wait(180) == 1, tail(log, 20)
        assert "gate verified cannot open: back.orders-0: " in log.read_text()
        assert "--accept-unproved accepts it" in log.read_text()
        assert not [e for e in Journal(journal).read() if e.kind == "doing" and e.name == "delete-task"]
        plan = taken_over(folder, plan)
    finally:
        apps.finish()
    assert "all 1 producers attest source" in (folder / "back.log").read_text()
    # Records that were produced on the target stay there, and the rollback says how many there are.
    assert "produced on the target and not on the source" in (folder / "back.log").read_text()
    reported_way_back(plan.parent)
    stale = reported(folder, "UNFINISHED")["batches"][0]["reasons"]
    assert "its lease was lost" in stale[-1], "the rest is in another folder"
    assert run("run", str(plan), log=log) == 2
    assert "no batch is left (shop: back on the source)" in log.read_text()


def what_was_declined_is_shown(folder: Path, plan: Path) -> Any:
    """Return the batch as `status` shows it."""
    assert run("status", str(plan), "--json", log=folder / "status.log") == 0
    (batch,) = json.loads((folder / "status.log").read_text())["batches"]
    assert (batch["progress"], batch["stage"], batch["producers"]) == ("begun", 2, "source")
    assert "declined" in batch["missed"]
    assert "stop-consumers was declined by" in str(reported(folder, "UNFINISHED")["batches"][0]["reasons"])
    return batch


def reported_way_back(folder: Path) -> None:
    (batch,) = reported(folder, "ROLLED BACK")["batches"]
    assert {each["to_cluster"] for each in batch["blackouts"]} == {"source", "target"}
    assert [each["cluster"] for each in batch["read_again"]] == ["target", "source"]
    assert batch["read_again"][1]["at_most"] > 0, "what was consumed on the target"
    assert any("produced on the target and not on the source" in line for line in batch["going_back"]["costs"])


def write_one(cluster: Cluster, topic: str, partition: int) -> None:
    """Write a record as an application does that nobody has moved."""
    producer = confluent_kafka.Producer({**cluster.client_config(), "enable.idempotence": True})
    producer.produce(topic, b"7", b"never-shown", partition=partition)
    assert producer.flush(30) == 0


def early_writer_is_named(testbed: ProcessTestbed, topic: str, journal: Path, log: Path) -> None:
    assert not bypasses(journal), "apps that follow the cutover file, and copies of the mirror, are no bypass"
    write_one(testbed.target, topic, partition=1)
    wait_until(lambda: f"early producer on the target: topic {topic} got 1 record ({topic}-1 offset" in words(log))
    wait_until(lambda: "nothing copies them to the source: roll back, or accept that with" in words(log))


def early_writer_closes_gates(plan: Path, batch: Any, log: Path) -> None:
    (found,) = batch["bypasses"]
    assert (found["kind"], found["cluster"], found["count"], found["standing"]) == ("early", "target", 1, "stays")
    log.write_text("")
    closed = command("run", str(plan), "--yes-until", "delete-task", log=log)
    wait_until(lambda: "waiting for nobody bypasses the route: early producer on the target" in words(log))
    closed.kill()
    wait_until(lambda: run("advance", str(plan), "--yes", log=plan.with_name("advance.log")) == 2, 30)


def straggler_is_named_and_over_once_it_was_copied(
    testbed: ProcessTestbed, topic: str, journal: Path, log: Path
) -> None:
    write_one(testbed.source, topic, partition=0)
    wait_until(lambda: f"straggler producer on the source: topic {topic} got 1 record ({topic}-0 offset" in words(log))
    wait_until(lambda: bypasses(journal)[-1]["standing"] == "over")
    wait_until(lambda: "written by producer id" in words(log))
    assert {(each["bypass"], each["role"], each["cluster"]) for each in bypasses(journal)} == {
        ("early", "producer", "target"),
        ("straggler", "producer", "source"),
    }
    audit = (journal.parents[2] / "audit.jsonl").read_text()
    assert '"event": "bypass"' in audit
    assert "never-shown" not in audit + words(log), "neither key nor value of a record is shown"


def words(log: Path) -> str:
    """Return the output without its line breaks."""
    return " ".join(log.read_text().split())


def bypasses(journal: Path) -> list[dict[str, Any]]:
    return [entry.detail for entry in Journal(journal).read() if entry.kind == "bypass"]
