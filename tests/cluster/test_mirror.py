"""MirrorMaker 2 between real brokers: what arrives, and whether lag, drain and progress say what is true."""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from cutover_harness.admin import Admin
from cutover_harness.mirror import Batch, Mirror, MirrorError, MirrorSpec
from cutover_harness.mirror.log_reader import LogReader, Record, partitions
from cutover_harness.testbed import ProcessTestbed

from tests import waiting
from tests.cluster.traffic import mirror_spec

eventually = partial(waiting.eventually, seconds=40)


MakeMirror = Callable[..., Mirror]


def make(bed: ProcessTestbed) -> Iterator[MakeMirror]:
    made: list[Mirror] = []

    def create(
        batch: str, topics: list[str], groups: list[str] | None = None, exclude: list[str] | None = None
    ) -> Mirror:
        mirror = Mirror(mirror_spec(bed, Batch(batch, tuple(topics), tuple(groups or ()), tuple(exclude or ()))))
        made.append(mirror)
        return mirror

    yield create
    for mirror in made:
        mirror.delete()
        mirror.close()


@pytest.fixture
def mirrored(testbed: ProcessTestbed) -> Iterator[MakeMirror]:
    yield from make(testbed)


@pytest.fixture(scope="module")
def exactly_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessTestbed]:
    with ProcessTestbed(tmp_path_factory.mktemp("exactly-once"), exactly_once=True) as bed:
        yield bed


@pytest.fixture
def mirrored_once(exactly_once: ProcessTestbed) -> Iterator[MakeMirror]:
    yield from make(exactly_once)


def produce(config: Mapping[str, str], topic: str, count: int, first: int = 0) -> None:
    """Records with an own key, value, binary header and an old timestamp each."""
    producer = Producer({**config})
    for n in range(first, first + count):
        headers: Any = [("cutover-id", n.to_bytes(24, "big")), ("empty", b""), ("none", None), ("text", "ü".encode())]
        producer.produce(
            topic, b"value-%d" % n, key=b"key-%d" % (n % 50), headers=headers, timestamp=1_600_000_000_000 + n
        )
    assert producer.flush(30) == 0


def log(config: Mapping[str, str], topic: str) -> dict[int, list[Record]]:
    reader = LogReader(config, "read")
    counts = Admin(config).partitions([topic])
    records = reader.read(dict.fromkeys(partitions(counts), 0))
    reader.close()
    return {partition: found for (_, partition), found in records.items()}


def same(first: dict[int, list[Record]], second: dict[int, list[Record]]) -> bool:
    return first.keys() == second.keys() and all(
        len(first[n]) == len(second[n]) and all(a.same_as(b) for a, b in zip(first[n], second[n], strict=True))
        for n in first
    )


def is_drained(mirror: Mirror) -> bool:
    return mirror.drained()[0]


def copy_arrives_intact(bed: ProcessTestbed, mirror: Mirror, topic: str) -> None:
    source, target = bed.source.client_config(), bed.target.client_config()
    Admin(source).create_topics({topic: 3})
    assert mirror.drained() == (False, f"{mirror.batch.source_connector} does not exist, or Connect is still starting")
    produce(source, topic, 1000)
    assert mirror.lag().total == 1000
    assert not is_drained(mirror)
    mirror.create()
    assert eventually(lambda: not mirror.running())
    assert eventually(lambda: is_drained(mirror)), mirror.drained()
    assert mirror.lag().total == 0
    sent, arrived = log(source, topic), log(target, topic)
    assert sum(map(len, sent.values())) == 1000
    assert same(sent, arrived)
    first = next(record for record in arrived[0] if record.headers)
    assert dict(first.headers)["none"] is None
    assert first.timestamp is not None
    assert first.timestamp < 1_600_000_001_000


def test_records_arrive_intact(testbed: ProcessTestbed, mirrored: MakeMirror) -> None:
    copy_arrives_intact(testbed, mirrored("intact", ["intact"]), "intact")


def test_records_arrive_intact_exactly_once(exactly_once: ProcessTestbed, mirrored_once: MakeMirror) -> None:
    copy_arrives_intact(exactly_once, mirrored_once("intact", ["intact"]), "intact")
    target = exactly_once.target.client_config()
    ends = Admin(target).end_offsets(["intact"])
    assert sum(ends.values()) > 1000, "markers of transactions count on the target, so the test covers them"


