"""`preflight PLAN --measure-spread` over the control topic on real brokers: who sees a document, and who never does."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import Producer
from cutover_harness.admin import Admin
from cutover_harness.channels.names import parse_channels
from cutover_harness.channels.topic import TopicWriter
from cutover_harness.testbed import ProcessTestbed
from cutover_shim.kafka_channel import KEY as RECORD_KEY

from tests.cluster.spread import KEY, Scene, spread
from tests.unit.conductor.run_folder import Cli, command_line


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    with command_line(monkeypatch, capsys) as call:
        yield call


def newest(scene: Scene, control: str) -> dict[str, str | None]:
    """Return the newest document of both control topics."""
    found: dict[str, str | None] = {}
    for name in parse_channels([f"kafka:{control}"]):
        cluster = str(name).rpartition("@")[2]
        with closing(TopicWriter(name, scene.clusters[cluster], keys=[KEY.encode()])) as topic:  # type: ignore[arg-type]
            topic.read()
            found[cluster] = topic.newest
    return found


def test_the_control_topic_reaches_its_clients_and_no_others(testbed: ProcessTestbed, tmp_path: Path, cli: Cli) -> None:
    scene = Scene(testbed, tmp_path, f"spread-{uuid.uuid4().hex[:8]}")
    control = f"{scene.name}-control"
    for config in scene.clusters.values():
        Admin(config).create_topics({control: 1}, {"cleanup.policy": "compact"})
        producer = Producer(config)
        producer.produce(control, scene.document(1).encode(), RECORD_KEY)
        assert producer.flush(30) == 0
    (tmp_path / "cutover.toml").write_text(scene.document(1))
    plan = scene.plan([{"kafka": control}])
    by_topic = {"cutover.channel": f"kafka:{control}"}
    with scene.clients(sender=by_topic, reader=by_topic):
        scene.wait_for(cli, "sender", "reader")
        (finding,) = spread(cli, plan)
        assert finding["severity"] == "note"
        assert finding["subject"] == "generation 2"
        assert finding["reason"].startswith("reached 2 clients")
        assert newest(scene, control) == dict.fromkeys(scene.clusters, scene.document(2)), "nothing else has changed"
        # As negative control a client that the plan's channel does not reach.
        with scene.clients(apart={"cutover.file": str(tmp_path / "cutover.toml")}):
            scene.wait_for(cli, "apart")
            found = spread(cli, plan, "--spread-within", "3")
    by_severity = {each["severity"]: each for each in found}
    assert set(by_severity) == {"blocker", "note"}
    assert by_severity["blocker"]["subject"].startswith("clients apart on ")
    assert "at generation 1" in by_severity["blocker"]["subject"]
    assert by_severity["note"]["reason"].startswith("reached 2 clients")
