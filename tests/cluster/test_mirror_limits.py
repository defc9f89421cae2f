"""Topics and groups that constants in the mirror's configuration do not fit, between real brokers."""

from collections.abc import Mapping
from functools import partial

from confluent_kafka import Producer
from cutover_harness.admin import Admin
from cutover_harness.mirror import Mirror
from cutover_harness.testbed import ProcessTestbed

from tests import waiting

eventually = partial(waiting.eventually, seconds=60)
SMALL = "limits.small-batches"
ZIPPED = "limits.small-when-compressed"
BLUE = "limits[blue]"


def produce(config: Mapping[str, str], topic: str, count: int, size: int, **options: str) -> None:
    producer = Producer({**config, "message.max.bytes": 2_000_000, **options})
    for n in range(count):
        producer.produce(topic, b"%d" % n + b"z" * size)
    assert producer.flush(60) == 0


def test_what_the_source_holds_fits_on_the_target(testbed: ProcessTestbed) -> None:
    """Neither a backlog with batches of a topic's limit, nor records that fit compressed alone, stop the mirror."""
    source, target = testbed.source.client_config(), testbed.target.client_config()
    here, there = Admin(source), Admin(target)
    here.create_topics({SMALL: 1}, {"max.message.bytes": "100000"})
    here.create_topics({ZIPPED: 1}, {"max.message.bytes": "200000"})
    produce(source, SMALL, 2000, 1000)
    produce(source, ZIPPED, 20, 900_000, **{"compression.type": "zstd"})
    here.set_committed(BLUE, {(SMALL, 0): 2000})
    with Mirror(
        testbed.connect_url, source, target, batch="limits", topics=["limits.*"], groups=[BLUE],
        connect_logs=testbed.connect_logs,
    ) as mirror:  # fmt: skip
        mirror.create()
        # The testbed's brokers keep records for ever, which is no property of the topic.
        assert there.topic_configs([SMALL])[SMALL]["retention.ms"] == "-1"
        assert mirror.differences() == {}
        assert eventually(lambda: mirror.drained()[0]), (mirror.drained(), mirror.running(), mirror.reason())
        assert there.end_offsets([SMALL, ZIPPED]) == {(SMALL, 0): 2000, (ZIPPED, 0): 20}
        assert eventually(lambda: there.committed(BLUE) == {(SMALL, 0): 2000})
        mirror.delete()
