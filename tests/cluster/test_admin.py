"""Administrative helpers against real brokers."""

import threading

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from cutover_harness.admin import Admin
from cutover_harness.testbed import ProcessTestbed


def test_topics_and_offsets(testbed: ProcessTestbed) -> None:
    config = testbed.source.client_config()
    admin = Admin(config)
    admin.create_topics({"admin-a": 3, "admin-b": 1}, {"retention.ms": "-1"})
    assert admin.partitions(["admin-a", "admin-b", "admin-none"]) == {"admin-a": 3, "admin-b": 1}
    assert {"admin-a", "admin-b"} <= set(admin.partitions())
    with pytest.raises(KafkaException, match="TOPIC_ALREADY_EXISTS"):
        admin.create_topics({"admin-a": 3})
    producer = Producer({**config})
    for _ in range(5):
        producer.produce("admin-a", b"x", partition=1)
    assert producer.flush(20) == 0
    ends = {("admin-a", 0): 0, ("admin-a", 1): 5, ("admin-a", 2): 0}
    assert admin.end_offsets(["admin-a", "admin-none"]) == ends
    assert admin.start_offsets(["admin-a"]) == dict.fromkeys(ends, 0)
    assert admin.end_offsets(["admin-none"]) == {}
    admin.delete_topics(["admin-b"])
    assert admin.partitions(["admin-b"]) == {}


def test_a_topic_that_is_made_again_has_another_id(testbed: ProcessTestbed) -> None:
    admin = Admin(testbed.source.client_config())
    admin.create_topics({"admin-f": 1})
    before = admin.topic_ids(["admin-f", "admin-none"])
    assert list(before) == ["admin-f"]
    assert admin.topic_ids(["admin-f"]) == before
    admin.delete_topics(["admin-f"])
    assert admin.topic_ids(["admin-f"]) == {}
    admin.create_topics({"admin-f": 1})
    assert admin.topic_ids(["admin-f"]) != before


def test_a_property_of_a_topic_is_set_and_the_others_stay(testbed: ProcessTestbed) -> None:
    admin = Admin(testbed.source.client_config())
    admin.create_topics({"admin-h": 1}, {"retention.ms": "1234567"})
    admin.set_topic_config("admin-h", {"min.compaction.lag.ms": "77"})
    found = admin.topic_configs(["admin-h"])["admin-h"]
    assert (found["retention.ms"], found["min.compaction.lag.ms"]) == ("1234567", "77")


def test_records_are_removed_from_the_start_of_a_log(testbed: ProcessTestbed) -> None:
    config = testbed.source.client_config()
    admin = Admin(config)
    admin.create_topics({"admin-g": 1})
    producer = Producer({**config})
    for _ in range(5):
        producer.produce("admin-g", b"x")
    assert producer.flush(20) == 0
    admin.delete_records({("admin-g", 0): 3})
    assert admin.start_offsets(["admin-g"]) == {("admin-g", 0): 3}
    assert admin.end_offsets(["admin-g"]) == {("admin-g", 0): 5}


def test_group_offsets(testbed: ProcessTestbed) -> None:
    config = testbed.source.client_config()
    admin = Admin(config)
    admin.create_topics({"admin-c": 2, "admin-d": 1})
    assert admin.committed("admin-nobody") == {}
    admin.set_committed("admin-group", {("admin-c", 0): 4, ("admin-c", 1): 0, ("admin-d", 0): 7})
    assert admin.committed("admin-group") == {("admin-c", 0): 4, ("admin-c", 1): 0, ("admin-d", 0): 7}
    assert admin.committed("admin-group", ["admin-d"]) == {("admin-d", 0): 7}
    admin.set_committed("admin-group", {})
    consumer = Consumer({**config, "group.id": "admin-group"})
    joined = threading.Event()
    consumer.subscribe(["admin-c"], on_assign=lambda *_: joined.set())
    while not joined.is_set():
        consumer.poll(0.1)
    with pytest.raises(KafkaException):
        admin.set_committed("admin-group", {("admin-c", 0): 1})
    consumer.close()


def test_waits_for_the_coordinator_of_a_broker_that_just_started(testbed: ProcessTestbed) -> None:
    admin = Admin(testbed.target.client_config(), timeout_s=60)
    admin.create_topics({"admin-e": 1})
    admin.set_committed("admin-late", {("admin-e", 0): 1})
    for offset in range(2, 5):
        testbed.target.kill()
        testbed.target.restart()
        admin.set_committed("admin-late", {("admin-e", 0): offset})
        assert admin.committed("admin-late") == {("admin-e", 0): offset}
