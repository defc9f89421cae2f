"""Retention that overtakes the mirror, on real brokers: what was not mirrored is named exactly while it can be."""

import uuid
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer
from cutover_harness.admin import Admin
from cutover_harness.mirror import Batch, Mirror
from cutover_harness.mirror.gaps import Gap
from cutover_harness.testbed import ProcessTestbed

from tests.cluster.traffic import mirror_spec
from tests.waiting import wait_until


@pytest.fixture
def topic() -> str:
    """Return a name that no earlier try has used: Connect keeps offsets by topic."""
    return f"overtaken-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def mirror(testbed: ProcessTestbed, topic: str) -> Iterator[Mirror]:
    made = another(testbed, topic)
    yield made
    made.delete()
    made.close()


def another(testbed: ProcessTestbed, topic: str) -> Mirror:
    return Mirror(mirror_spec(testbed, Batch("overtaken", (topic,), ())))


def produce(testbed: ProcessTestbed, topic: str, count: int) -> None:
    producer = Producer({**testbed.source.client_config()})
    for number in range(count):
        producer.produce(topic, b"%d" % number, partition=0)
    assert producer.flush(20) == 0


def test_records_that_went_before_they_were_mirrored_are_named(
    testbed: ProcessTestbed, mirror: Mirror, topic: str
) -> None:
    admin = Admin(testbed.source.client_config())
    admin.create_topics({topic: 2})
    mirror.create()
    produce(testbed, topic, 250)
    wait_until(lambda: mirror.drained()[0])
    testbed.worker.freeze()  # at once: Connect has not stored all that it has mirrored
    try:
        produce(testbed, topic, 50)
        admin.delete_records({(topic, 0): 250})
        assert mirror.gaps() == []
        assert mirror.lag().total == 50
        admin.delete_records({(topic, 0): 280})
        gone = [Gap(topic, 0, 250, 280)]
        assert mirror.gaps() == gone
        assert mirror.lag().total == 20
        fresh = another(testbed, topic)
        assert fresh.gaps() == gone
        fresh.close()
        admin.delete_records({(topic, 0): 300})
        assert mirror.gaps() == [Gap(topic, 0, 250, 300)]
        assert mirror.lag().total == 0
    finally:
        testbed.worker.thaw()
    produce(testbed, topic, 10)
    wait_until(lambda: mirror.drained()[0] and mirror.lag().total == 0)
    (seen,) = mirror.gaps()  # what was seen is not forgotten
    # A task whose session has expired meanwhile begins at the offset that Connect has stored, which may be earlier.
    assert (seen.topic, seen.partition, seen.end) == (topic, 0, 300)
    assert seen.start <= 250
