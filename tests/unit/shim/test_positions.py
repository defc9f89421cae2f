"""Positions that only a client or an application has: committed or named, never lost or misused in silence."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka import Producer as RawProducer
from cutover_shim import Consumer
from cutover_shim.positions import Positions, starts_at_end

from .conftest import MockCluster, Switch, until
from .test_consumer_switch import FAST


def put(cluster: MockCluster, topic: str, partition: int, *values: str) -> None:
    producer = RawProducer({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
    for value in values:
        producer.produce(topic, value, partition=partition)
    assert producer.flush(10) == 0
    producer.close()


class Reader:
    """A consumer that starts at the log's end and keeps what it was given."""

    def __init__(self, switch: Switch, topic: str, on_assign: Any = None, **conf: Any) -> None:
        self.got: list[str] = []
        self.consumer = Consumer(
            switch.conf(**{"group.id": f"g-{topic}", "auto.offset.reset": "latest", **FAST, **conf})
        )
        self.consumer.subscribe([topic], **({"on_assign": on_assign} if on_assign else {}))
        until(self.consumer.assignment, self.step)

    def step(self) -> None:
        message = self.consumer.poll(0.1)
        if message is not None and message.error() is None:
            self.got.append(message.value().decode())

    def feed(self, cluster: MockCluster, topic: str, partition: int) -> int:
        """Write until one is read, as the client has then looked up where it starts; returns how many were written."""
        written = 0
        while not self.got:
            put(cluster, topic, partition, f"new-{written}")
            written += 1
            self.step()
        until(lambda: self.got[-1] == f"new-{written - 1}", self.step)
        return written


def test_the_first_record_of_an_idle_partition_is_read_after_a_switch(switch: Switch, topic: str) -> None:
    for cluster in switch.clusters.values():  # as mirrored: old records in 1, nothing in 0
        put(cluster, topic, 1, "old-1", "old-2")
    reader = Reader(switch, topic)
    written = reader.feed(switch.source, topic, 2)
    switch.until_attested(switch.write(consumers="hold"), reader.step)
    assert switch.read_status()["routes"]["r"]["committed"] == {topic: {"0": 0, "1": 2, "2": written, "3": 0}}
    assert switch.error() == ""
    reader.consumer.close()


def test_without_stored_offsets_the_start_is_committed(switch: Switch, topic: str) -> None:
    put(switch.source, topic, 0, "old")
    reader = Reader(switch, topic, **{"enable.auto.offset.store": False})
    assert reader.feed(switch.source, topic, 0) > 0
    switch.until_attested(switch.write(consumers="hold"), reader.step)
    assert switch.read_status()["routes"]["r"]["committed"][topic]["0"] == 1
    reader.consumer.close()


