"""One document for a cutover file and for the control topics of both clusters, on real brokers that are killed."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import Producer
from cutover_harness.admin import Admin
from cutover_harness.channels.base import OvertakenError
from cutover_harness.channels.names import parse_channels
from cutover_harness.channels.topic import TopicWriter
from cutover_harness.conductor.cutover_file_writer import CutoverFileWriter, RouteLocations
from cutover_harness.errors import UsageError
from cutover_harness.testbed import ProcessTestbed
from cutover_shim.kafka_channel import KEY
from cutover_shim.signature import sign

from tests.waiting import wait_until

SECRET = "0123456789abcdef0123456789abcdef"


class Fleet:
    """A cutover file and the control topics of both clusters, under a name of their own."""

    def __init__(self, testbed: ProcessTestbed, folder: Path) -> None:
        self.testbed, self.path = testbed, folder / "cutover.toml"
        self.topic = f"control-{uuid.uuid4().hex[:8]}"
        self.clusters = {"source": testbed.source.client_config(), "target": testbed.target.client_config()}
        (folder / "key").write_text(SECRET, encoding="utf-8")
        self.key = f"${{file:{folder / 'key'}}}"
        self._open: list[CutoverFileWriter] = []

    def new(self) -> CutoverFileWriter:
        routes = {"r": RouteLocations(["t"], ["g"])}
        self._open.append(CutoverFileWriter(self.path, self.clusters, routes, [f"kafka:{self.topic}"], self.key))
        self._open[-1].write()
        return self._open[-1]

    def open(self) -> CutoverFileWriter:
        self._open.append(CutoverFileWriter.open(self.path, [f"kafka:{self.topic}"], self.key))
        return self._open[-1]

    def newest(self) -> dict[str, str | None]:
        """Return the newest record of both control topics, and the file's content."""
        found: dict[str, str | None] = {"file": self.path.read_text(encoding="utf-8")}
        for name in parse_channels(f"kafka:{self.topic}"):
            cluster = str(name).rpartition("@")[2]
            with closing(TopicWriter(name, self.clusters[cluster], keys=[SECRET.encode()])) as topic:  # type: ignore[arg-type]
                topic.read()
                found[cluster] = topic.newest
        return found

    def signed(self, writer: CutoverFileWriter, generation: int) -> str:
        return sign(writer.document(generation).encode(), SECRET.encode()).decode()

    def append(self, value: str, cluster: str = "source") -> None:
        producer = Producer(self.clusters[cluster])
        producer.produce(self.topic, key=KEY, value=value)
        assert producer.flush(20) == 0

    def close(self) -> None:
        for writer in self._open:
            writer.close()


@pytest.fixture
def fleet(testbed: ProcessTestbed, tmp_path: Path) -> Iterator[Fleet]:
    with closing(Fleet(testbed, tmp_path)) as found:
        yield found


def test_file_and_topics_get_the_same_bytes(fleet: Fleet) -> None:
    writer = fleet.new()
    assert writer.point("r", consumers="hold") == 2
    assert set(fleet.newest().values()) == {fleet.signed(writer, 2)}
    assert writer.behind() == []
    assert sorted(writer.publisher.told()) == [
        f"file:{fleet.path}", f"kafka:{fleet.topic}@source", f"kafka:{fleet.topic}@target",
    ]  # fmt: skip


def test_a_writer_killed_between_file_and_topics_is_completed(fleet: Fleet) -> None:
    killed = fleet.new()
    with closing(CutoverFileWriter.open(fleet.path, (), fleet.key)) as file_only:  # the file got it, no topic did
        file_only.point("r", consumers="hold")
    killed.close()
    after = fleet.open()
    assert (after.generation, after.routes["r"].consumers) == (2, "hold")
    assert set(fleet.newest().values()) == {fleet.signed(after, 2)}


def test_a_writer_killed_between_topics_and_file_is_completed(fleet: Fleet) -> None:
    first = fleet.new()
    old = fleet.path.read_bytes()
    first.point("r", consumers="hold")
    first.close()
    fleet.path.write_bytes(old)
    fleet.path.with_name(".cutover.toml.last").unlink()
    after = fleet.open()
    assert (after.generation, after.routes["r"].consumers) == (2, "hold")
    assert set(fleet.newest().values()) == {fleet.signed(after, 2)}


