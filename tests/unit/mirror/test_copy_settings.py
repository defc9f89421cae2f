"""Settings of the mirror's clients, by the topics that it copies."""

import pytest
from cutover_harness.mirror.compression import _received
from cutover_harness.mirror.connector_configs import forward_configs
from cutover_harness.mirror.copy_settings import CopySettings, copy_settings
from cutover_harness.mirror.spec import Batch, MirrorSpec
from hypothesis import given
from hypothesis import strategies as st

MIB = 1 << 20
PLAIN = {"bootstrap.servers": "a:1"}


def producer(found: CopySettings, name: str) -> str:
    return found.settings()[f"producer.override.{name}"]


@given(st.lists(st.integers(1, 200 * MIB), min_size=1, max_size=5))
def test_no_batch_is_larger_than_a_topic_accepts(limits: list[int]) -> None:
    found = copy_settings(
        {f"t{n}": {"max.message.bytes": str(each)} for n, each in enumerate(limits)}, {}, compressed_on_source=False
    )
    assert 0 < int(producer(found, "batch.size")) <= min(limits)
    assert int(producer(found, "max.request.size")) >= min(max(limits), 100 * MIB)
    assert int(producer(found, "buffer.memory")) >= int(producer(found, "max.request.size"))
    assert int(found.settings()["source.consumer.max.partition.fetch.bytes"]) >= max(limits)


def test_a_large_record_fits_uncompressed_unless_the_brokers_refuse_such_a_request() -> None:
    topics = {"t": {"max.message.bytes": str(30 * MIB)}}
    assert producer(copy_settings(topics, {}, compressed_on_source=True), "max.request.size") == str(100 * MIB)
    limited = copy_settings(topics, {"socket.request.max.bytes": str(50 * MIB)}, compressed_on_source=True)
    assert producer(limited, "max.request.size") == str(50 * MIB)


def test_without_topics_the_brokers_limit_counts() -> None:
    found = copy_settings({}, {"message.max.bytes": "300000"}, compressed_on_source=False)
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
    assert producer(copy_settings(topics, {}, compressed_on_source=compressed), "compression.type") == codec


def test_the_source_connector_has_the_settings() -> None:
    batch = Batch("b", ("t",), ())
    small = CopySettings(smallest=1000, compression="zstd")
    spec = MirrorSpec(batch, "http://connect", PLAIN, PLAIN)
    config = forward_configs(spec, small, ["confluent.x"])[batch.source_connector]
    assert config.items() >= small.settings().items()
    assert config["use.defaults.from"] == "source"
    excluded = config["config.properties.exclude"].split(",")
    assert r"confluent\.x" in excluded
    assert r"message\.timestamp\.(difference|before|after)\.max\.ms" in excluded


def test_bytes_of_a_clients_statistics() -> None:
    topic = {"partitions": {"0": {"rxbytes": 5}, "1": {"rxbytes": 6}, "-1": {"rxbytes": 0}}}
    statistics = {"brokers": {"a": {"rxbytes": 100}, "b": {"rxbytes": 10}}, "topics": {"t": topic}}
    assert _received(statistics) == (110, 11)