def lag_counts(bed: ProcessTestbed, mirror: Mirror, topic: str) -> None:
    source = bed.source.client_config()
    Admin(source).create_topics({topic: 2, f"{topic}-empty": 1})
    mirror.create()
    produce(source, topic, 100)
    assert eventually(lambda: is_drained(mirror)), mirror.drained()
    mirror.pause()
    assert mirror.running()
    for step in range(1, 4):
        produce(source, topic, 77, first=100 * step)
        assert mirror.lag().total == 77 * step
        drained, why = mirror.drained()
        assert not drained
        assert f"{topic}-0" in why
    assert mirror.lag().records[f"{topic}-empty", 0] == 0
    mirror.resume()
    assert eventually(lambda: is_drained(mirror)), mirror.drained()
    assert mirror.lag().total == 0
    assert not mirror.running()


def test_lag_is_counted_exactly(testbed: ProcessTestbed, mirrored: MakeMirror) -> None:
    lag_counts(testbed, mirrored("lag", ["lag*"]), "lag")


def test_lag_is_counted_exactly_exactly_once(exactly_once: ProcessTestbed, mirrored_once: MakeMirror) -> None:
    lag_counts(exactly_once, mirrored_once("lag", ["lag*"]), "lag")


def test_records_that_repeat_are_no_proof(testbed: ProcessTestbed, mirrored: MakeMirror) -> None:
    """The last record of the target equals the source's, and yet two of its like are missing."""
    source = testbed.source.client_config()
    Admin(source).create_topics({"alike": 1})
    mirror = mirrored("alike", ["alike"])
    mirror.create()
    producer = Producer({**source})

    def same_record(count: int) -> None:
        for _ in range(count):
            producer.produce("alike", b"same", key=b"same", timestamp=1_700_000_000_000)
        assert producer.flush(20) == 0

    same_record(3)
    assert eventually(lambda: is_drained(mirror)), mirror.drained()
    mirror.pause()
    same_record(2)
    for _ in range(10):
        assert not is_drained(mirror)
        time.sleep(0.1)
    assert 1 <= mirror.lag().total <= 5
    mirror.resume()
    assert eventually(lambda: is_drained(mirror)), mirror.drained()
    assert "1 partition, 5 records compared on both sides, 0 missing" in mirror.drained()[1]


def test_aborted_and_open_transactions(testbed: ProcessTestbed, mirrored: MakeMirror) -> None:
    """Aborted records never arrive and are not waited for, though they are the last of the source's log."""
    source, target = testbed.source.client_config(), testbed.target.client_config()
    Admin(source).create_topics({"transactions": 1})
    mirror = mirrored("transactions", ["transactions"])
    mirror.create()
    producer = Producer({**source, "transactional.id": "mirror-test"})
    producer.init_transactions(20)
    for number, commit in enumerate([True, False, True, False, False]):
        producer.begin_transaction()
        for n in range(30):
            producer.produce("transactions", f"{number}-{n}".encode())
        producer.flush(20)
        if commit:
            producer.commit_transaction(20)
        else:
            producer.abort_transaction(20)
    assert eventually(lambda: is_drained(mirror)), mirror.drained()
    assert mirror.lag().total == 0
    arrived = [record.value for record in log(target, "transactions")[0]]
    assert arrived == [f"{number}-{n}".encode() for number in (0, 2) for n in range(30)]


def test_group_progress(testbed: ProcessTestbed, mirrored: MakeMirror) -> None:
    source, target = testbed.source.client_config(), testbed.target.client_config()
    Admin(source).create_topics({"progress": 3, "progress-other": 1})
    mirror = mirrored("progress", ["progress"], ["progress-group"])
    mirror.create()
    produce(source, "progress", 500)
    assert mirror.group_progress("progress-group") == []
    consumer = Consumer({**source, "group.id": "progress-group", "auto.offset.reset": "earliest"})
    consumer.subscribe(["progress"])
    read = 0
    while read < 500:
        read += sum(message.error() is None for message in consumer.consume(500, 1))
    consumer.commit(asynchronous=False)
    consumer.close()
    assert eventually(lambda: is_drained(mirror)), mirror.drained()
    rows = mirror.group_progress("progress-group")
    assert [(row.topic, row.partition) for row in rows] == [("progress", n) for n in range(3)]
    assert sum(row.source_committed for row in rows) == 500

    def synchronised() -> bool:
        return all(row.synchronised for row in mirror.group_progress("progress-group"))

    assert eventually(synchronised), mirror.group_progress("progress-group")
    committed = Admin(target).committed("progress-group")
    assert committed == {(row.topic, row.partition): row.source_committed for row in rows}
    for row in mirror.group_progress("progress-group"):
        assert row.checkpoint_upstream == row.source_committed
        assert row.checkpoint_downstream == row.target_committed
    # What the group commits later is progress that is not there yet, and other groups have none.
    mirror.pause()
    produce(source, "progress", 100, first=500)
    Admin(source).set_committed("progress-group", Admin(source).end_offsets(["progress"]))
    assert not synchronised()
    assert mirror.group_progress("progress-nobody") == []
    assert {sync.topic for sync in mirror.offset_syncs()} == {"progress"}


