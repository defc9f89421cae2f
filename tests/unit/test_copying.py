"""Settings of the mirror's clients, by the topics that it copies."""

import pytest
from cutover_harness.mirror.compression import _received
from cutover_harness.mirror.config import Batch, connectors
from cutover_harness.mirror.copying import Copying, copying
from hypothesis import given
from hypothesis import strategies as st

MIB = 1 << 20
PLAIN = {"bootstrap.servers": "a:1"}


def producer(found: Copying, name: str) -> str:
    return found.settings()[f"producer.override.{name}"]


@given(st.lists(st.integers(1, 200 * MIB), min_size=1, max_size=5))
def test_no_batch_is_larger_than_a_topic_takes(limits: list[int]) -> None:
    found = copying(
        {f"t{n}": {"max.message.bytes": str(each)} for n, each in enumerate(limits)}, {}, compressed_on_source=False
    )
    assert 0 < int(producer(found, "batch.size")) <= min(limits)
    assert int(producer(found, "max.request.size")) >= min(max(limits), 100 * MIB)
    assert int(producer(found, "buffer.memory")) >= int(producer(found, "max.request.size"))
    assert int(found.settings()["source.consumer.max.partition.fetch.bytes"]) >= max(limits)


def test_a_large_record_fits_uncompressed_unless_the_brokers_take_no_such_request() -> None:
    topics = {"t": {"max.message.bytes": str(30 * MIB)}}
    assert producer(copying(topics, {}, compressed_on_source=True), "max.request.size") == str(100 * MIB)
    limited = copying(topics, {"socket.request.max.bytes": str(50 * MIB)}, compressed_on_source=True)
    assert producer(limited, "max.request.size") == str(50 * MIB)


def test_without_topics_the_brokers_limit_counts() -> None:
    found = copying({}, {"message.max.bytes": "300000"}, compressed_on_source=False)
    assert int(producer(found, "batch.size")) <= 300_000


@pytest.mark.parametrize(
    ("of_topics", "compressed", "codec"),
    [
        (["producer"], False, "none"),
        (["producer"], True, "zstd"),
        (["lz4"], False, "lz4"),
        (["lz4"], True, "lz4"),
        (["lz4", "gzip"], False, "gzip"),
        (["lz4", "producer"], True, "zstd"),
        (["uncompressed"], True, "none"),
    ],
)
def test_records_are_compressed_as_strongly_as_on_the_source(
    of_topics: list[str], compressed: bool, codec: str
) -> None:
    topics = {f"t{n}": {"compression.type": each} for n, each in enumerate(of_topics)}
    assert producer(copying(topics, {}, compressed_on_source=compressed), "compression.type") == codec


def test_the_source_connector_gets_them() -> None:
    batch = Batch("b", ("t",), ())
    small = Copying(smallest=1000, compression="zstd")
    config = connectors(
        batch, PLAIN, PLAIN, exactly_once=False, interval_s=1, tasks=1, copying=small, not_known=["confluent.x"]
    )[batch.source_connector]
    assert config.items() >= small.settings().items()
    assert config["use.defaults.from"] == "source"
    excluded = config["config.properties.exclude"].split(",")
    assert r"confluent\.x" in excluded
    assert r"message\.timestamp\.(difference|before|after)\.max\.ms" in excluded


def test_bytes_of_a_clients_statistics() -> None:
    topic = {"partitions": {"0": {"rxbytes": 5}, "1": {"rxbytes": 6}, "-1": {"rxbytes": 0}}}
    statistics = {"brokers": {"a": {"rxbytes": 100}, "b": {"rxbytes": 10}}, "topics": {"t": topic}}
    assert _received(statistics) == (110, 11)
