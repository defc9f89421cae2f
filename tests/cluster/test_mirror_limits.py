"""Topics and groups that constants in the mirror's configuration do not fit, between real brokers."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import httpx
from confluent_kafka import Producer
from cutover_harness.admin import Admin
from cutover_harness.mirror import Batch, Mirror
from cutover_harness.testbed import ProcessTestbed

from tests import waiting
from tests.cluster.traffic import mirror_spec

eventually = partial(waiting.eventually, seconds=60)
SMALL = "limits.small-batches"
ZIPPED = "limits.small-when-compressed"
BLUE = "limits[blue]"
PASSWORD = "hunter-2-of-the-mirror"


def produce(config: Mapping[str, str], topic: str, count: int, size: int, **options: str) -> None:
    producer = Producer({**config, "message.max.bytes": 2_000_000, **options})
    for n in range(count):
        producer.produce(topic, b"%d" % n + b"z" * size)
    assert producer.flush(60) == 0


def test_records_of_the_source_fit_on_the_target(testbed: ProcessTestbed) -> None:
    """Neither a backlog with batches of a topic's limit, nor records that fit compressed alone, stop the mirror."""
    source, target = testbed.source.client_config(), testbed.target.client_config()
    here, there = Admin(source), Admin(target)
    here.create_topics({SMALL: 1}, {"max.message.bytes": "100000"})
    here.create_topics({ZIPPED: 1}, {"max.message.bytes": "200000"})
    produce(source, SMALL, 2000, 1000, **{"batch.size": "50000"})
    produce(source, ZIPPED, 20, 900_000, **{"compression.type": "zstd"})
    ends = {(SMALL, 0): 2000, (ZIPPED, 0): 20}
    assert here.end_offsets([SMALL, ZIPPED]) == ends
    here.set_committed(BLUE, {(SMALL, 0): 2000})
    spec = mirror_spec(testbed, Batch("limits", ("limits.*",), (BLUE,)))
    with Mirror(replace(spec, connect_logs=tuple(testbed.connect_logs))) as mirror:
        mirror.create()
        # The testbed's brokers keep records for ever, which is no property of the topic.
        assert there.topic_configs([SMALL])[SMALL]["retention.ms"] == "-1"
        assert mirror.differences() == {}
        assert eventually(lambda: mirror.drained()[0]), (mirror.drained(), mirror.running(), mirror.reason())
        assert there.end_offsets([SMALL, ZIPPED]) == ends
        assert eventually(lambda: there.committed(BLUE) == {(SMALL, 0): 2000})
        mirror.delete()


def test_connect_shows_no_secret_and_its_tasks_get_it(testbed: ProcessTestbed) -> None:
    source, target = testbed.source.client_config(), testbed.target.client_config()
    login = f'org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="{PASSWORD}";'
    Admin(source).create_topics({"secretive": 1})
    produce(source, "secretive", 10, 10)
    spec = replace(
        mirror_spec(testbed, Batch("secretive", ("secretive",), ())),
        target={**target, "sasl.jaas.config": login},
        connect_logs=tuple(testbed.connect_logs),
        secrets_folder=testbed.secrets_folder,
    )
    with Mirror(spec) as mirror:
        mirror.create()
        assert not mirror.notes
        assert eventually(lambda: mirror.drained()[0]), (mirror.drained(), mirror.running(), mirror.reason())
        shown = "".join(
            httpx.get(f"{testbed.connect_url}/connectors/{name}{part}", trust_env=False).text
            for name in mirror.batch.connectors
            for part in ("", "/config", "/tasks", "/status")
        )
        assert "${cutover:" in shown
        assert PASSWORD not in shown
        mirror.delete()
    assert testbed.secrets_folder is not None
    assert not list(testbed.secrets_folder.glob("*secretive*"))