def test_mirroring_continues_after_a_kill_of_the_worker(testbed: ProcessTestbed, mirrored: MakeMirror) -> None:
    source, target = testbed.source.client_config(), testbed.target.client_config()
    Admin(source).create_topics({"killed": 2})
    mirror = mirrored("killed", ["killed"])
    mirror.create()
    produce(source, "killed", 200)
    assert eventually(lambda: is_drained(mirror)), mirror.drained()
    testbed.worker.kill()
    assert mirror.running(), "a worker that is gone does not run"
    produce(source, "killed", 300, first=200)
    assert mirror.lag().total == 300
    testbed.worker.restart()
    assert eventually(lambda: is_drained(mirror)), mirror.drained()
    assert eventually(lambda: not mirror.running())
    assert mirror.lag().total == 0
    for number, sent in log(source, "killed").items():
        arrived = [record.value for record in log(target, "killed")[number]]
        assert list(dict.fromkeys(arrived)) == [record.value for record in sent], "all, in order, repeats aside"


def test_a_cluster_that_does_not_answer(testbed: ProcessTestbed, mirrored: MakeMirror) -> None:
    source = testbed.source.client_config()
    Admin(source).create_topics({"away": 1})
    mirror = mirrored("away", ["away"])
    mirror.create()
    produce(source, "away", 50)
    assert eventually(lambda: is_drained(mirror)), mirror.drained()
    testbed.target.freeze()
    produce(source, "away", 10, first=50)
    assert 10 <= mirror.lag().total <= 60
    drained, why = mirror.drained()
    assert not drained
    assert "target cluster" in why
    testbed.target.thaw()
    testbed.source.freeze()
    with pytest.raises(MirrorError, match="source cluster"):
        mirror.lag()
    assert "source cluster" in mirror.drained()[1]
    testbed.source.thaw()
    assert eventually(lambda: is_drained(mirror)), mirror.drained()


def test_topics_and_partitions_that_come_later(testbed: ProcessTestbed, mirrored: MakeMirror) -> None:
    source, target = testbed.source.client_config(), testbed.target.client_config()
    mirror = mirrored("later", ["later-*"], exclude=["later-not-?"])
    mirror.create()
    assert eventually(lambda: not mirror.running()), "without a topic there is nothing to wait for"
    Admin(source).create_topics({"later-a": 1, "later-not-b": 1, "unlike": 1})
    for topic in ("later-a", "later-not-b", "unlike"):
        produce(source, topic, 10)
    assert mirror.lag().records.keys() == {("later-a", 0)}
    assert eventually(lambda: is_drained(mirror)), mirror.drained()
    assert Admin(target).partitions(["later-a", "later-not-b", "unlike"]) == {"later-a": 1}


def test_a_recreated_batch_resumes_at_its_offsets(testbed: ProcessTestbed, mirrored: MakeMirror) -> None:
    source, target = testbed.source.client_config(), testbed.target.client_config()
    Admin(source).create_topics({"again": 1})
    mirror = mirrored("again", ["again"])
    mirror.create()
    produce(source, "again", 100)
    assert eventually(lambda: is_drained(mirror)), mirror.drained()
    mirror.delete()
    assert all("does not exist" in each for each in mirror.running())
    mirror.delete()
    produce(source, "again", 100, first=100)
    assert mirror.lag().total == 100
    mirror.create()
    assert eventually(lambda: is_drained(mirror)), mirror.drained()
    assert same(log(source, "again"), log(target, "again"))


def test_a_refusal_by_connect_is_one_line(testbed: ProcessTestbed, monkeypatch: pytest.MonkeyPatch) -> None:
    config = testbed.source.client_config()
    with Mirror(MirrorSpec(Batch("refused", ("x",), ()), testbed.connect_url, config, config)) as mirror:
        wrong = {name: {**found, "tasks.max": "none"} for name, found in mirror.connectors.configs.items()}
        monkeypatch.setattr(mirror.connectors, "_configure", lambda *_: wrong)
        with pytest.raises(MirrorError, match=r"Connect at http://127.*answered 400") as caught:
            mirror.create()
        assert "\n" not in str(caught.value)
        assert "tasks.max" in str(caught.value), "what is refused is behind the first line"


def test_a_connect_that_is_not_there(tmp_path: Path, testbed: ProcessTestbed) -> None:
    config = testbed.source.client_config()
    with Mirror(MirrorSpec(Batch("nowhere", ("x",), ()), "http://127.0.0.1:1", config, config)) as mirror:
        mirror._reverse_connect.patience_s = 0.3
        with pytest.raises(MirrorError, match=r"Connect at http://127\.0\.0\.1:1 does not answer"):
            mirror.create()
        assert "does not answer" in mirror.running()[0]
