"""Retention that overtakes the mirror, on real brokers: what was not mirrored is named exactly while it can be."""

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
def mirror(testbed: ProcessTestbed) -> Iterator[Mirror]:
    made = another(testbed)
    yield made
    made.delete()
    made.close()


def another(testbed: ProcessTestbed) -> Mirror:
    return Mirror(mirror_spec(testbed, Batch("overtaken", ("overtaken",), ())))


def produce(testbed: ProcessTestbed, count: int) -> None:
    producer = Producer({**testbed.source.client_config()})
    for number in range(count):
        producer.produce("overtaken", b"%d" % number, partition=0)
    assert producer.flush(20) == 0


def test_records_that_went_before_they_were_mirrored_are_named(testbed: ProcessTestbed, mirror: Mirror) -> None:
    admin = Admin(testbed.source.client_config())
    admin.create_topics({"overtaken": 2})
    mirror.create()
    produce(testbed, 250)
    wait_until(lambda: mirror.drained()[0])
    testbed.worker.freeze()  # at once: Connect has not stored all that it has mirrored
    try:
        produce(testbed, 50)
        admin.delete_records({("overtaken", 0): 250})
        assert mirror.gaps() == []
        assert mirror.lag().total == 50
        admin.delete_records({("overtaken", 0): 280})
        gone = [Gap("overtaken", 0, 250, 280)]
        assert mirror.gaps() == gone
        assert mirror.lag().total == 20
        fresh = another(testbed)
        assert fresh.gaps() == gone
        fresh.close()
        admin.delete_records({("overtaken", 0): 300})
        assert mirror.gaps() == [Gap("overtaken", 0, 250, 300)]
        assert mirror.lag().total == 0
    finally:
        testbed.worker.thaw()
    produce(testbed, 10)
    wait_until(lambda: mirror.drained()[0] and mirror.lag().total == 0)
    assert mirror.gaps() == [Gap("overtaken", 0, 250, 300)], "what was seen is not forgotten"
