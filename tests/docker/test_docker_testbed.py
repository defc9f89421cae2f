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
from cutover_harness.faults.injector import Injector
from cutover_harness.mirror import Batch, Mirror, MirrorSpec
from cutover_harness.mirror.client_properties import seen_by_connect
from cutover_harness.procedure.names import StepName
from cutover_harness.testbed import TestbedError
from cutover_harness.testbed.docker import engine
from cutover_harness.testbed.docker.container import ContainerNode
from cutover_harness.testbed.docker.options import DockerOptions
from cutover_harness.testbed.docker.testbed import DockerTestbed

from tests import waiting
from tests.unit.faults.faults import context, fault

eventually = partial(waiting.eventually, seconds=90)

TOPIC = "faults"
PLAIN_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule"


@pytest.fixture(scope="module")
def mirror(testbed: DockerTestbed) -> Iterator[Mirror]:
    source, target = testbed.source.client_config(), testbed.target.client_config()
    Admin(source).create_topics({TOPIC: 2})
    spec = MirrorSpec(
        Batch(TOPIC, (TOPIC,), ()),
        testbed.connect_url,
        seen_by_connect(source, testbed.source.connect_bootstrap),
        seen_by_connect(target, testbed.target.connect_bootstrap),
    )
    with Mirror(spec) as made:
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


def test_serves_as_the_protocol_describes(testbed: DockerTestbed, image: str) -> None:
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


def test_connect_shows_references_and_reads_the_secrets(testbed: DockerTestbed) -> None:
    """MirrorMaker 2 finds the topic by a reference, so the worker has read the file that the configuration hides."""
    topic, planted = "by-reference", "planted-battery-31c8"
    folder = testbed.secrets_folder
    assert folder is not None, "the container reads the folder"
    source, target = testbed.source.client_config(), testbed.target.client_config()
    for config in (source, target):
        Admin(config).create_topics({topic: 1})
    login = f'{PLAIN_LOGIN} required username="app" password="{planted}";'
    spec = MirrorSpec(
        Batch(topic, ("of-no-topic",), ()),
        testbed.connect_url,
        seen_by_connect(source, testbed.source.connect_bootstrap) | {"sasl.jaas.config": login},
        seen_by_connect(target, testbed.target.connect_bootstrap),
        secrets_folder=folder,
    )
    with Mirror(spec) as made:
        made.create()
        (folder / "topics").write_text(topic)
        (folder / "topics").chmod(0o600)
        connector = made.batch.source_connector
        address = f"{testbed.connect_url}/connectors/{connector}"
        # A worker that rebalances answers 409 or 500 with an error as the content.
        known = waiting.wait_until(lambda: successful(f"{address}/config"))
        by_reference = {**known, "topics": f"${{cutover:{folder}:topics}}"}
        assert eventually(lambda: httpx.put(f"{address}/config", json=by_reference, timeout=60).is_success)
        producer = Producer(source)
        producer.produce(topic, b"1")
        assert producer.flush(60) == 0
        assert eventually(lambda: sum(Admin(target).end_offsets([topic]).values()) == 1)
        shown = httpx.get(f"{testbed.connect_url}/connectors?expand=info&expand=status").text
        shown += httpx.get(f"{address}/tasks").text
        assert connector in shown
        assert "${cutover:" in shown
        assert planted not in shown
        assert [file for file in folder.iterdir() if planted in file.read_text()], "it was there to be shown"
        assert not made.notes
        made.delete()
    assert not [file for file in folder.iterdir() if planted in file.read_text()]


@pytest.mark.parametrize("how", ["freeze", "disconnect", "kill", "restart"])
def test_mirroring_resumes_after(testbed: DockerTestbed, mirror: Mirror, how: str) -> None:
    mirrored(testbed, mirror)
    nodes = (testbed.target, testbed.worker) if how in {"kill", "restart"} else (testbed.source, testbed.worker)
    for node in nodes:
        broken(node, how)
    mirrored(testbed, mirror)


@pytest.mark.parametrize(("kind", "option"), [("delay", {"delay_ms": 300}), ("loss", {"loss_percent": 50})])
def test_netem_hits_or_reports_the_reason(testbed: DockerTestbed, kind: str, option: dict[str, object]) -> None:
    made = fault(kind, "source", at=StepName.CREATE_TASK, seconds=0.1, **option)
    injector = Injector((made,), context(nodes={"source": lambda: testbed.source}))
    injector.inject(StepName.CREATE_TASK, "before")
    injector.finish()
    (precondition,) = injector.preconditions
    print(precondition)
    if precondition.held:
        assert "qdisc netem" in precondition.evidence
    else:
        assert precondition.evidence.startswith("unavailable: netem: ")
        assert "device" not in precondition.evidence, "the kernel is the reason, not where tc looked"
    began = time.monotonic()
    produce(testbed.source.client_config(), 1)
    print(f"healed: one record acknowledged after {(time.monotonic() - began) * 1000:.0f} ms")


def test_a_missing_image(client: Any, image: str, tmp_path: Any) -> None:
    options = DockerOptions(source_image="kafka-cutover/no-such-image:1", target_image=image)
    with pytest.raises(TestbedError, match="--source-image kafka-cutover/no-such-image:1: neither on this machine"):
        DockerTestbed(tmp_path, options).start()


def test_a_container_that_does_not_start_shows_its_last_lines(client: Any, image: str, tmp_path: Any) -> None:
    bed = DockerTestbed(tmp_path, DockerOptions(source_image=image, target_image=image, memory="6m"))
    with pytest.raises(TestbedError) as raised:
        bed.start()
    print(raised.value)
    assert not engine.ours(client, engine.of_run(bed.run))


def test_a_container_that_ends_while_it_starts_is_reported_with_its_log(testbed: DockerTestbed) -> None:
    testbed.source.kill()
    try:
        with pytest.raises(TestbedError, match="source broker ended with 137 while it was starting") as raised:
            testbed.source.await_ready()
        assert "(nothing)" not in str(raised.value)
    finally:
        testbed.source.restart()


def successful(address: str) -> dict[str, str]:
    """Return the content of an answer, nothing if it is an error."""
    answer = httpx.get(address, timeout=60)
    return dict(answer.json()) if answer.is_success else {}