def test_with_manual_commit_partitions_without_a_committed_offset_are_named(
    switch: Switch, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    reader = Reader(switch, topic, **{"enable.auto.commit": False})
    reader.consumer.commit(offsets=[TopicPartition(topic, 1, 0)], asynchronous=False)
    switch.until_attested(switch.write(consumers="hold"), reader.step)
    assert switch.read_status()["routes"]["r"]["committed"] == {topic: {"1": 0}}
    until(lambda: f"no committed offset in 3 of 4 partitions ({topic} [0] first)" in switch.error(), reader.step)
    assert "no committed offset in 3 of 4" in caplog.text
    reader.consumer.close()


def test_with_reset_to_earliest_no_start_is_committed(switch: Switch, topic: str) -> None:
    reader = Reader(switch, topic, **{"auto.offset.reset": "earliest"})
    switch.until_attested(switch.write(consumers="hold"), reader.step)
    assert (switch.read_status()["routes"]["r"]["committed"], switch.error()) == ({}, "")
    reader.consumer.close()


@pytest.mark.parametrize(("reset", "at_end"), [("latest", True), ("END", True), ("earliest", False), ("error", False)])
def test_auto_offset_reset_is_read_as_the_client_reads_it(reset: str, at_end: bool) -> None:
    assert starts_at_end({"auto.offset.reset": reset}) is at_end
    assert starts_at_end({})


def from_a_database(consumer: Any, partitions: list[TopicPartition]) -> None:
    for each in partitions:
        each.offset = 7
    consumer.assign(partitions)


def test_an_application_with_offsets_of_its_own_stays_and_reports_why(switch: Switch, topic: str) -> None:
    put(switch.source, topic, 0, *map(str, range(10)))
    reader = Reader(switch, topic, from_a_database, **{"group.protocol": "classic"})
    until(lambda: reader.got == ["7", "8", "9"], reader.step)
    switch.write(consumers="hold")
    until(lambda: "an offset of its own" in str(switch.read_status()["rejected"]), reader.step)
    switch.write(consumers="target")
    put(switch.source, topic, 0, "10")
    until(lambda: reader.got[-1] == "10", reader.step)
    assert reader.consumer.cutover_cluster() == "source"
    reader.consumer.close()


def test_it_moves_if_it_keeps_the_clusters_offsets_apart(switch: Switch, topic: str) -> None:
    put(switch.source, topic, 0, *map(str, range(10)))
    put(switch.target, topic, 0, *(f"t{n}" for n in range(9)))
    more = {"group.protocol": "classic", "cutover.own.offsets": True}
    reader = Reader(switch, topic, from_a_database, **more)
    switch.until_attested(switch.write(consumers="target"), reader.step)
    until(lambda: reader.got[-2:] == ["t7", "t8"], reader.step)
    reader.consumer.close()


def test_offsets_from_this_cluster_are_no_offsets_of_its_own(switch: Switch, topic: str) -> None:
    put(switch.source, topic, 0, *map(str, range(10)))

    def the_last_two(consumer: Any, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            each.offset = max(0, consumer.get_watermark_offsets(each, timeout=10)[1] - 2)
        consumer.assign(partitions)

    reader = Reader(switch, topic, the_last_two, **{"group.protocol": "classic"})
    until(lambda: reader.got == ["8", "9"], reader.step)
    switch.until_attested(switch.write(consumers="target"), reader.step)
    reader.consumer.close()


def test_a_seek_to_an_offset_of_the_cluster_that_was_left_is_refused(switch: Switch, topic: str) -> None:
    put(switch.target, topic, 0, *map(str, range(10)))
    reader = Reader(switch, topic, **{"auto.offset.reset": "earliest"})
    switch.until_attested(switch.write(consumers="target"), reader.step)
    until(lambda: len(reader.got) == 10, reader.step)
    with pytest.raises(KafkaException, match="of the cluster that was left"):
        reader.consumer.seek(TopicPartition(topic, 0, 4711))
    reader.consumer.seek(TopicPartition(topic, 0, 8))  # what was read here is ours
    until(lambda: reader.got[10:] == ["8", "9"], reader.step)
    reader.consumer.close()


def test_a_committed_offset_that_could_not_be_read_is_named_and_nothing_is_committed_over_it() -> None:
    positions = Positions()
    positions.starts = {("t", 0): 5, ("t", 1): 5}
    failed = SimpleNamespace(topic="t", partition=0, offset=-1001, error=KafkaError(KafkaError.NOT_COORDINATOR))
    known, unknown = positions.uncommitted(
        [cast("TopicPartition", failed), TopicPartition("t", 1), TopicPartition("t", 2, 7)]
    )
    assert [(p.topic, p.partition, p.offset) for p in known] == [("t", 1, 5)]
    assert unknown == [failed]


def moved(switch: Switch, topic: str, **conf: Any) -> Any:
    """Return a consumer that was switched to the target and has read nothing there yet."""
    put(switch.target, topic, 0, *map(str, range(10)))
    base = {"group.id": f"g-{topic}", "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer(switch.conf(**base, **conf))
    consumer.assign([TopicPartition(topic, 3)])  # of four, with nothing in it
    switch.until_attested(switch.write(consumers="target"), lambda: consumer.poll(0.05))
    return consumer


def refused(call: Any) -> bool:
    """Whether a call is refused as one with an offset of the cluster that was left."""
    try:
        call()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.ILLEGAL_GENERATION:
            raise
        return True
    return False


def test_an_offset_beyond_the_applications_own_start_is_not_committed(switch: Switch, topic: str) -> None:
    consumer = moved(switch, topic, **{"cutover.own.offsets": True})
    consumer.assign([TopicPartition(topic, 0, 7)])
    beyond, own = TopicPartition(topic, 0, 4711), TopicPartition(topic, 0, 7)
    assert refused(lambda: consumer.commit(offsets=[beyond], asynchronous=False))
    assert refused(lambda: consumer.store_offsets(offsets=[beyond]))
    assert consumer.commit(offsets=[own], asynchronous=False)[0].offset == 7
    consumer.close()


def test_before_anything_was_read_only_offsets_of_this_cluster_are_committed(switch: Switch, topic: str) -> None:
    consumer = moved(switch, topic)
    zero = TopicPartition(topic, 0)

    def commit(offset: int) -> Any:
        return consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)

    assert not refused(lambda: commit(0))
    assert refused(lambda: commit(1))
    end = consumer.get_watermark_offsets(zero, timeout=10)[1]
    assert refused(lambda: commit(end - 1))
    assert commit(end)[0].offset == 10
    assert not refused(lambda: commit(4)), "at or before what the group has committed here"
    consumer.close()


@pytest.mark.parametrize("how", ["assign", "incremental_assign", "seek"])
def test_reading_does_not_start_at_an_offset_of_the_cluster_that_was_left(switch: Switch, topic: str, how: str) -> None:
    consumer = moved(switch, topic)
    start = TopicPartition(topic, 0, 7)
    if how == "seek":
        consumer.assign([TopicPartition(topic, 0)])
    begin = getattr(consumer, how)
    assert refused(lambda: begin(start if how == "seek" else [start]))
    consumer.get_watermark_offsets(start, timeout=10)  # the application asks this cluster: 7 may come from the answer
    until(lambda: not refused(lambda: begin(start if how == "seek" else [start])))
    got: list[str] = []

    def step() -> None:
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            got.append(message.value().decode())

    until(lambda: got[-3:] == ["7", "8", "9"], step)
    consumer.close()
