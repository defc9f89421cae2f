"""Groups that are on a cluster on which the path does not allow them, on real brokers: named, counted, gates closed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import confluent_kafka
import pytest
from cutover_harness.admin import Admin
from cutover_harness.processes import Process, tail
from cutover_harness.testbed import Cluster, ProcessTestbed

from tests.cluster.test_run_plan import Apps, bypasses, command, run, words, write_plan
from tests.waiting import wait_until

GROUP, TOPICS = "unmoved-billing", ("unmoved.orders",)
GATE = "waiting for nobody bypasses the route"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "status").mkdir()
    return tmp_path


@contextmanager
def member(cluster: Cluster, name: str) -> Iterator[None]:
    """A member of the group without the shim, which reads and never commits."""
    end = Event()
    conf = {"group.id": GROUP, "client.id": name, "enable.auto.commit": False, "auto.offset.reset": "latest"}
    consumer = confluent_kafka.Consumer({**cluster.client_config(), **conf})
    consumer.subscribe(list(TOPICS))

    def poll() -> None:
        while not end.is_set():
            consumer.poll(0.1)
        consumer.close()

    thread = Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join(60)


def commit(cluster: Cluster, offset: int) -> None:
    """Commit as the group without being its member, as a job that assigns itself partitions does."""
    consumer = confluent_kafka.Consumer({**cluster.client_config(), "group.id": GROUP, "client.id": "nightly-job"})
    consumer.commit(offsets=[confluent_kafka.TopicPartition(TOPICS[0], 0, offset)], asynchronous=False)
    consumer.close()


def waits_for_approval(log: Path, step: str, process: Process) -> None:
    wait_until(
        lambda: f"{step} waits for approval" in log.read_text() or not process.running, 180, state=lambda: tail(log, 20)
    )
    assert process.running, tail(log, 20)


def of_groups(journal: Path) -> list[dict[str, Any]]:
    return [each for each in bypasses(journal) if each["role"] == "consumer"]


def active(journal: Path, client: str) -> bool:
    """Whether the bypass that was noted last is an active one, with this client among the members."""
    found = of_groups(journal)
    return bool(found) and found[-1]["standing"] == "active" and client in found[-1]["words"]


def bypassing(journal: Path, log: Path, plan: Path, cluster: Cluster, kind: str, step: str) -> None:
    """A member on `cluster` is named with its client, closes the gates of `step`, and is over once it has left."""
    before = len(of_groups(journal))
    with member(cluster, f"{kind}-app"):
        wait_until(lambda: active(journal, f"{kind}-app"), 60, state=lambda: words(log))
        found = of_groups(journal)[-1]
        assert (found["bypass"], found["cluster"], found["what"]) == (kind, str(cluster.name), GROUP)
        assert re.search(rf"{kind}-app at /?[0-9.]+", found["words"]), found["words"]
        log.write_text("")
        assert run("advance", str(plan), "--yes", log=plan.with_name("advance.log")) == 0
        wait_until(lambda: GATE in words(log), 60, state=lambda: words(log))
        assert f"{kind} group on the {cluster.name}" in words(log)
        done = [entry for entry in read(journal) if (entry.kind, entry.name) == ("doing", step)]
        assert not done, "the step has begun although a group bypasses the route"
    wait_until(lambda: of_groups(journal)[-1]["standing"] == "over", 60)
    assert len(of_groups(journal)) > before
    wait_until(lambda: any((e.kind, e.name) == ("doing", step) for e in read(journal)), 120)


def read(journal: Path) -> list[Any]:
    from cutover_harness.conductor.journal import Journal

    return Journal(journal).read()


def test_an_early_group_and_a_straggler_close_gates_until_they_have_left(testbed: ProcessTestbed, folder: Path) -> None:
    Admin(testbed.source.client_config()).create_topics(dict.fromkeys(TOPICS, 2))
    plan = write_plan(folder, testbed, TOPICS, GROUP, gates="{quiet_s: 2}")
    follows = {"cutover.file": str(folder / "cutover.toml")}
    apps = Apps(folder, TOPICS, GROUP, **follows, **testbed.source.client_config())
    log, journal = folder / "run.log", folder / "shop.run" / "batches" / "shop" / "journal.sqlite"
    try:
        wait_until(lambda: sum(map(len, apps.read.values())) > 50)
        moving = command("run", str(plan), "--yes-until", "stop-consumers", log=log)
        waits_for_approval(log, "stop-consumers", moving)
        assert not bypasses(journal), "the group's own members on the source are none"
        bypassing(journal, log, plan, testbed.target, "early", "stop-consumers")

        waits_for_approval(log, "stop-producers", moving)
        commits = len([each for each in of_groups(journal) if each["bypass"] == "straggler"])
        assert commits == 0, "what the group committed when it left is none"
        commit(testbed.source, Admin(testbed.source.client_config()).end_offsets(TOPICS)[TOPICS[0], 0])
        wait_until(lambda: f"straggler group on the source: {GROUP} " in words(log), 60, state=lambda: words(log))
        assert of_groups(journal)[-1]["count"] >= 1, "its commits are counted"
        wait_until(lambda: of_groups(journal)[-1]["standing"] == "over", 60)
        bypassing(journal, log, plan, testbed.source, "straggler", "stop-producers")
        waits_for_approval(log, "delete-task", moving)
        moving.terminate()
        moving.wait(60)
    finally:
        apps.finish()
    kinds = {(each["bypass"], each["role"], each["cluster"]) for each in bypasses(journal)}
    assert kinds == {("early", "consumer", "target"), ("straggler", "consumer", "source")}
