"""Properties that topics need on the target, and differences between the clusters."""

import pytest
from cutover_harness.mirror.topic_settings import Harm, Setting, differences, left_out, wanted

UNLIMITED = "9223372036854775807"


def test_values_of_the_brokers_are_wanted_as_well_as_the_topics_own() -> None:
    source = {
        "retention.ms": Setting("-1", of_topic=False),
        "max.message.bytes": Setting("10485880", of_topic=False),
        "message.timestamp.type": Setting("LogAppendTime", of_topic=False),
        "segment.ms": Setting("60000", of_topic=True),
        "index.interval.bytes": Setting("4096", of_topic=False),
        "min.insync.replicas": Setting("2", of_topic=True),
        "remote.storage.enable": Setting("true", of_topic=True),
        "confluent.tier.enable": Setting("true", of_topic=True),
        "flush.ms": Setting("1000", of_topic=False),
    }
    assert wanted(source) == {
        "retention.ms": "-1",
        "max.message.bytes": "10485880",
        "message.timestamp.type": "LogAppendTime",
        "segment.ms": "60000",
    }
    assert left_out(source) == ["confluent.tier.enable", "min.insync.replicas", "remote.storage.enable"]


def test_limits_on_timestamps_are_lifted_because_old_records_may_exceed_them() -> None:
    source = {"message.timestamp.before.max.ms": Setting("86400000", of_topic=True)}
    assert wanted(source) == {"message.timestamp.before.max.ms": UNLIMITED}
    assert left_out(source) == []
    assert not differences({"message.timestamp.before.max.ms": "5"}, {"message.timestamp.before.max.ms": UNLIMITED})
    (found,) = differences({"message.timestamp.after.max.ms": UNLIMITED}, {"message.timestamp.after.max.ms": "5"})
    assert found.harm is Harm.STALL


@pytest.mark.parametrize(
    ("name", "source", "target", "harm"),
    [
        ("retention.ms", "-1", "604800000", Harm.LOSS),
        ("retention.ms", "604800000", "-1", Harm.BEHAVIOUR),
        ("retention.bytes", "2000", "1000", Harm.LOSS),
        ("retention.bytes", "1000", "-1", Harm.BEHAVIOUR),
        ("cleanup.policy", "delete", "compact", Harm.LOSS),
        ("cleanup.policy", "compact", "delete,compact", Harm.LOSS),
        ("cleanup.policy", "compact,delete", "compact", Harm.BEHAVIOUR),
        ("min.compaction.lag.ms", "3600000", "0", Harm.LOSS),
        ("delete.retention.ms", "86400000", "0", Harm.LOSS),
        ("max.message.bytes", "10485880", "1048588", Harm.STALL),
        ("max.message.bytes", "1048588", "10485880", Harm.BEHAVIOUR),
        ("message.timestamp.type", "LogAppendTime", "CreateTime", Harm.BEHAVIOUR),
        ("compression.type", "producer", "zstd", Harm.BEHAVIOUR),
    ],
)
def test_harm_of_a_difference(name: str, source: str, target: str, harm: Harm) -> None:
    (found,) = differences({name: source}, {name: target})
    assert (found.name, found.harm) == (name, harm)
    assert source in str(found)
    assert target in str(found)


def test_equal_values_are_no_difference() -> None:
    same = {"cleanup.policy": "compact,delete", "retention.ms": "5", "min.cleanable.dirty.ratio": "0.5", "x": "1"}
    other = {"cleanup.policy": "delete, compact", "retention.ms": "5", "min.cleanable.dirty.ratio": "0.50", "x": "2"}
    assert differences(same, other) == []
    assert differences(same, {}) == []


def test_the_most_harmful_difference_comes_first() -> None:
    source = {"compression.type": "lz4", "max.message.bytes": "2", "retention.ms": "2"}
    target = {"compression.type": "zstd", "max.message.bytes": "1", "retention.ms": "1"}
    assert [each.name for each in differences(source, target)] == [
        "retention.ms",
        "max.message.bytes",
        "compression.type",
    ]
