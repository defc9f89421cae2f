"""The docker testbed: what it publishes and labels, broken by the engine in every way, and mirroring after each."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer
from cutover_harness import testbed as testbeds
from cutover_harness.admin import Admin
from cutover_harness.faults.inject import Injector
from cutover_harness.mirror import Mirror
from cutover_harness.mirror.clients import seen_by_connect
from cutover_harness.plan.fault import Fault
from cutover_harness.plan.path import Act
from cutover_harness.testbed import TestbedError
from cutover_harness.testbed.docker import engine
from cutover_harness.testbed.docker.container import ContainerNode
from cutover_harness.testbed.docker.options import DockerOptions
from cutover_harness.testbed.docker.testbed import DockerTestbed

from tests import waiting

eventually = partial(waiting.eventually, seconds=90)


TOPIC = "faults"


@pytest.fixture(scope="module")
def mirror(testbed: DockerTestbed) -> Iterator[Mirror]:
    source, target = testbed.source.client_config(), testbed.target.client_config()
    Admin(source).create_topics({TOPIC: 2})
    with Mirror(
        testbed.connect_url,
        seen_by_connect(source, testbed.source.connect_bootstrap),
        seen_by_connect(target, testbed.target.connect_bootstrap),
        batch=TOPIC,
        topics=[TOPIC],
        groups=[],
    ) as made:
        made.create()
        yield made
        made.delete()


def produce(config: dict[str, str], count: int) -> None:
    producer = Producer(config)
    for n in range(count):
        producer.produce(TOPIC, b"%d" % n)
    assert producer.flush(60) == 0


def mirrored(testbed: DockerTestbed, mirror: Mirror) -> None:
    produce(testbed.source.client_config(), 200)
    assert eventually(lambda: mirror.drained()[0]), mirror.drained()
    source, target = (
        sum(Admin(c.client_config()).end_offsets([TOPIC]).values()) for c in (testbed.source, testbed.target)
    )
    assert target >= source  # a killed worker may write again what it had not remembered


def test_serves_what_the_contract_says(testbed: DockerTestbed, image: str) -> None:
    bed: testbeds.Testbed = testbed
    assert (bed.kind, bed.target_kind) == ("docker", "stand-in")
    assert bed.source.version == bed.target.version
    assert bed.source.version.count(".") == 2
    assert httpx.get(f"{bed.connect_url}/").json()["version"] == bed.source.version
    about = bed.describe()
    assert f"(image {image}) standing in for AutoMQ" in about["target"]
    assert "memory: connect 1g" in about["engine"]


def test_published_on_loopback_labelled_and_limited(testbed: DockerTestbed, client: Any) -> None:
    found = engine.ours(client, engine.of_run(testbed.run))
    assert sorted(name.split()[0] for name, _ in found) == ["container"] * 3 + ["network"]
    assert not engine.ours(client, lambda labels: engine.of_run(testbed.run)(labels) and engine.abandoned(labels))
    for _, container in found[:3]:
        container.reload()
        published = [p for ports in container.attrs["NetworkSettings"]["Ports"].values() for p in ports or []]
        assert published
        assert {p["HostIp"] for p in published} == {"127.0.0.1"}
        assert all(int(p["HostPort"]) < 32768 for p in published)
        assert container.attrs["HostConfig"]["Memory"] == 1 << 30


def test_a_slow_target_is_slow_for_applications(testbed: DockerTestbed) -> None:
    target = testbed.target.client_config()
    Admin(target).create_topics({"slow": 1})
    producer = Producer({**target, "linger.ms": 0})
    for attempt in range(3):
        began = time.monotonic()
        producer.produce("slow", b"x")
        assert producer.flush(30) == 0
        assert attempt == 0 or time.monotonic() - began >= 0.1
    assert "delayed by 100 ms for applications, not for the mirror" in testbed.describe()["target"]


def broken(node: ContainerNode, how: str) -> None:
    if how == "disconnect":
        node.disconnect()
        assert node.disconnected()
        time.sleep(1)
        node.reconnect()
        node.await_ready()
        assert not node.disconnected()
        return
    if how == "freeze":
        node.freeze()
    elif how == "kill":
        node.kill()
    if how != "restart":
        assert node.stopped()
        time.sleep(1)
    if how == "freeze":
        node.thaw()
    else:
        node.restart()
    assert not node.stopped()


@pytest.mark.parametrize("how", ["freeze", "disconnect", "kill", "restart"])
def test_mirroring_goes_on_after(testbed: DockerTestbed, mirror: Mirror, how: str) -> None:
    mirrored(testbed, mirror)
    nodes = (testbed.target, testbed.worker) if how in {"kill", "restart"} else (testbed.source, testbed.worker)
    for node in nodes:
        broken(node, how)
    mirrored(testbed, mirror)


@pytest.mark.parametrize(("kind", "option"), [("delay", {"delay_ms": 300}), ("loss", {"loss_percent": 50})])
def test_netem_hits_or_says_why_not(testbed: DockerTestbed, kind: str, option: dict[str, object]) -> None:
    fault = Fault.model_validate({"kind": kind, "of": "source", "at": Act.CREATE_TASK, "seconds": 0.1, **option})
    injector = Injector((fault,), {"source": lambda: testbed.source})
    injector(Act.CREATE_TASK, "before")
    injector.finish()
    (guard,) = injector.guards
    print(guard)
    if guard.held:
        assert "qdisc netem" in guard.evidence
    else:
        assert guard.evidence.startswith("unavailable: netem: ")
        assert "device" not in guard.evidence, "the kernel is the reason, not where tc looked"
    began = time.monotonic()
    produce(testbed.source.client_config(), 1)
    print(f"healed: one record acknowledged after {(time.monotonic() - began) * 1000:.0f} ms")


def test_an_image_that_is_not_there(client: Any, image: str, tmp_path: Any) -> None:
    options = DockerOptions(source_image="kafka-cutover/no-such-image:1", target_image=image)
    with pytest.raises(TestbedError, match="--source-image kafka-cutover/no-such-image:1: neither on this machine"):
        DockerTestbed(tmp_path, options).start()


def test_what_does_not_start_shows_its_last_lines(client: Any, image: str, tmp_path: Any) -> None:
    bed = DockerTestbed(tmp_path, DockerOptions(source_image=image, target_image=image, memory="6m"))
    with pytest.raises(TestbedError) as raised:
        bed.start()
    print(raised.value)
    assert not engine.ours(client, engine.of_run(bed.run))


def test_what_ends_while_it_starts_is_told_with_its_log(testbed: DockerTestbed) -> None:
    testbed.source.kill()
    try:
        with pytest.raises(TestbedError, match="source broker ended with 137 while it was starting") as raised:
            testbed.source.await_ready()
        assert "(nothing)" not in str(raised.value)
    finally:
        testbed.source.restart()
