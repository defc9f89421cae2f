"""Clusters of three brokers: replicas as in production, and a switchover while all brokers of a cluster are restarted.

With CUTOVER_SHOWS=1 also the other scenarios that need several brokers, and the testbed by itself: some minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from cutover_harness.admin import Admin
from cutover_harness.faults.layout import OFFSETS, Layout
from cutover_harness.plan.load import load_all
from cutover_harness.testbed import ProcessTestbed
from cutover_harness.types import ClusterName

from tests.waiting import wait_until

PROGRAM = [sys.executable, "-P", "-c", "from cutover_harness.cli import main; main()"]
OTHERS = [each.name for each in load_all() if each.brokers > 1 and each.name != "source-rolled"]
shows = pytest.mark.skipif(not os.environ.get("CUTOVER_SHOWS"), reason="takes minutes: CUTOVER_SHOWS=1")


def rehearsed(name: str, out: Path, *options: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Rehearse one scenario, which passes; return its report and its facts."""
    command = [*PROGRAM, "rehearse", name, "--seed", "7", "--out", str(out), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    report, facts = (json.loads((out / name / f"{what}.json").read_text("utf-8")) for what in ("verdict", "run"))
    assert report["verdict"]["outcome"] == "PASS"
    return report, facts


def test_a_rolling_restart_of_the_source_loses_doubles_and_reorders_nothing(tmp_path: Path) -> None:
    report, facts = rehearsed("source-rolled", tmp_path / "out")
    (proof,) = [each for each in facts["preconditions"] if each["name"] == "fault roll source hit"]
    assert proof["held"]
    assert "brokers 1, 2, 3 were down one after the other" in proof["evidence"]
    for group in report["judgement"]["groups"]:
        assert group["acked"] > 1000
        assert group["drained"]
        assert (group["lost"], group["reordered"], {*group["duplicated"].values()}) == (0, 0, {0})
    environment = json.loads((tmp_path / "out" / "rehearsal.json").read_text("utf-8"))["environment"]
    assert environment["testbed"] == "local JVM processes, 3 brokers a cluster"


@shows
@pytest.mark.parametrize("name", OTHERS)
def test_other_scenarios_of_several_brokers(tmp_path: Path, name: str) -> None:
    rehearsed(name, tmp_path / "out")


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessTestbed]:
    with ProcessTestbed(tmp_path_factory.mktemp("three"), brokers=3, exactly_once=True) as running:
        yield running


def cluster_of(bed: ProcessTestbed, name: ClusterName) -> Any:
    return bed.source if name == "source" else bed.target


@shows
@pytest.mark.parametrize("name", ["source", "target"])
def test_replicas_are_those_of_production(bed: ProcessTestbed, name: ClusterName) -> None:
    cluster = cluster_of(bed, name)
    config = cluster.client_config()
    assert config["bootstrap.servers"].count(",") == 2
    admin, layout = Admin(config), Layout(config)
    admin.create_topics({f"three-{name}": 6})
    assert admin.topic_configs([f"three-{name}"])[f"three-{name}"]["min.insync.replicas"] == "2"
    consumer = Consumer({**config, "group.id": "three"})
    consumer.subscribe([f"three-{name}"])
    wait_until(lambda: consumer.poll(0.1) or layout.of([OFFSETS]))
    consumer.close()
    wait_until(lambda: all(each.whole for each in layout.of().values()))
    found = layout.of()
    assert {len(each.replicas) for each in found.values()} == {3}
    assert {each.leader for (topic, _), each in found.items() if topic == f"three-{name}"} == {1, 2, 3}
    if name == "target":
        assert len([topic for topic, _ in found if "kafka-cutover-connect" in topic]) == 3, "Connect's topics too"


@shows
@pytest.mark.parametrize("how", ["kill", "freeze", "restart"])
def test_one_broker_away_and_the_others_take_writes(bed: ProcessTestbed, how: str) -> None:
    config, topic = bed.source.client_config(), f"away-{how}"
    admin, layout = Admin(config), Layout(config)
    admin.create_topics({topic: 3})
    victim = bed.source.brokers[1]
    getattr(victim, {"restart": "stop"}.get(how, how))()
    assert victim.stopped()
    assert not bed.source.stopped()
    wait_until(lambda: victim.node_id not in {each.leader for each in layout.of([topic]).values()}, 60)
    producer = Producer(config)
    for number in range(300):
        producer.produce(topic, b"x", partition=number % 3)
    assert producer.flush(60) == 0
    assert admin.end_offsets([topic]) == {(topic, number): 100 for number in range(3)}
    if how == "freeze":
        victim.thaw()
    else:
        victim.restart()
    wait_until(lambda: all(each.whole for each in layout.of([topic]).values()), 60)


@shows
def test_the_whole_cluster_is_killed_and_comes_back_with_its_records(bed: ProcessTestbed) -> None:
    config = bed.target.client_config()
    admin = Admin(config)
    admin.create_topics({"killed": 3})
    producer = Producer(config)
    for number in range(300):
        producer.produce("killed", b"x", partition=number % 3)
    assert producer.flush(60) == 0
    bed.target.kill()
    assert bed.target.stopped()
    bed.target.restart()
    assert wait_until(lambda: admin.end_offsets(["killed"])) == {("killed", number): 100 for number in range(3)}
