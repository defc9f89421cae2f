"""A consumer whose join hangs while its group is stable gets a new client and its partitions."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Consumer as RawConsumer
from cutover_harness.admin import Admin
from cutover_harness.testbed import ProcessTestbed
from cutover_shim import Consumer, rejoin

from tests.waiting import wait_until


def test_a_client_whose_join_hangs_is_replaced(
    testbed: ProcessTestbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rejoin, "CHECK_S", 0.2)
    topic, group, servers = "hanging-join", "hanging-group", testbed.source.bootstrap
    Admin(testbed.source.client_config()).create_topics({topic: 2})
    path = tmp_path / "cutover.toml"
    path.write_text(
        f'generation = 1\n[clusters.source]\n"bootstrap.servers" = "{servers}"\n'
        f'[clusters.target]\n"bootstrap.servers" = "{servers}"\n'
        f'[routes.r]\ntopics = ["{topic}"]\ngroups = ["{group}"]\nproducers = "source"\nconsumers = "source"\n'
    )
    conf = {"group.id": group, "session.timeout.ms": 6000, "bootstrap.servers": servers}
    other = RawConsumer(conf)
    other.subscribe([topic])
    wait_until(lambda: other.poll(0.05) is None and len(other.assignment()) == 2)
    consumer = Consumer({**conf, "cutover.file": str(path)})
    consumer._shim.route.topics = [topic]  # as if its JoinGroup were never answered: the client has asked for nothing

    def both() -> bool:
        consumer.poll(0.05)
        other.poll(0.05)
        return len(consumer.assignment()) == len(other.assignment()) == 1

    wait_until(both)
    assert "has waited to join for longer than its session timeout" in caplog.text
    consumer.close()
    other.close()