def test_another_writers_document_in_one_topic_stops_the_writer(fleet: Fleet) -> None:
    first, second = fleet.new(), fleet.open()
    second.point("r", consumers="hold")
    before = fleet.newest()
    fleet.path.write_bytes(fleet.path.read_bytes().replace(b"\n", b"\n\n", 1))  # the file alone would not show it
    with pytest.raises(OvertakenError, match="generation 2 is there, and this writer's last one is 1"):
        first.point("r", consumers="target")
    assert {name: text for name, text in fleet.newest().items() if name != "file"} == {
        name: text for name, text in before.items() if name != "file"
    }


def test_forged_documents_do_not_stop_the_writer_and_do_not_stay_the_newest(fleet: Fleet) -> None:
    writer = fleet.new()
    for forged in (writer.document(9), sign(writer.document(9).encode(), b"x" * 32).decode(), "generation = ["):
        fleet.append(forged)
        generation = writer.generation + 1
        assert writer.point("r", consumers="hold" if generation % 2 == 0 else "source") == generation
        assert set(fleet.newest().values()) == {fleet.signed(writer, generation)}
    fleet.append(writer.document(9), "target")
    assert fleet.open().generation == writer.generation, "without a newer document the forged one is only overwritten"
    assert set(fleet.newest().values()) == {fleet.signed(writer, writer.generation)}


def test_a_broker_that_is_down_delays_its_own_channel_only(fleet: Fleet) -> None:
    writer, target = fleet.new(), f"kafka:{fleet.topic}@target"
    fleet.testbed.target.kill()
    try:
        assert writer.point("r", consumers="hold") == 2
        assert writer.point("r", producers="hold") == 3
        assert target not in writer.publisher.told()
        behind = writer.behind()
        assert len(behind) == 1
        assert behind[0].startswith(f"{target}: ")
        after = fleet.open()  # a conductor that resumes meanwhile does not wait for it either
        assert after.generation == 3
        after.close()
    finally:
        fleet.testbed.target.restart()
    assert wait_until(lambda: not writer.behind(), seconds=60)
    assert set(fleet.newest().values()) == {fleet.signed(writer, 3)}
    assert target in writer.publisher.told()


def test_a_broker_killed_in_the_middle_of_a_publish_gets_the_document_once_it_is_back(fleet: Fleet) -> None:
    writer = fleet.new()
    fleet.testbed.source.freeze()  # connections stay open: the write is on its way
    killer = threading.Timer(1.0, fleet.testbed.source.kill)
    killer.start()
    try:
        assert writer.point("r", consumers="hold") == 2
        assert [each.split(": ")[0] for each in writer.behind()] == [f"kafka:{fleet.topic}@source"]
        found = TopicWriter(parse_channels(f"kafka:{fleet.topic}@target")[0], fleet.clusters["target"])  # type: ignore[arg-type]
        with closing(found):
            assert found.read() == fleet.signed(writer, 2)
    finally:
        killer.join()
        fleet.testbed.source.restart()
    assert wait_until(lambda: not writer.behind(), seconds=60)
    assert set(fleet.newest().values()) == {fleet.signed(writer, 2)}
    assert writer.point("r", consumers="target") == 3
    assert set(fleet.newest().values()) == {fleet.signed(writer, 3)}


def test_if_the_file_is_lost_and_brokers_are_away_nothing_is_guessed(fleet: Fleet) -> None:
    fleet.new().close()
    fleet.path.unlink()
    fleet.path.with_name(".cutover.toml.last").unlink()
    with pytest.raises(UsageError, match="No such file or directory, and there is no copy of it"):
        fleet.open()  # the addresses of the topics are in the file


def test_topics_of_both_clusters_are_created_compacted(fleet: Fleet) -> None:
    fleet.new()
    for config in fleet.clusters.values():
        admin = Admin(config)
        found = admin.describe_topic(fleet.topic)
        assert found is not None
        assert found[1] == 1
        assert admin.topic_configs([fleet.topic])[fleet.topic]["cleanup.policy"] == "compact"
