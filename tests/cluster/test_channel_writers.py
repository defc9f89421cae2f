"""The control topic as its writers use it, on real brokers: what is refused, what another writer does, what compaction
needs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest
from confluent_kafka import Producer
from cutover_harness.admin import Admin
from cutover_harness.channels.base import ChannelError, OvertakenError
from cutover_harness.channels.names import TopicName
from cutover_harness.channels.topic import TopicWriter
from cutover_harness.testbed import ProcessTestbed
from cutover_shim.kafka_channel import KEY
from cutover_shim.signature import sign

SECRET, OTHER = b"k" * 32, b"o" * 32


def document(generation: int, what: str = "x") -> str:
    return f"generation = {generation}\n# {what}\n"


def signed(generation: int, what: str = "x", key: bytes = SECRET) -> str:
    return sign(document(generation, what).encode(), key).decode()


class Topic:
    """A control topic of a name of its own, and what others append to it."""

    def __init__(self, config: dict[str, str]) -> None:
        self.config = config
        self.name = TopicName(f"control-{uuid.uuid4().hex[:8]}", "source")
        self._writers: list[TopicWriter] = []

    def writer(self, *keys: bytes, create: bool = True) -> TopicWriter:
        self._writers.append(TopicWriter(self.name, self.config, keys=keys, create=create))
        return self._writers[-1]

    def append(self, *values: str | bytes | None, key: bytes = KEY) -> None:
        producer = Producer(self.config)
        for value in values:
            producer.produce(self.name.topic, key=key, value=value)
        assert producer.flush(20) == 0

    def newest(self) -> str | None:
        with closing(TopicWriter(self.name, self.config, keys=[SECRET])) as reader:
            reader.read()
            return reader.newest

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


@pytest.fixture
def topic(testbed: ProcessTestbed) -> Iterator[Topic]:
    with closing(Topic(testbed.source.client_config())) as found:
        yield found


def test_a_missing_topic_is_created_compacted_and_with_one_partition(topic: Topic) -> None:
    writer = topic.writer()
    assert writer.read() is None
    admin = Admin(topic.config)
    assert admin.describe_topic(topic.name.topic) is None, "reading creates nothing"
    writer.write(document(1), replaces=None)
    found = admin.describe_topic(topic.name.topic)
    assert found is not None
    assert found[1] == 1
    assert admin.topic_configs([topic.name.topic])[topic.name.topic]["cleanup.policy"] == "compact"
    assert (writer.read(), topic.writer().read()) == (document(1), document(1))
    writer.write(document(2), replaces=document(1))
    assert topic.writer().read() == document(2)
    assert admin.end_offsets([topic.name.topic]) == {(topic.name.topic, 0): 2}
    writer.write(document(2), replaces=document(1))
    assert admin.end_offsets([topic.name.topic]) == {(topic.name.topic, 0): 2}, "it is there already"


def test_a_missing_topic_is_named_if_it_must_not_be_created(topic: Topic) -> None:
    writer = topic.writer(create=False)
    for ask in (writer.read, lambda: writer.write(document(1), replaces=None)):
        with pytest.raises(ChannelError, match=f"{topic.name}: the topic does not exist: create it") as refused:
            ask()
        assert refused.value.final
    assert Admin(topic.config).describe_topic(topic.name.topic) is None


@pytest.mark.parametrize(
    ("partitions", "policy", "why"),
    [
        (2, "compact", "has 2 partitions, and a control topic has one"),
        (1, "delete", "has cleanup.policy=delete, .* set cleanup.policy=compact"),
        (1, "compact,delete", "has cleanup.policy=compact,delete"),
    ],
)
def test_a_topic_that_cannot_be_a_control_topic_is_refused(
    topic: Topic, partitions: int, policy: str, why: str
) -> None:
    admin = Admin(topic.config)
    admin.create_topics({topic.name.topic: partitions}, {"cleanup.policy": policy})
    writer = topic.writer()
    for ask in (writer.read, lambda: writer.write(document(1), replaces=None)):
        with pytest.raises(ChannelError, match=why) as refused:
            ask()
        assert refused.value.final
    assert sum(admin.end_offsets([topic.name.topic]).values()) == 0
    if partitions == 1:  # as soon as it is right it is accepted
        admin.set_topic_config(topic.name.topic, {"cleanup.policy": "compact"})
        writer.write(document(1), replaces=None)
        assert writer.read() == document(1)


def test_another_writers_document_is_not_overwritten(topic: Topic) -> None:
    first, second = topic.writer(), topic.writer()
    first.write(document(1), replaces=None)
    assert second.read() == document(1)
    second.write(document(2, "second"), replaces=document(1))
    with pytest.raises(OvertakenError, match="its content has changed since it was read"):
        first.write(document(2, "first"), replaces=document(1))
    assert topic.newest() == document(2, "second")


def test_of_two_writers_at_the_same_moment_the_first_in_the_log_wins(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = topic.writer(), topic.writer()
    first.write(document(1), replaces=None)
    append = first._append

    def late(text: str) -> int:
        monkeypatch.setattr(first, "_append", append)
        second.write(document(2, "second"), replaces=document(1))
        return append(text)

    monkeypatch.setattr(first, "_append", late)
    with pytest.raises(OvertakenError, match="another writer's document arrived first, and was restored"):
        first.write(document(2, "first"), replaces=document(1))
    assert first.read() == second.read() == topic.writer().read() == document(2, "second")
    assert topic.newest() == document(2, "second"), "the newest record is what compaction leaves"


def test_an_older_document_in_the_way_does_not_win(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = topic.writer(SECRET)
    writer.write(signed(5), replaces=None)
    append = writer._append

    def late(text: str) -> int:
        topic.append(signed(3), signed(9, key=OTHER), document(9))
        return append(text)

    monkeypatch.setattr(writer, "_append", late)
    writer.write(signed(6), replaces=signed(5))
    assert (writer.read(), topic.newest()) == (signed(6), signed(6))


def test_what_applications_refuse_hides_no_document_and_is_overwritten(topic: Topic) -> None:
    """Forged, torn, binary, huge, old and deleted documents, and records with other keys."""
    writer = topic.writer(SECRET)
    writer.write(signed(5), replaces=None)
    junk = [document(9), signed(9, key=OTHER), signed(9)[:-2], b"\xff\x00", b"x" * 900_000, b"", signed(3), None]
    for value in junk:
        topic.append(value)
        assert topic.writer(SECRET).read() == signed(5), value
    topic.append(signed(9), key=b"status")
    assert writer.read() == signed(5)
    writer.write(signed(6), replaces=signed(5))
    assert topic.newest() == signed(6)
    topic.append(document(9))
    writer.write(signed(6), replaces=signed(6))  # restored, so that compaction does not leave the forged one
    assert topic.newest() == signed(6)


def test_junk_alone_is_replaced(topic: Topic) -> None:
    writer = topic.writer(SECRET)
    writer.write(signed(1), replaces=None)
    fresh = topic.writer(OTHER)
    assert fresh.read() == signed(1)
    fresh.write(signed(1, key=OTHER), replaces=signed(1))
    assert fresh.read() == signed(1, key=OTHER)


def test_a_topic_that_was_recreated_is_read_from_its_start(topic: Topic) -> None:
    writer, admin = topic.writer(), Admin(topic.config)
    for generation in (1, 2, 3):
        writer.write(document(generation), replaces=document(generation - 1) if generation > 1 else None)
    admin.delete_topics([topic.name.topic])
    assert writer.read() == document(3), "what it has contained is still in force"
    admin.create_topics({topic.name.topic: 1}, {"cleanup.policy": "compact"})
    assert writer.read() is None
    writer.write(document(3), replaces=None)
    assert topic.writer().read() == document(3)


def test_a_document_that_the_topic_cannot_take_is_refused_for_good(topic: Topic) -> None:
    writer = topic.writer()
    writer.write(document(1), replaces=None)
    Admin(topic.config).set_topic_config(topic.name.topic, {"max.message.bytes": "1000"})
    with pytest.raises(ChannelError, match=f"{topic.name}: .*size") as refused:
        writer.write(document(2, "y" * 5000), replaces=document(1))
    assert refused.value.final
    assert writer.read() == document(1)


def test_an_address_where_nobody_answers_is_one_line(topic: Topic) -> None:
    with closing(TopicWriter(topic.name, {"bootstrap.servers": "127.0.0.1:9", "sasl.password": "hunter-two"})) as away:
        for ask in (away.read, lambda: away.write(document(1), replaces=None)):
            with pytest.raises(ChannelError, match=f"{topic.name}: ") as refused:
                ask()
            assert not refused.value.final
            assert "\n" not in str(refused.value)
