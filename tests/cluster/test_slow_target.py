"""A stand-in target that acknowledges after 250 ms, as AutoMQ does, and is as fast as before in all else."""

import statistics
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer
from cutover_harness.admin import Admin
from cutover_harness.testbed import ProcessTestbed

from tests.cluster.traffic import eventually, log, mirroring, produce, wait_drained

DELAY_MS = 250


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessTestbed]:
    with ProcessTestbed(tmp_path_factory.mktemp("slow"), target_ack_delay_ms=DELAY_MS) as bed:
        yield bed


def acknowledged_in_ms(config: dict[str, str], topic: str, count: int = 9) -> list[float]:
    """Produce one record after the other; how long each took."""
    producer = Producer({**config, "linger.ms": 0})
    took = []
    for n in range(count):
        began = time.monotonic()
        producer.produce(topic, b"%d" % n)
        assert producer.flush(20) == 0
        took.append((time.monotonic() - began) * 1000)
    return took[1:]


def test_only_acknowledgements_are_slow(slow: ProcessTestbed) -> None:
    source, target = slow.source.client_config(), slow.target.client_config()
    for cluster in (source, target):
        Admin(cluster).create_topics({"slow": 2})
    assert min(acknowledged_in_ms(target, "slow")) >= DELAY_MS
    assert min(acknowledged_in_ms(source, "slow")) < DELAY_MS
    print("sync produce, median:", round(statistics.median(acknowledged_in_ms(target, "slow"))), "ms")

    began = time.monotonic()
    produce(target, "slow", range(100_000))
    took = time.monotonic() - began
    print(f"async produce: {100_000 / took:,.0f} records/s")
    assert 100_000 / took > 4 * 1000 / DELAY_MS, "not one by one"
    began = time.monotonic()
    records = log(target, "slow")
    print(f"read back: {100_000 / (time.monotonic() - began):,.0f} records/s")
    assert sum(map(len, records.values())) == 100_000 + 9 + 9

    began = time.monotonic()
    Admin(target).set_committed("slow-group", {("slow", 0): 1})
    assert (time.monotonic() - began) * 1000 >= DELAY_MS
    assert Admin(target).committed("slow-group") == {("slow", 0): 1}


def test_the_mirror_writes_through_it(slow: ProcessTestbed) -> None:
    source = slow.source.client_config()
    Admin(source).create_topics({"slow-mirror": 1})
    began = time.monotonic()
    with mirroring(slow, "slow-mirror") as mirror:
        produce(source, "slow-mirror", range(5000))
        wait_drained(mirror)
        print(f"5,000 records mirrored {time.monotonic() - began:.1f} s after the connectors were asked for")


def test_the_delay_is_reported_and_outlives_its_broker(slow: ProcessTestbed) -> None:
    assert slow.describe()["target"].endswith("standing in for AutoMQ, acknowledgements delayed by 250 ms")
    assert "delayed" not in slow.describe()["source"]
    config = slow.target.client_config()
    Admin(config).create_topics({"slow-restart": 1})
    slow.target.kill()
    slow.target.restart()
    assert eventually(lambda: min(acknowledged_in_ms(config, "slow-restart", 2)) >= DELAY_MS)


def test_without_a_delay_there_is_no_proxy(testbed: ProcessTestbed) -> None:
    assert "delayed" not in testbed.describe()["target"]
    assert not (testbed.logs / "proxy.log").exists()
